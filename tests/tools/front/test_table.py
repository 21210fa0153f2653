"""A table answers as a list of records does, and makes no more of them than are shown."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from stratos.state.errors import Correctable
from stratos.state.plan import Candidate
from stratos.tools.front.table import CandidateTable
from stratos.tools.pareto import FRONT_KEPT, solve_pareto

from ..test_pareto import a_brief, a_candidate, candidates_of


def a_table(rows: int, seed: int = 0, made: list[int] | None = None, **columns: Any) -> CandidateTable:
    """Random candidates; `made` collects which rows became records."""
    rng = np.random.default_rng(seed)
    drawn = {name: rng.random(rows) for name in ("accuracy", "latency_p95_ms", "usd", "hours")}
    fields: dict[str, Any] = {**drawn, "parameters": np.ones(rows), "executable": rng.random(rows) < 0.5, **columns}
    fields.setdefault("needed_usd", fields["usd"])

    def make(row: int) -> Candidate:
        if made is not None:
            made.append(row)
        usd, hours, latency, accuracy = (
            float(fields[name][row]) for name in ("usd", "hours", "latency_p95_ms", "accuracy")
        )
        known = None if math.isnan(accuracy) else accuracy
        return a_candidate(f"c{row}", usd, hours, latency, known, bool(fields["executable"][row]), 1)

    return CandidateTable(name=lambda row: f"c{row}", make=make, **fields)


@pytest.mark.parametrize("seed", range(20))
def test_a_table_and_the_records_it_stands_for_are_judged_alike(seed: int) -> None:
    table = a_table(60, seed, accuracy=np.random.default_rng(seed).choice([0.2, 0.5, 0.9, math.nan], 60))
    records = [table.materialise(row) for row in range(60)]
    brief = a_brief(accuracy=0.4, latency=0.7, usd=0.6)
    assert solve_pareto(table, brief) == solve_pareto(records, brief)


def test_only_what_is_shown_becomes_a_record() -> None:
    made: list[int] = []
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(3), 5000)
    table = a_table(5000, made=made, usd=shares[:, 0], hours=shares[:, 1], latency_p95_ms=shares[:, 2])
    found = solve_pareto(table, a_brief(usd=0.9))
    assert found.front_size == 5000 - found.dominated > FRONT_KEPT >= len(found.front)
    assert len(made) < FRONT_KEPT + 20


def test_a_front_cut_short_keeps_its_ends_the_chosen_one_and_the_runners_up() -> None:
    shares = np.random.default_rng(1).dirichlet(np.ones(3), 3000)
    table = a_table(
        3000, usd=shares[:, 0], hours=shares[:, 1], latency_p95_ms=shares[:, 2], accuracy=np.full(3000, 0.9)
    )
    found = solve_pareto(table, a_brief(usd=0.9, hours=0.5))
    here = np.flatnonzero(table.executable)
    ends = {int(here[column[here].argmin()]) for column in (table.usd, table.hours, table.latency_p95_ms)}
    must = {f"c{row}" for row in ends} | {one.candidate.id for one in found.runners_up}
    kept = [one.id for one in found.front]
    assert found.chosen is not None
    assert must | {found.chosen.id} <= set(kept)
    prices = [one.usd.value for one in found.front]
    assert prices == sorted(prices)


def test_runners_up_are_of_different_kinds_where_kinds_are_told() -> None:
    kind = np.arange(200) % 7
    table = a_table(200, 3, kind=kind, executable=np.ones(200, dtype=bool))
    found = solve_pareto(table, a_brief(usd=0.9))
    assert found.chosen is not None
    kinds = [int(kind[int(one.id[1:])]) for one in (found.chosen, *(runner.candidate for runner in found.runners_up))]
    assert len(kinds) == len(set(kinds)) == 6
    alike = solve_pareto(replace(table, kind=None), a_brief(usd=0.9))
    best = next(one for one in alike.runners_up if kind[int(one.candidate.id[1:])] != kinds[0])
    assert found.runners_up[0] == best


def test_ids_decide_where_all_figures_are_equal() -> None:
    same = np.full(4, 0.5)
    table = a_table(4, accuracy=same, usd=same, hours=same, latency_p95_ms=same, executable=np.ones(4, dtype=bool))
    ids: list[str] = [f"c{3 - row}" for row in range(4)]
    backwards = replace(table, name=ids.__getitem__)
    assert table.first(np.arange(4)) == 0
    assert backwards.first(np.arange(4)) == 3
    assert backwards.in_order(np.arange(4)).tolist() == [3, 2, 1, 0]


def test_order_of_preference_with_and_without_ties() -> None:
    table = a_table(300, usd=np.random.default_rng(2).integers(0, 3, 300) / 2, hours=np.zeros(300))
    records = [table.materialise(row) for row in range(300)]
    by_hand = sorted(
        range(300), key=lambda row: (records[row].usd.value, -table.accuracy[row], table.latency_p95_ms[row])
    )
    assert table.in_order(np.arange(300)).tolist() == by_hand
    assert table.in_order(np.empty(0, dtype=np.intp)).tolist() == []
    tied = CandidateTable.of(candidates_of([(1, 1, 1, 1, True)] * 3 + [(0, 1, 1, 1, True)]))
    assert tied.in_order(np.arange(4)).tolist() == [3, 0, 1, 2]


def test_broken_columns_are_told_at_once() -> None:
    with pytest.raises(Correctable, match=r"predictions that are not finite numbers: \['c1'\]"):
        a_table(3, usd=np.array([0.0, math.inf, 1.0]))
    with pytest.raises(Correctable, match=r"3 rows as usd has: .*hours.*\(2,\)"):
        a_table(3, hours=np.zeros(2))


def test_no_rows_are_an_answer() -> None:
    assert solve_pareto(a_table(0), a_brief()).reason == "there are no candidates to choose from"
