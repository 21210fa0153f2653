"""What a request says of its traffic and of how long the model is served."""

import pytest
from stratos.agent.intake import read_changes, read_request
from stratos.state.brief import Targets
from stratos.state.errors import RequestError

MONTH_DAYS = 730 / 24


@pytest.mark.parametrize(
    ("said", "per_day", "months"),
    [
        ("100,000 requests a day for 6 months", 100_000, 6),
        ("50k queries per month over 2 years", 50_000 / MONTH_DAYS, 24),
        ("it must carry 2 million calls a week, hosted for 3 months", 2e6 / 7, 3),
        ("5000 daily requests", 5000, None),
        ("serve it for 10 minutes", None, 10 / 43_800),
        ("2 hours of serving, trained in 20 minutes", None, 2 / 730),
        ("每天10万次请求,服务3个月", 100_000, 3),
        ("$50/月,2000次/天", 2000, None),
    ],
)
def test_traffic_and_months_are_read(said: str, per_day: float | None, months: float | None) -> None:
    targets = read_request(f"mahjong win, 90 %, at most $20, {said}").targets

    assert targets.requests_per_day == (None if per_day is None else pytest.approx(per_day))
    assert targets.serving_months == (None if months is None else pytest.approx(months))


def test_the_busiest_second_is_an_assumption_that_the_brief_names() -> None:
    brief = read_request("mahjong win, 90 %, at most $20, 86,400 requests a day")

    assert brief.targets.needed_rps == pytest.approx(3.0)
    assert any("3 times their mean" in assumption for assumption in brief.assumptions)


def test_a_throughput_above_the_traffic_counts() -> None:
    assert Targets(throughput_rps=10, requests_per_day=86_400).needed_rps == 10
    assert Targets().needed_rps is None


@pytest.mark.parametrize(
    "said", ["0 requests a day", "trained within 3 months", "10 requests a day, 20 requests a day"]
)
def test_traffic_that_cannot_be_is_refused(said: str) -> None:
    with pytest.raises(RequestError):
        read_request(f"mahjong win, 90 %, at most $20, {said}")


def test_it_can_be_changed_in_the_middle_of_a_run() -> None:
    assert read_changes("for 2 months").targets == {"serving_months": 2.0}


@pytest.mark.parametrize(
    ("said", "months"),
    [("for two years", 24), ("for half a year", 6), ("during six months", 6), ("for 12 weeks", 2.7616)],
)
def test_months_in_words_are_read_beside_traffic(said: str, months: float) -> None:
    targets = read_request(f"mahjong win, 90 %, at most $500, 50,000 requests a day {said}").targets
    assert targets.serving_months == pytest.approx(months, rel=1e-3)


@pytest.mark.parametrize("figure", ["50.000 requests a day", "at most $1.000", "p95 under 1.2.3 ms"])
def test_a_dot_that_may_mean_either_is_asked_about(figure: str) -> None:
    with pytest.raises(RequestError, match=r"without the dot|is no number"):
        read_request(f"mahjong win, 90 %, {figure}")
