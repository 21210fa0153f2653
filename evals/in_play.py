"""Hands as in play, one a deal, to ask a *waits* or *discard* model of: dealt at random and played forward, none made in reverse.

The player takes any of the best discards and sees no tile but the own ones. A deal gives the hand it waits with, or one of the
hands it discarded from. None is one that was trained on, under the skill's symmetries.
"""

from collections.abc import Collection
from dataclasses import replace
from random import Random

from ..skills.mahjong import examples, judge, play
from ..skills.mahjong.skill import SKILL
from ..skills.mahjong.tiles import HAND_SIZE, write_prompt
from ..skills.protocol import Example


def drawn(task: str, seed: int, items: int, trained_on: Collection[str]) -> list[Example]:
    """Solved examples with their strata as families; `trained_on` are canonical prompts."""
    rng, found = Random(f"in play:{seed}:{task}"), dict[str, Example]()
    while len(found) < items:
        hands = [
            hand for hand in play.positions(rng) if sum(hand) == HAND_SIZE[task] and not judge.is_special_only(hand)
        ]
        if not hands:
            continue
        prompt = write_prompt(task, hands[int(rng.random() * len(hands))])
        if (canonical := SKILL.canonical(task, prompt)) not in trained_on:
            example = SKILL.solve(task, prompt)
            found[canonical] = replace(example, family=examples.family_of(task, example, in_play=True))
    return list(found.values())
