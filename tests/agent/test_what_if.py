"""What-if: a recorded run under another budget, target or planner, against what was measured then."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console
from stratos.agent import session
from stratos.agent.revising import revised_brief
from stratos.agent.scripted import Answer, competent, scripted_server
from stratos.agent.what_if import WhatIf, read_changes, what_if
from stratos.agent.what_if_table import changed_words, print_what_if
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.errors import RequestError
from stratos.state.journal import Journal
from stratos.state.talk import Answer as Reply
from stratos.state.talk import Question, Word
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

from ..building import brief

REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $0.05"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """A run that missed once, planned again and met."""
    workspace = Workspace(tmp_path_factory.mktemp("recorded"))
    settings = Settings(deploy=False, approved=True, local_usd_per_hour=0.1)
    executor = SimulatedExecutor(world=World(log_odds_at_1m=-0.6))
    outcome = session.start(REQUEST, workspace=workspace, settings=settings, executor=executor)
    assert outcome.status == "met"
    return workspace, outcome.run_id


def test_a_larger_budget_shows_the_other_plan_and_what_is_unknown(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    settings = Settings(deploy=False, approved=True, local_usd_per_hour=2.0)
    request = REQUEST.replace("90 %", "98 %")
    outcome = session.start(request, workspace=workspace, settings=settings, executor=SimulatedExecutor(world=World()))
    assert outcome.status == "infeasible"
    found = what_if(outcome.run_id, workspace=workspace, changes={"budget_usd": "50"})
    assert found.changed == {"usd": 50.0}
    assert (found.plan_recorded, found.outcome_now) == (None, None)
    assert found.plan_now is not None
    assert "generate_data" in (found.unknown or "")
    assert "never carried out" in (found.unknown or "")
    assert found.approvals
    rows = len(Journal(workspace).rows(outcome.run_id))
    what_if(outcome.run_id, workspace=workspace, changes={"budget_usd": "50"})
    assert len(Journal(workspace).rows(outcome.run_id)) == rows


def printed(found: WhatIf) -> list[str]:
    text = io.StringIO()
    print_what_if(found, Console(file=text, width=100))
    return text.getvalue().splitlines()


def test_both_plans_stand_in_the_columns_of_the_front_and_no_line_is_wider_than_the_screen(
    recorded: tuple[Workspace, str],
) -> None:
    workspace, run_id = recorded
    found = what_if(run_id, workspace=workspace, changes={"budget_usd": "0.011", "accuracy": "97"})
    lines = printed(found)
    assert lines[0].endswith("with accuracy = 97 %, usd = $0.011, planned by rules")
    assert max(map(len, lines)) <= 100
    head = next(line for line in lines if line.startswith("plan "))
    assert head.split() == ["plan", "server", "student", "tokens", "exact", "p95", "ms", "minutes", "$"]
    assert found.candidate_recorded is not None
    row = next(line for line in lines if line.startswith("recorded  "))
    assert f"{found.candidate_recorded.train_tokens / 1e6:g}M" in row.split()
    assert any(line.startswith("outcome now: ") for line in lines)


def test_changes_are_told_with_their_units() -> None:
    changed = {
        "usd": 50.0,
        "hours": 0.5,
        "latency_p95_ms": None,
        "clouds": ("aws", "gcp"),
        "accuracy_rule": "lower_bound",
    }
    assert changed_words(changed) == (
        "usd = $50, hours = 30 minutes, latency_p95_ms = none, clouds = aws, gcp, accuracy_rule = lower_bound"
    )


def test_the_same_brief_goes_the_same_way(recorded: tuple[Workspace, str]) -> None:
    workspace, run_id = recorded
    found = what_if(run_id, workspace=workspace, changes={"budget_usd": "0.05"})
    assert found.first_difference is None
    assert found.outcome_now == found.outcome_recorded


def test_an_easier_target_is_met_by_the_first_attempt_as_it_was_measured(recorded: tuple[Workspace, str]) -> None:
    workspace, run_id = recorded
    first = next(row.output for row in Journal(workspace).rows(run_id) if row.name == "tool evaluate")
    low = first["evaluation"]["student"]["exact"]["low"]
    found = what_if(
        run_id, workspace=workspace, changes={"accuracy_rule": "lower_bound", "accuracy": f"{low - 0.01:.3f}"}
    )
    assert found.first_difference is not None
    assert found.unknown is not None  # another plan was best for that target, or its sealed split was never opened


def test_another_planner_that_decides_the_same_gives_the_same_plans(
    recorded: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, run_id = recorded
    with scripted_server(competent) as (url, requests):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        found = what_if(run_id, workspace=workspace, changes={}, planner="openai:scripted")
        assert len(requests) > 5
    assert found.plan_now == found.plan_recorded
    assert found.outcome_now is not None
    assert found.outcome_now.startswith("met")


def test_another_planner_that_ends_early_differs_at_its_first_decision(
    recorded: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stubborn(request: Mapping[str, object]) -> Answer:
        if "write_brief" in str(request["tools"]):
            return competent(request)
        return Answer(calls=[("match_models", {})])

    workspace, run_id = recorded
    with scripted_server(stubborn) as (url, _):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        found = what_if(run_id, workspace=workspace, changes={}, planner="openai:stubborn")
    assert found.first_difference is not None


def test_changes_are_read_with_every_problem_named() -> None:
    word = read_changes({"budget_usd": "50", "accuracy": "90%", "minutes": "30", "accelerators": "H100, L4"})
    assert word.limits == {"usd": 50.0, "hours": 0.5, "accelerators": ("H100", "L4")}
    assert word.targets == {"accuracy": 0.9}
    with pytest.raises(RequestError) as error:
        read_changes({"colour": "red", "usd": "much"})
    assert len(error.value.problems) == 2
    negative = read_changes({"usd": "-1"})
    with pytest.raises(RequestError, match="greater than or equal to 0"):
        revised_brief(brief(), negative)


def test_names_that_do_not_exist_are_no_changes(recorded: tuple[Workspace, str]) -> None:
    workspace, run_id = recorded
    with pytest.raises(RequestError) as error:
        what_if(run_id, workspace=workspace, changes={"clouds": "awz, aws", "regions": "mars"})
    assert [problem.split(" is unknown")[0] for problem in error.value.problems] == [
        "limits.clouds: 'awz'",
        "limits.regions: 'mars'",
    ]


def test_a_refused_run_has_nothing_to_change(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    outcome = session.start("sing a song", workspace=workspace, settings=Settings())
    with pytest.raises(RequestError, match="refused before it had a brief"):
        what_if(outcome.run_id, workspace=workspace, changes={"usd": "1"})


ENOUGH = Word(text="70 % is enough", targets={"accuracy": 0.7})


def talked_over(workspace: Workspace, *, heard: Word | None = None, planner: str = "rules") -> str:
    """A run of a chat: a request that cannot be used, one that lacks its money, and a word to the first plan or before it."""
    answers = iter([REQUEST.removesuffix(", at most $0.05"), "at most $0.05"])
    replies = iter([Reply(word=ENOUGH) if heard is None else Reply(approved=True)])
    words = iter([None, None, None, heard])

    def ask(question: Question) -> Reply:
        return Reply(text=next(answers)) if question.about == "brief" else next(replies, Reply(approved=True))

    outcome = session.start(
        "sing a song",
        workspace=workspace,
        settings=Settings(deploy=False, local_usd_per_hour=0.1, asks=True, planner=planner),
        executor=SimulatedExecutor(world=World(log_odds_at_1m=-0.6)),
        ask=ask,
        heard=lambda: next(words, None),
    )
    assert outcome.status == "met"
    assert outcome.brief is not None
    assert (outcome.brief.targets.accuracy, outcome.brief.limits.usd) == (0.7, 0.05)
    return outcome.run_id


@pytest.mark.parametrize("heard", [None, ENOUGH])
def test_a_chat_is_taken_up_where_its_request_was_read_and_its_words_count(tmp_path: Path, heard: Word | None) -> None:
    workspace = Workspace(tmp_path)
    run_id = talked_over(workspace, heard=heard)
    same = what_if(run_id, workspace=workspace, changes={"budget_usd": "0.05"})
    assert (same.first_difference, same.unknown, same.approvals) == (None, None, ())
    assert same.outcome_now == same.outcome_recorded
    other = what_if(run_id, workspace=workspace, changes={"budget_usd": "0.06"})
    assert other.first_difference is not None
    assert other.first_difference["where"] == "brief.limits.usd"
    assert other.plan_now == other.plan_recorded
    instead = what_if(run_id, workspace=workspace, changes={"accuracy": "0.9"})
    assert instead.first_difference is not None
    assert instead.plan_now != instead.plan_recorded


def test_another_planner_hears_the_words_of_a_chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    run_id = talked_over(workspace)
    with scripted_server(competent) as (url, _):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        found = what_if(run_id, workspace=workspace, changes={}, planner="openai:scripted")
    assert found.first_difference is not None
    assert found.first_difference["step"] == "plan"
    assert found.plan_now == found.plan_recorded


def test_a_chat_that_a_model_read_goes_the_same_way_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    with scripted_server(competent) as (url, _), monkeypatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", url)
        run_id = talked_over(workspace, heard=ENOUGH, planner="openai:scripted")
    same = what_if(run_id, workspace=workspace, changes={"budget_usd": "0.05"})
    assert (same.first_difference, same.unknown) == (None, None)


def test_a_chat_that_broke_off_at_an_answer_is_taken_up_before_it(tmp_path: Path) -> None:
    def broken_off(question: Question) -> Reply:
        if question.problems:
            raise KeyboardInterrupt
        return Reply(text="at least 200 % exact")

    workspace = Workspace(tmp_path)
    settings = Settings(deploy=False, asks=True)
    with pytest.raises(KeyboardInterrupt):
        session.start("a winning mahjong hand", workspace=workspace, settings=settings, ask=broken_off)
    (run,) = Journal(workspace).runs()
    found = what_if(run.run_id, workspace=workspace, changes={"accuracy": "0.9"})
    assert "look_up_prices" in (found.unknown or "")
