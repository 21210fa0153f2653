"""How a *win* model does on hands that its training data seldom or never holds: `python -m stratos.evals.hands MODEL_FOLDER`.

The sealed split is drawn as the training data is, crowded hands with subtle near misses; so its figure says nothing of
hands as people ask them. Here every family has its own figure: the share of final answers that the verifier calls right.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from ..skills.mahjong import judge
from ..skills.mahjong.hands import complete_hand
from ..skills.mahjong.skill import SKILL
from ..skills.mahjong.tiles import COPIES, HONOURS_FROM, TILES, Counts, count, spread, suits, with_change, write_prompt
from ..state.evidence import wilson
from ..tools.serving.engine import Settings, open_engine
from .reporting import Claim, Report, arguments

ITEMS, QUICK_ITEMS = 1000, 300


def _one_suit(rng: Random) -> Counts:
    """A complete hand of one number suit."""
    while True:
        hand = [0] * len(TILES)
        for _ in range(4):
            low = int(rng.random() * 7)
            for tile in (low,) * 3 if rng.random() < 0.3 else (low, low + 1, low + 2):
                hand[tile] += 1
        hand[int(rng.random() * 9)] += 2
        if max(hand) <= COPIES:
            return tuple(hand)


def _of_honours(rng: Random) -> Counts:
    """A complete hand of which three groups or more are honours."""
    while sum(map(bool, (hand := complete_hand(rng))[HONOURS_FROM:])) < 3:
        pass
    return hand


def _random_tiles(rng: Random) -> Counts:
    return count(rng.sample([tile for tile in range(len(TILES)) for _ in range(COPIES)], 14))


def _pair(hand: Counts) -> int:
    """A tile whose pair leaves melds."""
    for tile, copies in enumerate(hand):
        rest = with_change(hand, tile, -2)
        if copies >= 2 and all(judge.is_only_melds(_alone(rest, at)) for at in range(4)):
            return tile
    raise ValueError("the hand is not complete")


def _alone(hand: Counts, suit: int) -> Counts:
    parts = [part if at == suit else (0,) * len(part) for at, part in enumerate(suits(hand))]
    return tuple(copies for part in parts for copies in part)


def _swapped(rng: Random) -> Counts:
    """A complete hand with one tile changed for any other."""
    hand = complete_hand(rng)
    tiles = spread(hand)
    return with_change(with_change(hand, tiles[int(rng.random() * 14)], -1), int(rng.random() * len(TILES)), 1)


def _pair_broken(rng: Random) -> Counts:
    hand = complete_hand(rng)
    return with_change(with_change(hand, _pair(hand), -1), int(rng.random() * len(TILES)), 1)


def _pair_of_two_honours(rng: Random) -> Counts:
    """The pair gives way to two different honours."""
    hand = complete_hand(rng)
    hand = with_change(hand, _pair(hand), -2)
    for honour in rng.sample(range(HONOURS_FROM, len(TILES)), 2):
        hand = with_change(hand, honour, 1)
    return hand


FAMILIES: Mapping[str, Callable[[Random], Counts]] = {
    "complete, mixed": complete_hand,
    "complete, one suit": _one_suit,
    "complete, honours in three groups or more": _of_honours,
    "random tiles": _random_tiles,
    "complete but for one tile, changed for any": _swapped,
    "complete but for one tile of the pair": _pair_broken,
    "complete but for the pair: two different honours": _pair_of_two_honours,
}


def main() -> None:
    """Runs the eval."""
    options = arguments(__doc__ or "", (("model", {"type": Path, "help": "a model's folder, as training leaves it"}),))
    report = Report(eval="hands", seed=options.seed, quick=options.quick)
    items = QUICK_ITEMS if options.quick else ITEMS
    engine, limit = open_engine(options.model), SKILL.tasks["win"].max_completion_tokens + 1
    for name, make in FAMILIES.items():
        rng, hands = Random(f"hands:{options.seed}:{name}"), list[Counts]()
        while len(hands) < items:
            hand = make(rng)
            if max(hand) <= COPIES and not judge.is_special_shape(hand):
                hands.append(hand)
        prompts = [write_prompt("win", hand) for hand in hands]
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
