"""What a person reads of an evaluation."""

import io

from rich.console import Console
from stratos.agent.brief_words import brief_rows
from stratos.agent.display import RichDisplay
from stratos.agent.report import outcome
from stratos.state.brief import Brief, Limits, Targets, Weights
from stratos.state.evidence import Attempt, Before, Evaluation, FamilyScore, Sampled, wilson
from stratos.state.paired import pair

from ..building import attempt, candidate, choice, evaluation, state


def shown(measured: Evaluation) -> str:
    text = io.StringIO()
    display = RichDisplay(Console(file=text, width=200))
    display.step("evaluate", state(attempts=(attempt(measured),)), replayed=False)
    return text.getvalue()


def test_a_plan_after_a_miss_says_what_was_tried_and_spent() -> None:
    text = io.StringIO()
    again = choice(candidate(tokens=600_000))
    runner = candidate(tokens=900_000)
    assert again.plan is not None
    plan = again.plan.model_copy(update={"runners_up": (runner,)})
    again = again.model_copy(update={"plan": plan, "excluded": (f"{runner.id}: too dear",)})
    of = state(attempts=(attempt(evaluation(600)),), choice=again)
    RichDisplay(Console(file=text, width=100)).step("solve_pareto", of, replayed=False)
    assert (
        "tried: attempt 1, scratch-0.35M after 300,000 tokens: 60.0% [56.9%, 63.0%] on dev, p95 10 ms"
        in text.getvalue()
    )
    assert "$0.00 of $1.00 spent" in text.getvalue()
    assert f"not {runner.student} 0.9M on" in text.getvalue()
    assert runner.id not in text.getvalue()


def timed(load: float | None) -> Evaluation:
    measured = evaluation(600)
    assert measured.latency is not None
    return measured.model_copy(update={"latency": measured.latency.model_copy(update={"load": load, "cores": 2})})


def test_a_latency_of_a_busy_machine_is_told_as_an_upper_end() -> None:
    busy = "the machine was busy (load 6.1 on 2 cores): an upper end"
    assert busy in shown(timed(6.12))
    for load in (2.0, None):
        assert "busy" not in shown(timed(load))


def test_the_families_of_a_split_are_shown_worst_first() -> None:
    families = (FamilyScore(family="easy", exact=wilson(9, 10)), FamilyScore(family="hard", exact=wilson(1, 4)))
    assert "exact by family: hard 25.0% of 4; easy 90.0% of 10" in shown(
        evaluation(600).model_copy(update={"families": families})
    )


def test_a_split_without_families_shows_none() -> None:
    assert "family" not in shown(evaluation(600))


def trained(of: Attempt) -> str:
    text = io.StringIO()
    RichDisplay(Console(file=text, width=200)).step("distill", state(attempts=(of,)), replayed=False)
    return text.getvalue()


def test_what_was_not_trained_and_what_was_rewarded_is_told_as_such() -> None:
    as_it_is = attempt(of=candidate(tokens=0, student="mine", training="none"))
    assert "attempt 1: mine as it is; nothing is trained" in trained(as_it_is)
    rewarded = {"begun_from": 1, "rewards": ((100, 0.25), (200, 0.5))}
    assert "going on from attempt 1: mean reward 0.25" in trained(attempt(number=2).model_copy(update=rewarded))


def test_what_a_reward_could_teach_is_told() -> None:
    found = Sampled(questions=32, samples=8, right=64, solved=20, mixed=12)
    assert "8 sampled answers each: 25% right; 12 have both" in shown(
        evaluation(600).model_copy(update={"sampled": found})
    )


def paired(measured: Evaluation) -> Evaluation:
    """100 items, of which the student had 50 exact and the control, on the same items, none."""
    beaten = pair([True] * 50 + [False] * 50, [False] * 100)
    controls = (measured.controls[0].model_copy(update={"paired": beaten}),)
    return measured.model_copy(update={"controls": controls, "before": Before(attempt=1, paired=beaten)})


def test_the_student_is_held_against_each_control_and_the_attempt_before_on_the_same_items() -> None:
    text = shown(paired(evaluation(600)))
    for other in ("answers-only student, equal compute", "the student of attempt 1"):
        assert f"+50.0 points over {other} (39.7 to 59.6, McNemar p < 0.001)" in text
    assert "points over" not in shown(evaluation(600))


def test_the_report_names_the_control_that_the_student_leads_by_least() -> None:
    text = io.StringIO()
    of = state(attempts=(attempt(paired(evaluation(600))),))
    ended = of.model_copy(update={"outcome": outcome(of, "met", "well")})
    RichDisplay(Console(file=text, width=200)).step("report", ended, replayed=False)
    assert "against the control nearest to it: +50.0 points over answers-only" in text.getvalue()


def test_a_brief_is_told_whole_on_the_terminal_and_on_the_page() -> None:
    whole = Brief(
        request="a test",
        skill="mahjong",
        task="win",
        targets=Targets(accuracy=0.9, latency_p95_ms=200, throughput_rps=50),
        limits=Limits(
            usd=0.004,
            usd_per_month=20,
            hours=0.5,
            accelerators=("H100", "L4"),
            regions=("eu",),
            clouds=("aws",),
            licences=("apache-2.0",),
            max_parameters=5_000_000,
        ),
        weights=Weights(accuracy=1, hours=3),
    )
    told = {
        "skill, task": "mahjong, win",
        "accuracy": "at least 90 % exact (lower bound)",
        "latency": "p95 at most 200 ms",
        "throughput": "at least 50 requests a second",
        "money": "at most $0.004",
        "serving": "at most $20.00 a month",
        "time": "at most 30 minutes",
        "clouds": "only aws",
        "regions": "only eu",
        "accelerators": "only H100, L4",
        "licences": "only apache-2.0",
        "size": "at most 5,000,000 parameters",
        "weights": "accuracy 1, hours 3",
    }
    rows = brief_rows(whole.model_dump(mode="json"))
    assert dict(rows) == told
    text = io.StringIO()
    RichDisplay(Console(file=text, width=120)).step("intake", state(brief=whole), replayed=False)
    printed = " ".join(text.getvalue().split())
    assert all(f"{label} {words}" in printed for label, words in rows)
