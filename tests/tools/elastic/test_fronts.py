"""The cut of each site is the best that fits it, by scores worked out by hand; baselines are never better."""

import itertools
import random

import pytest
from stratos.state.errors import Correctable
from stratos.tools.elastic.cutting import CUTS, Cut
from stratos.tools.elastic.fronts import Measured, Rule, SiteLimits, choose, front, grid, scores

BASELINES: tuple[Rule, ...] = ("accuracy", "size", "random", "grid")


def row(width: float, accuracy: float, size: int, joules: float, ms: float = 1.0) -> Measured:
    return Measured(cut=Cut(width=width, depth=1), accuracy=accuracy, latency_ms=ms, bytes=size, joules=joules)


TABLE = [row(1, 0.9, 1000, 4.0), row(0.75, 0.88, 500, 2.0), row(0.5, 0.5, 400, 2.0), row(0.25, 0.4, 450, 3.0)]


def drawn(seed: int) -> list[Measured]:
    """A table in which larger cuts tend to be better, slower and larger."""
    rng = random.Random(seed)
    return [
        Measured(
            cut=cut,
            accuracy=min(1.0, 0.5 + 0.4 * (cut.width * cut.depth) ** 0.3 * rng.uniform(0.8, 1.2)),
            latency_ms=10 * cut.width * cut.depth * rng.uniform(0.8, 1.2),
            bytes=round(1e6 * (0.1 + cut.width * cut.depth)),
            joules=cut.width * cut.depth * rng.uniform(0.8, 1.2),
        )
        for cut in CUTS
    ]


def test_scores_by_hand() -> None:
    """Accuracy spans 0.5, bytes 600, joules 2."""
    assert scores(TABLE) == pytest.approx([1 - 0.5 * 2, 0.96 - 0.5 / 6, 0.2, 0 - 0.5 * (50 / 600 + 0.5)])


def test_what_another_beats_is_not_on_the_front() -> None:
    assert front(TABLE) == TABLE[:3]


def test_a_site_gets_the_best_that_fits() -> None:
    assert choose(TABLE, SiteLimits()) == TABLE[1]
    assert choose(TABLE, SiteLimits(max_bytes=450)) == TABLE[2]
    assert choose(TABLE, SiteLimits(), "accuracy") == TABLE[0]
    assert choose(TABLE, SiteLimits(), "size") == TABLE[2]
    slow = [row(1, 0.9, 100, 1.0, ms=30), row(0.5, 0.8, 100, 1.0, ms=10)]
    assert choose(slow, SiteLimits(max_latency_ms=20)) == slow[1]


def test_a_site_that_nothing_fits_is_told_what_is_smallest() -> None:
    with pytest.raises(Correctable, match=r"at most 300 bytes and at most 5 ms: the smallest, w0\.5-d1, has 400 bytes"):
        choose(TABLE, SiteLimits(max_bytes=300, max_latency_ms=5))


def test_the_grid_keeps_what_is_dominated_and_the_front_does_not() -> None:
    kept = {seed: grid(drawn(seed)) for seed in range(20)}
    assert all(set(front(drawn(seed))) <= set(drawn(seed)) for seed in kept)
    assert any(set(kept[seed]) - set(front(drawn(seed))) for seed in kept)


@pytest.mark.parametrize("seed", range(30))
def test_no_baseline_scores_better_than_the_front(seed: int) -> None:
    table = drawn(seed)
    score = dict(zip((measured.cut for measured in table), scores(table), strict=True))
    sizes = sorted(measured.bytes for measured in table)
    for limit, rule in itertools.product((sizes[3], sizes[8], sizes[-1]), BASELINES):
        limits = SiteLimits(max_bytes=limit)
        best = choose(table, limits)
        assert limits.allow(best)
        assert score[best.cut] >= score[choose(table, limits, rule, seed=seed).cut]
