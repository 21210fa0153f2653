"""How a *win* model does on the hands that people ask of: `python -m stratos.evals.hands MODEL_FOLDER`.

A sealed split is drawn as the training data is, so its figure holds for hands made that way. The hands here are drawn by
code of their own, which shares nothing with the making of training data; some families (all sets, two tiles changed, one
suit dealt at random) are taught nowhere. Every family has its own figure: the share of final answers that the verifier
calls right. It cannot see which hands a model was trained on: of one suit there are only 13,259 complete hands.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from ..skills.mahjong import judge
from ..skills.mahjong.skill import SKILL
from ..skills.mahjong.tiles import COPIES, HONOURS_FROM, TILES, Counts, count, write_prompt
from ..state.evidence import wilson
from ..tools.serving.engine import Settings, open_engine
from .reporting import Claim, Report, arguments

ITEMS, QUICK_ITEMS = 1000, 300

Hand = list[int]
"""Tile numbers, at most four of each."""

_ALL, _HONOURS = range(len(TILES)), range(HONOURS_FROM, len(TILES))
_SUITS = (range(9), range(9, 18), range(18, 27))
_RUN_SHARE = 0.75
"""assumption: share of runs among melds where both can be had; players' hands hold mostly runs."""


def _complete(rng: Random, tiles: Sequence[int] = _ALL, run_share: float = _RUN_SHARE) -> Hand:
    """Four melds and a pair of some tiles; the pair stands last."""
    runs = [[tile, tile + 1, tile + 2] for suit in _SUITS for tile in suit[:7] if tile in tiles]
    while True:
        melds = [rng.choice(runs) if runs and rng.random() < run_share else [rng.choice(tiles)] * 3 for _ in range(4)]
        hand = [*(tile for meld in melds for tile in meld), *[rng.choice(tiles)] * 2]
        if _is_possible(hand):
            return hand


def _is_possible(hand: Hand) -> bool:
    return max(map(hand.count, hand)) <= COPIES


def _dealt(rng: Random, tiles: Sequence[int] = _ALL) -> Hand:
    return rng.sample([tile for tile in tiles for _ in range(COPIES)], 14)


def _one_suit(rng: Random) -> Hand:
    return _complete(rng, rng.choice(_SUITS))


def _of_suit_and_honours(rng: Random) -> Hand:
    return _complete(rng, [*rng.choice(_SUITS), *_HONOURS], run_share=0.5)


def _of_honours(rng: Random) -> Hand:
    """A complete hand with three different honours or more."""
    while True:
        hand = _complete(rng, [*_ALL, *_HONOURS, *_HONOURS], run_share=0.5)
        if len(set(hand).intersection(_HONOURS)) >= 3:
            return hand


def _changed(hand: Hand, places: Sequence[int], rng: Random, tiles: Sequence[int] = _ALL) -> Hand:
    """The hand with other tiles in some places; a tile may not be put back."""
    return [rng.choice([new for new in tiles if new != tile]) if at in places else tile for at, tile in enumerate(hand)]


def _swapped(rng: Random, swaps: int = 1) -> Hand:
    return _changed(_complete(rng), rng.sample(range(14), swaps), rng)


def _one_suit_swapped(rng: Random) -> Hand:
    suit = rng.choice(_SUITS)
    return _changed(_complete(rng, suit), [rng.randrange(14)], rng, suit)


def _pair_replaced(rng: Random, tiles: Sequence[int] = _ALL) -> Hand:
    return [*_complete(rng)[:12], *rng.sample(tiles, 2)]


FAMILIES: Mapping[str, Callable[[Random], Hand]] = {
    "complete, mixed": _complete,
    "complete, one suit": _one_suit,
    "complete, one suit and honours": _of_suit_and_honours,
    "complete, three different honours or more": _of_honours,
    "complete, all sets": lambda rng: _complete(rng, run_share=0.0),
    "one tile changed for any": _swapped,
    "two tiles changed for any": lambda rng: _swapped(rng, 2),
    "one tile of the pair changed": lambda rng: _changed(_complete(rng), [13], rng),
    "the pair replaced by two different tiles": _pair_replaced,
    "the pair replaced by two different honours": lambda rng: _pair_replaced(rng, _HONOURS),
    "one suit, one tile changed within it": _one_suit_swapped,
    "one suit, random tiles": lambda rng: _dealt(rng, rng.choice(_SUITS)),
    "random tiles": _dealt,
}
"""Complete hands, then hands of which most are not: what they are is for the verifier to say."""


def drawn(family: str, seed: int, items: int) -> list[Counts]:
    """Hands of a family; none that looks like seven pairs or thirteen orphans, which are not asked of the skill."""
    rng, hands = Random(f"hands:{seed}:{family}"), list[Counts]()
    while len(hands) < items:
        hand = FAMILIES[family](rng)
        if _is_possible(hand) and not judge.is_special_shape(counts := count(hand)):
            hands.append(counts)
    return hands


def main() -> None:
    """Runs the eval."""
    options = arguments(__doc__ or "", (("model", {"type": Path, "help": "a model's folder, as training leaves it"}),))
    report = Report(eval="hands", seed=options.seed, quick=options.quick)
    items = QUICK_ITEMS if options.quick else ITEMS
    engine, limit = open_engine(options.model), SKILL.tasks["win"].max_completion_tokens + 1
    for name in FAMILIES:
        prompts = [write_prompt("win", hand) for hand in drawn(name, options.seed, items)]
        asked = [engine.encode_chat([{"role": "user", "content": prompt}]) for prompt in prompts]
        answers = engine.generate(asked, Settings(max_tokens=limit))
        checks = [SKILL.verify("win", prompt, answer.text) for prompt, answer in zip(prompts, answers, strict=True)]
        share = wilson(sum(check.answer_right for check in checks), items)
        interval = (share.low, share.high)
        claim = Claim(name=name, value=share.value, unit="share", n=items, goal="none", met=None, interval=interval)
        report.add(claim)
    report.print(options.json)


if __name__ == "__main__":
    main()
