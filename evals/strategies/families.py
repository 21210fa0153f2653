"""Sixteen task families of known structure, each with a teacher whose knowledge is known exactly.

Eight are held out: the rules of `tools/teaching/ways.py` were made with the figures of the other eight alone.
"""

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from ...skills.protocol import Example

Make = Callable[[Random], Example]
Teach = Callable[[Example, Random], Example]

TEST = 400
"""Held-out questions of each family."""

NOISE = [f"w{number}" for number in range(60)]
"""Words that mean nothing."""

DIGITS = string.digits


@dataclass(frozen=True, kw_only=True)
class Questions:
    """A family's questions with their right answers; of the unlabelled ones only the teacher may be asked."""

    test: list[Example]
    labelled: list[Example]
    unlabelled: list[Example]


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of task: what a question is, what a teacher says to it, how many right answers are at hand."""

    name: str
    structure: str
    make: Make
    teach: Teach
    labelled: int
    """Questions with a right answer and a worked way."""
    unlabelled: int = 8000
    """Further questions that the teacher can be asked."""
    held_out: bool

    def questions(self, seed: int) -> Questions:
        """All different, the same for the same seed; fewer unlabelled ones where the task has no more."""
        chance, found = Random(f"{self.name}:{seed}"), dict[str, Example]()
        wanted = TEST + self.labelled + self.unlabelled
        for _ in range(20 * wanted):
            if len(found) == wanted:
                break
            example = self.make(chance)
            found.setdefault(example.prompt, example)
        every = list(found.values())
        test, labelled, unlabelled = every[:TEST], every[TEST : TEST + self.labelled], every[TEST + self.labelled :]
        return Questions(test=test, labelled=labelled, unlabelled=unlabelled)

    def taught(self, examples: Sequence[Example], seed: int) -> list[Example]:
        """What the teacher says to each question."""
        chance = Random(f"{self.name}:{seed}:teacher")
        return [self.teach(example, chance) for example in examples]


def _example(prompt: Sequence[str], way: Sequence[str], answer: str) -> Example:
    return Example(prompt=" ".join(prompt), rationale=" ".join(way), answer=answer)


def knows(share: float, answers: Sequence[str]) -> Teach:
    """A teacher that is right with this probability; a wrong answer comes with a way that leads to it in the last word alone."""

    def teach(example: Example, chance: Random) -> Example:
        if chance.random() < share:
            return example
        return replace(example, answer=chance.choice([answer for answer in answers if answer != example.answer]))

    return teach


def _topic(chance: Random) -> Example:
    """One of four topics, each told by its own words among noise: a bag of words knows it."""
    topic = chance.choice("abcd")
    words = [f"{topic}{chance.randrange(30)}" for _ in range(2)] + chance.choices(NOISE, k=6)
    chance.shuffle(words)
    return _example(words, [word for word in words if word[0] == topic], f"topic-{topic}")


def _parity(chance: Random) -> Example:
    """Whether the number of ones is even: nothing short of following it tells."""
    bits, state, way = chance.choices("01", k=12), 0, list[str]()
    for bit in bits:
        state ^= int(bit)
        way.append("odd" if state else "even")
    return _example(bits, way, way[-1])


def _addition(chance: Random) -> Example:
    """Two numbers of three digits, added from the right."""
    one, other = chance.randrange(1000), chance.randrange(1000)
    carry, way = 0, list[str]()
    for place in range(3):
        left, right = one // 10**place % 10, other // 10**place % 10
        total = left + right + carry
        carry = total // 10
        way += [str(left), str(right), str(total % 10), "c" if carry else "-"]
    return _example([*f"{one:03d}", "+", *f"{other:03d}"], way, " ".join(f"{one + other:04d}"))


def _hops(chance: Random) -> Example:
    """Three steps along arrows that the question names."""
    letters = chance.sample(string.ascii_lowercase, 7)
    arrows = list(pairwise(letters))
    start = chance.randrange(4)
    chance.shuffle(arrows)
    way = letters[start : start + 4]
    return _example([*(word for arrow in arrows for word in arrow), "from", letters[start]], way, way[-1])


_VALUES = {f"key{number}": f"v{Random(number).randrange(20)}" for number in range(200)}


def _memory(chance: Random) -> Example:
    """A fact that nothing but having met it tells; the way names what has nothing to do with it."""
    key = chance.choice(list(_VALUES))
    words = [*chance.choices(NOISE, k=3), key, *chance.choices(NOISE, k=2)]
    return _example(words, [*words, *reversed(words)], _VALUES[key])


def _majority(chance: Random) -> Example:
    """Which of two letters comes more often, with a way that is far longer than it need be."""
    letters = chance.choices("xy", k=11)
    way, count = list[str](), {"x": 0, "y": 0}
    for letter in letters:
        count[letter] += 1
        way += ["x", str(count["x"]), "y", str(count["y"]), "so", "far"]
    return _example(letters, way, max("xy", key=lambda letter: count[letter]))


def _count(chance: Random) -> Example:
    """How often the first letter comes among the others."""
    letters = chance.choices("pqr", k=12)
    wanted, seen, way = chance.choice("pqr"), 0, list[str]()
    for letter in letters:
        seen += letter == wanted
        way.append(str(seen))
    return _example([wanted, ":", *letters], way, str(seen))


def _sorting(chance: Random) -> Example:
    """Five digits in order: the answer is its own way."""
    digits = chance.choices(DIGITS, k=5)
    rest, way = sorted(digits), list[str]()
    while rest:
        way += [rest[0], "of", *rest, ";"]
        rest = rest[1:]
    return _example(digits, way, " ".join(sorted(digits)))


def _negation(chance: Random) -> Example:
    """Good or bad, turned around by every "not" before it."""
    nots, word = chance.randrange(4), chance.choice(("good", "bad"))
    words = [*chance.choices(NOISE, k=3), *["not"] * nots, word, *chance.choices(NOISE, k=2)]
    state, way = word, [word]
    for _ in range(nots):
        state = "bad" if state == "good" else "good"
        way += ["not", state]
    return _example(words, way, f"is-{state}")


def _dice(chance: Random) -> Example:
    """Nothing in the question tells the answer."""
    return _example(chance.choices(NOISE, k=6), chance.choices(NOISE, k=3), chance.choice(["heads", "tails"]))


def _intent(chance: Random) -> Example:
    """One of twelve intents by one word of three that mean it."""
    intent = chance.randrange(12)
    words = [*chance.choices(NOISE, k=5), f"verb{3 * intent + chance.randrange(3)}"]
    chance.shuffle(words)
    return _example(words, [word for word in words if word.startswith("verb")], f"intent-{intent}")


def _clock(chance: Random) -> Example:
    """Hours later on a clock of twelve, one by one."""
    hour, later = chance.randrange(12), chance.randrange(1, 9)
    way = [f"h{(hour + step) % 12}" for step in range(1, later + 1)]
    return _example([f"h{hour}", "plus", str(later), *chance.choices(NOISE, k=3)], way, way[-1])


_YES_NO, _GOOD_BAD = ("odd", "even"), ("is-good", "is-bad")
_NUMBERS, _HOURS = tuple(map(str, range(13))), tuple(f"h{hour}" for hour in range(12))
_LETTERS = tuple(string.ascii_lowercase)
_FOUR = tuple(" ".join(f"{number:04d}") for number in range(0, 1999, 7))
_SORTED = tuple(" ".join(f"{number:05d}") for number in (0, 12345, 13579, 34567))
MANY, FEW = 6000, 150

FAMILIES: tuple[Family, ...] = (
    Family(
        name="topic",
        structure="lexical",
        make=_topic,
        teach=knows(0.9, [f"topic-{letter}" for letter in "abcd"]),
        labelled=MANY,
        held_out=False,
    ),
    Family(
        name="intent",
        structure="lexical, many labels",
        make=_intent,
        teach=knows(0.8, [f"intent-{number}" for number in range(12)]),
        labelled=MANY,
        held_out=True,
    ),
    Family(
        name="parity",
        structure="algorithmic",
        make=_parity,
        teach=knows(0.9, _YES_NO),
        labelled=3000,
        unlabelled=0,
        held_out=False,
    ),
    Family(
        name="count", structure="algorithmic", make=_count, teach=knows(0.9, _NUMBERS), labelled=MANY, held_out=True
    ),
    Family(
        name="addition",
        structure="algorithmic, long answers",
        make=_addition,
        teach=knows(0.6, _FOUR),
        labelled=MANY,
        held_out=False,
    ),
    Family(
        name="clock", structure="compositional", make=_clock, teach=knows(0.95, _HOURS), labelled=MANY, held_out=True
    ),
    Family(
        name="hops", structure="compositional", make=_hops, teach=knows(0.9, _LETTERS), labelled=MANY, held_out=False
    ),
    Family(
        name="negation",
        structure="compositional, lexical",
        make=_negation,
        teach=knows(0.9, _GOOD_BAD),
        labelled=MANY,
        held_out=True,
    ),
    Family(
        name="memory",
        structure="memorising",
        make=_memory,
        teach=knows(0.5, sorted(set(_VALUES.values()))),
        labelled=MANY,
        held_out=False,
    ),
    Family(
        name="majority",
        structure="long rationales",
        make=_majority,
        teach=knows(0.9, ("x", "y")),
        labelled=1500,
        unlabelled=0,
        held_out=True,
    ),
    Family(
        name="sorting",
        structure="the answer is its own way",
        make=_sorting,
        teach=knows(0.7, _SORTED),
        labelled=MANY,
        held_out=False,
    ),
    Family(
        name="few, competent teacher",
        structure="hops with few labels",
        make=_hops,
        teach=knows(0.95, _LETTERS),
        labelled=FEW,
        held_out=True,
    ),
    Family(
        name="few, ignorant teacher",
        structure="clock with few labels and a teacher that guesses",
        make=_clock,
        teach=knows(0.08, _HOURS),
        labelled=FEW,
        held_out=True,
    ),
    Family(
        name="noisy teacher",
        structure="count with many labels and a teacher half right",
        make=_count,
        teach=knows(0.5, _NUMBERS),
        labelled=MANY,
        held_out=False,
    ),
    Family(
        name="few, fair teacher",
        structure="addition with few labels, a teacher often right",
        make=_addition,
        teach=knows(0.8, _FOUR),
        labelled=FEW,
        held_out=False,
    ),
    Family(
        name="dice",
        structure="nothing to learn",
        make=_dice,
        teach=knows(0.5, ("heads", "tails")),
        labelled=MANY,
        held_out=True,
    ),
)
