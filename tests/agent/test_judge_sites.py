"""The judge over many sites: whose share counts, when another attempt is made, and that test examples are looked at once."""

from typing import Any

import pytest
from stratos.agent.judge_sites import ALONE, AS_SENT, TEST, VALIDATION, judge_sites, mean_share, together
from stratos.state.brief import DataSource, Limits, Sites
from stratos.state.evidence import Verdict, wilson
from stratos.state.run import RunState
from stratos.state.sites import SiteChoice, SiteResult, SitesAttempt, SitesPlan

from ..building import brief, state

NAMES = ("a", "b", "c")


def result(site: str, validation: int = 90, test: int = 90, alone: int = 50, **changes: Any) -> SiteResult:
    made = SiteResult(
        site=site,
        validation=wilson(validation, 100),
        test=wilson(test, 100),
        alone_test=wilson(alone, 100),
        latency_ms=2,
    )
    return made.model_copy(update=changes)


def run_of(
    *results: SiteResult, by: str = "trade_off", verdicts: tuple[Verdict, ...] = (), attempts: int = 1, **targets: Any
) -> RunState:
    """After so many attempts, all alike."""
    judged = targets.pop("judged", "together")
    limits = Limits(usd=targets.pop("usd", 0.0), hours=targets.pop("hours", None))
    choices = tuple(
        SiteChoice(site=one.site, cut="w1-d1", width=1, depth=1, sent_width=1, by=by, tune_epochs=4, reason="")  # pyright: ignore[reportArgumentType]
        for one in results
        if not one.failed
    )
    made = [
        SitesAttempt(
            number=number,
            plan=SitesPlan(number=number, choices=choices, without=(), reason=""),
            results=results,
            left_out=(),
            distances=(),
            seconds=600,
        )
        for number in range(1, attempts + 1)
    ]
    wanted: dict[str, Any] = {"accuracy": 0.85, "accuracy_rule": "point_estimate", **targets}
    asked = brief(**wanted)
    sites = Sites.model_validate(
        {
            "each": [{"name": name, "data": "x", "max_latency_ms": 5 if name == "a" else None} for name in NAMES],
            "judged": judged,
        }
    )
    of = asked.model_copy(update={"sites": sites, "data": DataSource(path="p"), "limits": limits})
    return state(brief=of, site_attempts=tuple(made), verdicts=verdicts)


def opened(run: RunState) -> RunState:
    return run.model_copy(update={"verdicts": (judge_sites(run, 4),)})


def test_validation_met_looks_at_the_test_examples_and_they_decide() -> None:
    run = run_of(result("a"), result("b"), result("c"))
    first = judge_sites(run, 4)
    assert (first.split, first.met, first.next) == (VALIDATION, True, "open_sealed")
    second = judge_sites(opened(run), 4)
    assert (second.split, second.met, second.next, second.cheaper_control) == (TEST, True, "deploy", None)


def test_a_test_that_is_missed_is_not_tried_again() -> None:
    verdict = judge_sites(opened(run_of(result("a", test=70), result("b"), result("c"))), 4)
    assert (verdict.met, verdict.next) == (False, "stop")
    assert "all sites 83.3% of 300" in verdict.misses[0].arithmetic
    assert "the measured value is 1.7 points below 85.0%" in verdict.misses[0].arithmetic


def test_a_site_below_the_target_is_given_the_most_accurate_once() -> None:
    results = result("a", validation=60), result("b"), result("c")
    assert judge_sites(run_of(*results), 4).next == "replan"
    again = judge_sites(run_of(*results, by="accuracy", attempts=2), 4)
    assert (again.next, again.met) == ("open_sealed", False)
    assert "nothing else can be tried" in again.reason
    assert judge_sites(run_of(*results), 1).next == "open_sealed"


def test_each_site_or_all_together() -> None:
    results = result("a", validation=80), result("b", validation=95), result("c", validation=95)
    assert judge_sites(run_of(*results), 4).met
    verdict = judge_sites(run_of(*results, judged="each"), 4)
    assert verdict.misses[0].arithmetic.startswith("a 80.0% of 100")
    assert not judge_sites(run_of(*results, accuracy=0.88, accuracy_rule="lower_bound"), 4).met
    (miss,) = judge_sites(run_of(*results, accuracy=0.995, accuracy_rule="lower_bound"), 4).misses
    assert miss.levers == "more test examples: 300 of 300 right would show no more than 98.7%"


def test_a_site_without_a_model_is_a_miss_whatever_the_others_reach() -> None:
    verdict = judge_sites(run_of(result("a"), result("b"), SiteResult(site="c", failed="it is gone"), accuracy=None), 4)
    assert (verdict.met, verdict.misses[0].arithmetic) == (False, "1 of 3 sites have no model: c")
    assert verdict.misses[0].levers == "what kept each from it"


def test_a_site_that_is_slower_than_its_box_allows_is_a_miss() -> None:
    verdict = judge_sites(run_of(result("a", latency_ms=7.5), result("b", latency_ms=99), result("c")), 4)
    (miss,) = verdict.misses
    assert (miss.constraint, miss.got, miss.wanted) == ("latency", 7.5, 5)
    assert miss.arithmetic == "at the sites: a 7.5 ms of at most 5"


def test_where_the_control_meets_it_too_customizing_is_not_advised() -> None:
    verdict = judge_sites(opened(run_of(*(result(name, alone=88) for name in NAMES))), 4)
    assert verdict.cheaper_control == ALONE
    assert "do not customize" in verdict.reason


def test_models_that_are_as_good_untuned_are_the_cheaper_control() -> None:
    share = wilson(88, 100)
    verdict = judge_sites(opened(run_of(*(result(name, alone=88, sent_test=share) for name in NAMES))), 4)
    assert verdict.cheaper_control == AS_SENT


def test_limits_that_are_passed_end_it() -> None:
    verdict = judge_sites(run_of(result("a", validation=60), result("b"), result("c"), hours=0.1), 4)
    assert (verdict.next, [miss.constraint for miss in verdict.misses]) == ("open_sealed", ["accuracy", "hours"])


def test_shares_together_count_examples_and_the_mean_counts_sites() -> None:
    results = result("a", test=100), result("b", test=0).model_copy(update={"test": wilson(10, 20)})
    share = together(results, "test")
    assert share is not None
    assert (share.value, share.n) == (pytest.approx(110 / 120), 120)
    assert mean_share(results, "test") == 0.75
