"""The exact non-dominated set of a million points on one thread, in NumPy.

Four steps, none of which a change of an objective's scale could alter:

1. The fronts of samples, each larger than the one before, throw out what they dominate: most of what is dominated at all is
   dominated by many (the idea of the first pass of skyline queries: Godfrey, Shipley and Gryz, VLDB 2005).
2. Each objective becomes its dense rank, so that ties, infinities and units no longer matter and sums are exact.
3. Equal rows become one, and rows are put in order of the sum of their ranks: nothing can be dominated by what comes later
   (sort-filter skyline: Chomicki, Godfrey, Gryz and Liang, ICDE 2003).
4. Rows are taken a tier at a time. What survives within its tier is final, and the rest is filtered against it by bit sets:
   for each objective, the set of the tier's members that are no worse is a row of a prefix table, and a point is dominated when
   the intersection over all objectives is not empty. One word compares 64 members.
"""

# pyright: reportUnknownMemberType=false

import numpy as np
from numpy.typing import NDArray

from ...state.errors import Correctable

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Ranks = NDArray[np.int64]
Words = NDArray[np.uint64]

FIRST_SAMPLE, GROWTH = 1024, 8
"""Rows of the first sample, and how much larger each later one is."""
SAMPLED_FROM = 16
"""Samples are drawn while there are this many times as many rows: filtering then costs less than sorting what it saves."""
WORTH_A_SAMPLE = 0.1
"""The last sample is the first that throws out less than this share."""
TIER = 2048
"""Rows a tier: its prefix tables, half a MiB for each objective, then stay in a core's cache."""
BLOCK_WORDS = 1 << 16
"""Words of one block's intersection: half a MiB, so that it stays in the cache while it is worked on."""
HASH_BITS = 40


def non_dominated(objectives: Floats) -> Rows:
    """Rows of the exact front, in rising order; `objectives` is (n, m), less is better.

    A row is dominated when another is no worse in every objective and better in one; rows equal in all objectives stay or go
    together. +inf and -inf are values like others. Raises Correctable for NaN, or for anything that is not a table of at least
    one column. Memory beside the input is at most some 20 words a row, whatever the size of the front.
    """
    if objectives.ndim != 2 or objectives.shape[1] == 0:
        raise Correctable(f"objectives must be a table of rows and columns, not of shape {objectives.shape!r}")
    columns = [np.ascontiguousarray(column, dtype=np.float64) for column in objectives.T]
    if any(bool(np.isnan(column).any()) for column in columns):
        unknown = np.flatnonzero(np.isnan(objectives).any(axis=1))
        raise Correctable(f"{len(unknown)} of {len(objectives)} rows hold no number, the first is row {unknown[0]}")
    rows, columns = _thrown_out_by_samples(columns)
    return np.sort(rows[_front(columns)])


def _thrown_out_by_samples(columns: list[Floats]) -> tuple[Rows, list[Floats]]:
    """The rows that no sample's front dominates, and their columns."""
    rows, rng, size = np.arange(len(columns[0]), dtype=np.intp), np.random.default_rng(0), FIRST_SAMPLE
    while len(rows) > SAMPLED_FROM * size:
        drawn = rng.integers(0, len(rows), size)
        sample = [column[drawn] for column in columns]
        best = _front(sample)
        kept = np.flatnonzero(~_dominated_by_sample(columns, [column[best] for column in sample]))
        thrown_out = 1 - len(kept) / len(rows)
        rows, columns = rows[kept], [column[kept] for column in columns]
        if thrown_out < WORTH_A_SAMPLE:
            break
        size *= GROWTH
    return rows, columns


def _dominated_by_sample(columns: list[Floats], members: list[Floats]) -> NDArray[np.bool_]:
    """Whether a member is better in one certain objective and no worse in the others; so no row is held to dominate its equal.

    The objective is that in which members differ most, so that few dominated rows are missed; which ones changes nothing.
    """
    strictly = int(np.argmax([len(np.unique(member)) for member in members]))
    places = [
        np.searchsorted(np.sort(member), column, side="left" if at == strictly else "right")
        for at, (member, column) in enumerate(zip(members, columns, strict=True))
    ]
    return _any_common(places, [_prefixes(member) for member in members])


def _front(columns: list[Floats]) -> Rows:
    """Rows of the front, in no order."""
    ranks = [_dense_ranks(column) for column in columns]
    order, starts = _in_order(ranks)
    unique = order[starts]
    on_front = np.zeros(len(unique), dtype=bool)
    on_front[_tiers([rank[unique] for rank in ranks])] = True
    return order[on_front[np.cumsum(starts) - 1]]


def _dense_ranks(column: Floats) -> Ranks:
    """0 for the smallest value, 1 for the next, ...: equal values have equal ranks."""
    order = np.argsort(column)
    ordered = column[order]
    ranks = np.empty(len(column), dtype=np.int64)
    ranks[order] = np.concatenate(([0], np.cumsum(ordered[1:] != ordered[:-1]))) if len(column) else 0
    return ranks


def _in_order(ranks: list[Ranks]) -> tuple[Rows, NDArray[np.bool_]]:
    """Rows by the sum of their ranks with equal rows together, and whether each begins a group of equal ones.

    One sort does both: the key is the sum above a hash of the row. Where two different rows of one sum share a hash, which is
    noticed, all columns are sorted by.
    """
    total = np.sum(ranks, axis=0)
    if int(total.max(initial=0)).bit_length() + HASH_BITS < 63:
        order = np.argsort((total << HASH_BITS) | _hashes(ranks))
        same_sum = total[order]
        differs = _differs(ranks, order)
        keys_differ = same_sum[1:] != same_sum[:-1]
        hashes = _hashes([rank[order] for rank in ranks])
        keys_differ |= hashes[1:] != hashes[:-1]
        if not bool((differs & ~keys_differ).any()):
            return order, np.concatenate((np.ones(min(1, len(order)), dtype=bool), differs))
    order = np.lexsort((*ranks, total))
    return order, np.concatenate((np.ones(min(1, len(order)), dtype=bool), _differs(ranks, order)))


def _differs(ranks: list[Ranks], order: Rows) -> NDArray[np.bool_]:
    """Whether each row but the first differs from the one before it."""
    found = np.zeros(max(0, len(order) - 1), dtype=bool)
    for rank in ranks:
        ordered = rank[order]
        found |= ordered[1:] != ordered[:-1]
    return found


def _hashes(ranks: list[Ranks]) -> Ranks:
    """HASH_BITS of each row, by multiplication with odd constants (Knuth, TAOCP 3, 6.4)."""
    mixed = np.zeros(len(ranks[0]), dtype=np.uint64)
    for rank in ranks:
        mixed = (mixed ^ rank.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return (mixed >> np.uint64(64 - HASH_BITS)).astype(np.int64)


def _tiers(ranks: list[Ranks]) -> Rows:
    """The front of distinct rows that stand in order of the sum of their ranks."""
    left = np.arange(len(ranks[0]), dtype=np.intp)
    found = [left[:0]]
    while len(left):
        tier, left = left[:TIER], left[TIER:]
        members = [rank[tier] for rank in ranks]
        tier = tier[~_dominated(members, members, apart_from_itself=True)]
        found.append(tier)
        if len(left):
            left = left[~_dominated([rank[left] for rank in ranks], [rank[tier] for rank in ranks])]
    return np.concatenate(found)


def _dominated(points: list[Ranks], members: list[Ranks], *, apart_from_itself: bool = False) -> NDArray[np.bool_]:
    """Whether any member is no worse than each point in every objective; each may be left out of its own comparison."""
    places = [_no_worse(member, point) for member, point in zip(members, points, strict=True)]
    return _any_common(places, [_prefixes(member) for member in members], apart_from_itself=apart_from_itself)


def _any_common(places: list[Rows], tables: list[Words], *, apart_from_itself: bool = False) -> NDArray[np.bool_]:
    """Whether the sets at each point's places, one in each table, have a member in common; its own bit may be left out."""
    words = tables[0].shape[1]
    found = np.empty(len(places[0]), dtype=bool)
    step = max(1, BLOCK_WORDS // words)
    both, one = np.empty((2, step, words), dtype=np.uint64)
    for start in range(0, len(found), step):
        end = min(start + step, len(found))
        inside, other = both[: end - start], one[: end - start]
        np.take(tables[0], places[0][start:end], axis=0, out=inside, mode="clip")
        for table, place in zip(tables[1:], places[1:], strict=True):
            np.take(table, place[start:end], axis=0, out=other, mode="clip")
            np.bitwise_and(inside, other, out=inside)
        if apart_from_itself:
            own = np.arange(start, end)
            inside[own - start, own >> 6] &= ~(np.uint64(1) << (own & 63).astype(np.uint64))
        found[start:end] = np.bitwise_or.reduce(inside, axis=1) != 0
    return found


def _prefixes(member: Ranks | Floats) -> Words:
    """Row k: the set of the k members of lowest value, a bit each; (members + 1, words)."""
    order = np.argsort(member, kind="stable")
    sets = np.zeros((len(member) + 1, -(-len(member) // 64)), dtype=np.uint64)
    sets[np.arange(1, len(member) + 1), order >> 6] = np.uint64(1) << (order & 63).astype(np.uint64)
    return np.bitwise_or.accumulate(sets, axis=0, out=sets)


def _no_worse(member: Ranks, points: Ranks) -> Rows:
    """How many members have at most each point's rank, by a table over all ranks: faster than a search for each point."""
    counts = np.bincount(member, minlength=int(points.max(initial=0)) + 1)
    return np.cumsum(counts)[points]
