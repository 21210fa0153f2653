"""The exact non-dominated set of a million points on one thread, in NumPy.

Four steps, none of which a change of an objective's scale could alter:

1. A few strong pivots, found on a sample by greedy cover, throw out what they dominate (after the "divide" step of skyline
   queries: Börzsönyi, Kossmann and Stocker, ICDE 2001).
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

SAMPLE = 1024
"""Points on which pivots are sought: their pairwise comparison takes 5 ms."""
PIVOTS = 24
WORTH_A_PIVOT = 0.02
"""A pivot is used while it throws out this share of the sample that is left: a pass over a million rows costs about 10 ms."""
SAMPLED_FROM = 20_000
"""Below this the tiers alone are as fast."""
TIER = 2048
"""Rows a tier: its prefix tables, half a MiB for each objective, then stay in a core's cache."""
BLOCK_WORDS = 1 << 16
"""Words of one block's intersection: half a MiB, so that it stays in the cache while it is worked on."""
HASH_BITS = 40


def non_dominated(objectives: Floats) -> Rows:
    """Rows of the exact front, in rising order; `objectives` is (n, m), less is better.

    A row is dominated when another is no worse in every objective and better in one; rows equal in all objectives stay or go
    together. +inf and -inf are values like others. Raises Correctable for NaN, or for anything that is not a table of at least
    one column. Memory beside the input is about 12 words a row, whatever the size of the front.
    """
    if objectives.ndim != 2 or objectives.shape[1] == 0:
        raise Correctable(f"objectives must be a table of rows and columns, not of shape {objectives.shape!r}")
    columns = [np.ascontiguousarray(column, dtype=np.float64) for column in objectives.T]
    if any(bool(np.isnan(column).any()) for column in columns):
        unknown = np.flatnonzero(np.isnan(objectives).any(axis=1))
        raise Correctable(f"{len(unknown)} of {len(objectives)} rows hold no number, the first is row {unknown[0]}")
    rows = np.arange(len(objectives), dtype=np.intp)
    if len(rows) > SAMPLED_FROM:
        rows, columns = _thrown_out_by_pivots(rows, columns)
    ranks = [_dense_ranks(column) for column in columns]
    del columns
    order, starts = _in_order(ranks)
    unique = order[starts]
    kept = _tiers([rank[unique] for rank in ranks])
    group = np.cumsum(starts) - 1
    on_front = np.zeros(len(unique), dtype=bool)
    on_front[kept] = True
    return np.sort(rows[order[on_front[group]]])


def _thrown_out_by_pivots(rows: Rows, columns: list[Floats]) -> tuple[Rows, list[Floats]]:
    """The rows that no pivot dominates, and their columns."""
    for pivot in _pivots(columns):
        no_better, equal = columns[0] >= pivot[0], columns[0] == pivot[0]
        for column, value in zip(columns[1:], pivot[1:], strict=True):
            no_better &= column >= value
            equal &= column == value
        kept = np.flatnonzero(~no_better | equal)
        rows, columns = rows[kept], [column[kept] for column in columns]
    return rows, columns


def _pivots(columns: list[Floats]) -> list[Floats]:
    """Points of an even sample that together dominate most of it, the strongest first."""
    step = max(1, len(columns[0]) // SAMPLE)
    sample = np.stack([column[::step][:SAMPLE] for column in columns])
    no_worse = np.ones((sample.shape[1], sample.shape[1]), dtype=bool)
    better = np.zeros_like(no_worse)
    for values in sample:
        no_worse &= values[:, None] <= values[None, :]
        better |= values[:, None] < values[None, :]
    dominates = no_worse & better
    left, found = np.ones(sample.shape[1], dtype=bool), list[Floats]()
    while len(found) < PIVOTS:
        gains = dominates[:, left].sum(axis=1)
        best = int(gains.argmax())
        if gains[best] <= WORTH_A_PIVOT * left.sum():
            break
        found.append(sample[:, best])
        left &= ~dominates[best]
    return found


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
    words = -(-len(members[0]) // 64)
    tables = [_prefixes(member, words) for member in members]
    places = [_no_worse(member, point) for member, point in zip(members, points, strict=True)]
    found = np.empty(len(points[0]), dtype=bool)
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


def _prefixes(member: Ranks, words: int) -> Words:
    """Row k: the set of the k members of lowest rank, a bit each; (members + 1, words)."""
    order = np.argsort(member, kind="stable")
    sets = np.zeros((len(member) + 1, words), dtype=np.uint64)
    sets[np.arange(1, len(member) + 1), order >> 6] = np.uint64(1) << (order & 63).astype(np.uint64)
    return np.bitwise_or.accumulate(sets, axis=0, out=sets)


def _no_worse(member: Ranks, points: Ranks) -> Rows:
    """How many members have at most each point's rank, by a table over all ranks: faster than a search for each point."""
    counts = np.bincount(member, minlength=int(points.max(initial=0)) + 1)
    return np.cumsum(counts)[points]
