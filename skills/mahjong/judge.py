"""The independent verifier: what the `mahjong` package says of a hand; it shares no code with the solvers.

It covers the standard form only: a hand complete as seven pairs or thirteen orphans alone is not complete here.
"""

from .tiles import COPIES, HONOURS_FROM, TILES, Counts, suit_of, suits, with_change

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
    from mahjong.agari import Agari

    hand, found, open_suits = list(counts), list[int](), _open_suits(counts)
    for tile in range(len(TILES)):
        if counts[tile] < COPIES and suit_of(tile) in open_suits and _touches(counts, tile):
            hand[tile] += 1
            if Agari.is_agari(hand) and is_complete(tuple(hand)):
                found.append(tile)
            hand[tile] -= 1
    return found


def _open_suits(counts: Counts) -> list[int]:
    """The suits that one more tile could complete: in a complete hand one suit holds 3 n + 2 tiles, the others 3 n."""
    sizes = [sum(part) % 3 for part in suits(counts)]
    return [
        suit for suit in range(4) if sorted((*sizes[:suit], (sizes[suit] + 1) % 3, *sizes[suit + 1 :])) == [0, 0, 0, 2]
    ]


def _touches(counts: Counts, tile: int) -> bool:
    """Whether the hand holds the tile or one within two steps: the tile drawn must be in a group with another."""
    if tile >= HONOURS_FROM:
        return counts[tile] > 0
    start = tile // 9 * 9
    return any(counts[max(start, tile - 2) : min(start + 9, tile + 3)])
