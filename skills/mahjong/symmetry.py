"""The symmetries of a hand, and one name for all hands that are the same under them.

In the standard form (four melds and a pair, no points) these change neither what is complete, nor a shanten, nor a
number of accepted tiles: swapping whole number suits, counting one number suit backwards, and renaming honours. Winds
and dragons may change places with each other too, because no task asks for yaku: only *alike* matters for an honour.
"""

from collections.abc import Sequence
from itertools import chain

from .tiles import HONOURS_FROM, SUITS, Counts, suit_of, suits


def canonical_counts(counts: Counts) -> Counts:
    """The greatest hand, in order of counts, that the symmetries can make of this one."""
    *numbers, honours = suits(counts)
    ordered = sorted((max(suit, suit[::-1]) for suit in numbers), reverse=True)
    return tuple(chain.from_iterable([*ordered, sorted(honours, reverse=True)]))


def rename(tile: int, *, order: Sequence[int], mirrored: Sequence[bool], honours: Sequence[int]) -> int:
    """The tile after one symmetry: suit i becomes `order[i]`, backwards where `mirrored[i]`, honour i `honours[i]`."""
    if tile >= HONOURS_FROM:
        return HONOURS_FROM + honours[tile - HONOURS_FROM]
    suit, number = suit_of(tile), tile % 9
    return SUITS[order[suit]][0] + (8 - number if mirrored[suit] else number)
