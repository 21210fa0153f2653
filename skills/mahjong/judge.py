"""The independent verifier: what the `mahjong` package says of a hand; it shares no code with the solvers.

It covers the standard form only: a hand complete as seven pairs or thirteen orphans alone is not complete here.
"""

from functools import lru_cache

from .tiles import COPIES, HONOURS_FROM, SUITS, TILES, Counts, suits, with_change

_NUMBERS = 9
_CACHE = 1 << 16
_ORPHANS = (0, 8, 9, 17, 18, 26, *range(HONOURS_FROM, len(TILES)))


def is_complete(counts: Counts) -> bool:
    """Whether 14 tiles are four melds and a pair, by `Agari`; by `Shanten` where a special form could hide it."""
    from mahjong.agari import Agari

    return Agari.is_agari(counts) and (not is_special_shape(counts) or shanten(counts) == -1)


def is_only_melds(suit: Counts) -> bool:
    """Whether the tiles of one suit are melds: beside a pair of another suit they must be complete, by `Agari`."""
    other = 0 if any(suit[HONOURS_FROM:]) else HONOURS_FROM
    return sum(suit) % 3 == 0 and is_complete(with_change(suit, other, 2))


def is_special_shape(counts: Counts) -> bool:
    """Whether 14 tiles are seven different pairs or thirteen orphans."""
    return counts.count(2) == 7 or (all(counts[tile] for tile in _ORPHANS) and sum(counts[t] for t in _ORPHANS) == 14)


def is_special_only(counts: Counts) -> bool:
    """Whether 13 tiles wait, or 14 are complete, as seven pairs or thirteen orphans and not in the standard form."""
    from mahjong.shanten import Shanten

    ready = 13 - sum(counts)
    special = (
        Shanten.calculate_shanten_for_chiitoitsu_hand(counts),
        Shanten.calculate_shanten_for_kokushi_hand(counts),
    )
    return min(special) <= ready < shanten(counts)


def shanten(counts: Counts) -> int:
    """Shanten of the standard form, by `Shanten`."""
    from mahjong.shanten import Shanten

    return Shanten.calculate_shanten_for_regular_hand(counts)


def waits(counts: Counts) -> list[int]:
    """The tiles that complete 13 tiles, without those of which the hand holds all four."""
    open_suits = [SUITS[suit] for suit in _open_suits(counts)]
    worth_a_try = [start + tile for start, end in open_suits for tile in _completing(counts[start:end])]
    return [tile for tile in worth_a_try if is_complete(with_change(counts, tile, 1))]


@lru_cache(maxsize=_CACHE)
def _completing(suit: Counts) -> list[int]:
    """The tiles that make one suit melds, or melds and a pair, without those of which it holds all four."""
    start = 0 if len(suit) == _NUMBERS else HONOURS_FROM
    alone = (*[0] * start, *suit, *[0] * (len(TILES) - start - len(suit)))
    is_whole = is_only_melds if sum(suit) % 3 == 2 else is_complete
    free = [tile for tile, copies in enumerate(suit) if copies < COPIES]
    return [tile for tile in free if is_whole(with_change(alone, start + tile, 1))]


def _open_suits(counts: Counts) -> list[int]:
    """The suits that one more tile could complete: in a complete hand one suit holds 3 n + 2 tiles, the others 3 n."""
    sizes = [sum(part) % 3 for part in suits(counts)]
    return [
        suit for suit in range(4) if sorted((*sizes[:suit], (sizes[suit] + 1) % 3, *sizes[suit + 1 :])) == [0, 0, 0, 2]
    ]
