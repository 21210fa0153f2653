"""The search that *win* is taught to write down: every step is one look at the tiles that the step before left over.

Told to write the best split at once, a student has to look ahead for where the pair is, and levels off; told to try, it
learns each step (evals/LOG.md, 2026-11-24, has the figures of both).
"""

from collections.abc import Iterator
from functools import lru_cache

from .completions import AGAIN, AND, write_steps
from .groups import Group, is_stuck, melds, readings_with_pair
from .tiles import SUITS, Counts, suits

_CACHE = 1 << 16


def written_search(counts: Counts) -> tuple[str, bool]:
    """The search through a hand as text, and whether it ended in melds and a pair.

    Suit by suit: melds alone, then with each pair of the suit set apart, lowest first, until nothing is left over. One
    suit that cannot be read ends it. A second suit is never given a pair.
    """
    found: list[str] = []
    has_pair = False
    for part, (start, _) in zip(suits(counts), SUITS, strict=True):
        if any(part):
            text, is_read, gives_pair = _searched(part, start, not has_pair)
            found.append(text)
            if not is_read:
                return f" {AND} ".join(found), False
            has_pair = has_pair or gives_pair
    return f" {AND} ".join(found), has_pair


@lru_cache(maxsize=_CACHE)
def _searched(suit: Counts, start: int, may_have_pair: bool) -> tuple[str, bool, bool]:
    """The tries of a suit, whose tiles are numbered from `start`, as text; whether the last reads it; whether by a pair."""
    tried = list(_tries(suit, may_have_pair=may_have_pair))
    text = f" {AGAIN} ".join([write_steps(reading, suit, start) for reading in tried])
    return text, not is_stuck(tried[-1]), tried[-1][0].kind == "pair"


def _tries(suit: Counts, *, may_have_pair: bool) -> Iterator[tuple[Group, ...]]:
    """The readings of a suit, up to the first that leaves nothing over."""
    yield (reading := melds(suit))
    if is_stuck(reading) and may_have_pair:
        for reading in readings_with_pair(suit):
            yield reading
            if not is_stuck(reading):
                return
