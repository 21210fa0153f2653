"""The families of hands that *win* is taught on: complete hands of several kinds, and hands that miss, subtly or plainly.

The subtle ones are most of the misses: a cheap feature gives the plain ones away, and what they are needed for is only
that a student has seen them. shortcuts.py lists such features, and tests hold what each tells below a bound.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from random import Random

from .groups import is_complete
from .hands import SUIT_WEIGHTS, any_of, complete_hand_and_pair, is_seven_pairs, is_standard
from .shortcuts import stray_tiles, sums_allow
from .tiles import COPIES, HONOURS_FROM, TILES, Counts, count, suits, with_change

COMPLETE: Mapping[str, float] = {"complete, mixed": 0.74, "complete, one suit": 0.14, "complete, many honours": 0.12}
"""Families of complete hands, and how often a hand is one of them or a miss made of one."""

MISSED: Mapping[str, float] = {
    "near miss": 0.55,
    "near miss, same copies": 0.18,
    "one tile swapped": 0.10,
    "pair broken": 0.08,
    "pair replaced": 0.08,
    "random tiles": 0.01,
}
"""Families of hands that are not complete, and how often a miss is one of them."""

_MANY_HONOURS = (1.0, 1.0, 1.0, 4.0)
_TWO_HONOURS_SHARE = 0.5
"""Share of replaced pairs whose place two honours take."""
_CACHE = 1 << 17


def draw(rng: Random) -> tuple[str, Counts]:
    """A hand, complete half of the time, and its family.

    A miss is drawn for every complete hand, and one of the two is kept: so both answers come from the same complete
    hands, one suit and many honours as often for either.
    """
    of = rng.choices(list(COMPLETE), list(COMPLETE.values()))[0]
    family = rng.choices(list(MISSED), list(MISSED.values()))[0]
    while True:
        complete, pair = complete_hand_and_pair(rng, _weights(of, rng))
        missed = _MAKE[family](complete, pair, rng)
        if missed is not None and not is_seven_pairs(complete) and not is_seven_pairs(missed):
            return (of, complete) if rng.random() < 0.5 else (family, missed)


def _weights(family: str, rng: Random) -> tuple[float, ...]:
    """How often a group of a complete hand is of m, p, s, z."""
    if family == "complete, one suit":
        suit = int(rng.random() * 3)
        return tuple(float(other == suit) for other in range(4))
    return _MANY_HONOURS if family == "complete, many honours" else SUIT_WEIGHTS


def _near_miss(hand: Counts, pair: int, rng: Random) -> Counts | None:
    """One tile swapped within its suit, so that no stray tile and no sum of tile numbers betrays it."""
    return _one_of(_subtle_swaps, hand, rng)


def _near_miss_same_copies(hand: Counts, pair: int, rng: Random) -> Counts | None:
    """A near miss that keeps the numbers of singles, pairs, threes and fours as well."""
    return _one_of(_subtlest_swaps, hand, rng)


def _one_of(swaps: Callable[[Counts], tuple[Counts, ...]], hand: Counts, rng: Random) -> Counts | None:
    """The hand with one of the swaps that its suits allow, each as often; None when they allow none."""
    parts = list(suits(hand))
    found = [(suit, other) for suit, part in enumerate(parts) for other in swaps(part)]
    if not found:
        return None
    suit, other = found[int(rng.random() * len(found))]
    return tuple(chain.from_iterable([*parts[:suit], other, *parts[suit + 1 :]]))


@lru_cache(maxsize=_CACHE)
def _subtle_swaps(suit: Counts) -> tuple[Counts, ...]:
    """Every incomplete suit that differs in one tile and that no stray tile and no sum of tile numbers betrays."""
    return tuple(
        other for other in _swapped(suit) if sums_allow(other) and not stray_tiles(other) and not is_complete(other)
    )


@lru_cache(maxsize=_CACHE)
def _subtlest_swaps(suit: Counts) -> tuple[Counts, ...]:
    """Those that keep the numbers of singles, pairs, threes and fours as well."""
    return tuple(other for other in _subtle_swaps(suit) if sorted(other) == sorted(suit))


def _swapped(suit: Counts) -> Iterator[Counts]:
    held = [tile for tile, copies in enumerate(suit) if copies]
    free = [tile for tile, copies in enumerate(suit) if copies < COPIES]
    for out in held:
        rest = with_change(suit, out, -1)
        yield from (with_change(rest, into, 1) for into in free if into != out)


def _one_tile_swapped(hand: Counts, pair: int, rng: Random) -> Counts | None:
    """One tile swapped for any other, of any suit."""
    return _missed(with_change(with_change(hand, any_of(hand, rng), -1), _any_tile(rng), 1))


def _pair_broken(hand: Counts, pair: int, rng: Random) -> Counts | None:
    """One tile of the pair swapped for any other."""
    return _missed(with_change(with_change(hand, pair, -1), _any_tile(rng), 1))


def _pair_replaced(hand: Counts, pair: int, rng: Random) -> Counts | None:
    """Two different tiles in the place of the pair."""
    start = HONOURS_FROM if rng.random() < _TWO_HONOURS_SHARE else 0
    one, other = (start + int(rng.random() * (len(TILES) - start)) for _ in range(2))
    replaced = with_change(with_change(with_change(hand, pair, -2), one, 1), other, 1)
    return _missed(replaced) if one != other else None


def _random_tiles(hand: Counts, pair: int, rng: Random) -> Counts | None:
    """Fourteen of all tiles, as dealt; the complete hand is not looked at."""
    dealt: set[int] = set()
    while len(dealt) < 14:
        dealt.add(int(rng.random() * len(TILES) * COPIES))
    return _missed(count(tile // COPIES for tile in dealt))


def _any_tile(rng: Random) -> int:
    return int(rng.random() * len(TILES))


def _missed(hand: Counts) -> Counts | None:
    """The hand, when it is one and not complete."""
    return hand if max(hand) <= COPIES and not is_standard(hand) else None


_MAKE: Mapping[str, Callable[[Counts, int, Random], Counts | None]] = {
    "near miss": _near_miss,
    "near miss, same copies": _near_miss_same_copies,
    "one tile swapped": _one_tile_swapped,
    "pair broken": _pair_broken,
    "pair replaced": _pair_replaced,
    "random tiles": _random_tiles,
}
