"""The command line: documents, exit codes and messages of every command that needs no training."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stratos import VERSION
from stratos.agent import asking, session
from stratos.agent.cli import app
from stratos.state.journal import Journal
from stratos.state.talk import Answer as Reply
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from typer.testing import CliRunner

COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
WIN = "tell whether 14 mahjong tiles are a winning hand"


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("STRATOS_WORKSPACE", str(tmp_path / "space"))
    return Workspace(tmp_path / "space")


def call(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.stdout, result.stderr


def document(*words: str, code: int = 0) -> Any:
    found, out, err = call(*words, "--json")
    assert found == code, err
    return json.loads(out)


def test_a_plan_is_shown_and_nothing_is_made(workspace: Workspace) -> None:
    planned = document("plan", f"{WIN}, at least 70 % exact, p95 under 200 ms")
    assert (planned["status"], planned["spent_usd"]) == ("planned", 0)
    assert planned["brief"]["targets"]["accuracy"] == 0.7
    assert planned["plan"]["candidate"]["accuracy"]["value"] >= 0.7
    names = [row.name for row in Journal(workspace).rows(planned["run_id"])]
    assert "tool solve_pareto" in names
    assert "tool generate_data" not in names


@pytest.mark.parametrize(
    "impossible",
    ["at least 99.99 % exact", "90 % exact, p95 under 1 ms", "99 % exact on an H100 for $5", "90 % exact in 1 minute"],
)
def test_what_cannot_be_met_ends_before_any_training_with_the_nearest(workspace: Workspace, impossible: str) -> None:
    ended = document("run", f"{WIN}, {impossible}", code=4)
    assert ended["status"] == "infeasible"
    assert ended["spent_usd"] == 0
    assert "tool distill" not in [row.name for row in Journal(workspace).rows(ended["run_id"])]
    assert ended["nearest"] or "H100" in impossible


def test_too_little_money_is_told_the_least_that_would_suffice() -> None:
    words = (f"{WIN}, at least 70 % exact", "--local-usd-per-hour", "0.5", "--max-usd")
    for little in ("0.001", "0"):
        reason = document("plan", *words, little, code=4)["reason"]
        found = re.search(
            r"would suffice: \$([\d.]+) for a try that may miss the target \(scratch-\S+ for .+ and \$([\d.]+) for a plan \(",
            reason,
        )
        assert found, reason
    to_try, to_plan = found.groups()
    assert document("plan", *words, f"{0.98 * float(to_try):.5f}", code=4)["status"] == "infeasible"
    assert "no candidate is predicted to reach the target" in document("plan", *words, to_try)["reason"]
    assert "that meet every limit" in document("plan", *words, to_plan)["reason"]


def test_a_request_that_cannot_be_used_is_refused_with_every_problem(workspace: Workspace) -> None:
    code, out, err = call("run", f"{WIN}, 120 % accuracy, p99 under 10 ms")
    assert (code, out) == (2, "")
    assert "120 % is impossible" in " ".join(err.split())
    assert "p95 is what is measured" in " ".join(err.split())
    assert [run.status for run in Journal(workspace).runs()] == ["refused"]


@pytest.mark.parametrize("command", ["plan", "run", "resume"])
def test_a_refusal_is_told_on_standard_error_and_its_document_on_standard_output(command: str) -> None:
    refused = document("plan", "hello", code=2)
    words = (command, refused["run_id"] if command == "resume" else "hello")
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert "refused: no skill fits this request" in err
    assert document(*words, code=2)["status"] == "refused"


def test_every_unknown_name_of_a_brief_is_one_usage_error_and_no_run(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text(
        "skill: mahjong\ntask: win\n"
        "limits: {usd: -1, clouds: [awz, aws], regions: [mars], accelerators: [H999], licences: [Apache-9]}\n"
    )
    code, out, err = call("plan", str(path))
    assert (code, out) == (2, "")
    for told in (
        "limits.clouds: 'awz' is unknown; valid: aws, ",
        "limits.regions: 'mars' is unknown",
        "limits.accelerators: 'H999' is unknown",
        "limits.licences: 'Apache-9' is unknown; valid: Apache-2.0, ",
        "limits.usd",
    ):
        assert told in err
    assert Journal(workspace).runs() == []


def test_output_into_a_pipe_is_as_wide_as_its_text_and_columns_are_kept_to_where_they_are_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ("plan", f"{WIN}, at least 99.99 % exact")
    _, out, _ = call(*words)
    reason = next(line for line in out.splitlines() if line.startswith("infeasible: "))
    assert len(reason) > 140
    assert not any(line.endswith(" ") for line in out.splitlines())
    assert not any(frame in out for frame in ("╭", "╰", "Brief ─", "…"))
    monkeypatch.setenv("COLUMNS", "100")
    _, narrow, _ = call(*words)
    assert max(map(len, narrow.splitlines())) == 100


def test_money_that_nobody_approved_stops_the_run_and_can_be_approved_later(workspace: Workspace) -> None:
    words = ("run", f"{WIN}, at least 70 % exact, at most $1", "--local-usd-per-hour", "0.1")
    code, _, err = call(*words)
    assert code == 5
    (run,) = Journal(workspace).runs()
    assert f"stratos resume {run.run_id} --yes" in err
    assert "tool generate_data" not in [row.name for row in Journal(workspace).rows(run.run_id)]
    assert session.replay(run.run_id, workspace=workspace).identical


def test_a_broken_yaml_brief_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text("skill: mahjong\ntask: score\n")
    code, _, err = call("run", str(path))
    assert code == 2
    assert "valid: win, waits, discard" in err


def test_a_planner_that_does_not_exist_names_the_valid_ones() -> None:
    code, _, err = call("run", WIN, "--planner", "oracle")
    assert (code, "valid: rules" in err) == (2, True)


def test_a_tracker_is_one_that_exists_and_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = call("run", WIN, "--tracker", "wandb")
    assert (code, "tensorboard" in err, "trackio" in err) == (2, True, True)
    monkeypatch.setattr("stratos.tools.tracking.find_spec", {"tensorboard": object()}.get)
    code, _, err = call("run", WIN, "--tracker", "trackio")
    assert (code, "pip install trackio" in err) == (2, True)


def test_runs_show_replay_and_audit_of_one_run(workspace: Workspace) -> None:
    run_id = document("plan", f"{WIN}, at least 70 % exact")["run_id"]
    assert [run["run_id"] for run in document("runs")] == [run_id]
    assert "Front and plan" in call("show", run_id)[1]
    assert document("show", run_id)[0]["kind"] == "run"
    replayed = document("replay", run_id)
    assert (replayed["identical"], replayed["finished"]) == (True, True)
    assert document("audit", run_id)["ok"]


def test_an_audit_of_a_changed_row_fails_and_names_it(workspace: Workspace) -> None:
    import duckdb

    run_id = document("plan", f"{WIN}, at least 70 % exact")["run_id"]
    with duckdb.connect(str(workspace.journal_file)) as connection:
        connection.execute("UPDATE steps SET output_json = replace(output_json, 'local', 'lokal') WHERE seq = 4")
    code, _, err = call("audit", run_id)
    assert code == 1
    assert "row 4" in err
    assert document("audit", run_id, code=1)["bad_seq"] == 4


def test_a_run_nobody_made_is_an_error_that_says_where_to_look() -> None:
    code, _, err = call("show", "20200101-0000-none")
    assert (code, "stratos runs" in err) == (2, True)


@pytest.mark.parametrize("command", ["show", "audit", "replay", "resume"])
@pytest.mark.parametrize("name", ["20200101-0000-none", "../elsewhere", "no/run"])
def test_a_name_of_no_run_is_wrong_usage_and_makes_no_folder(workspace: Workspace, command: str, name: str) -> None:
    assert document(command, name, code=2)["exit_code"] == 2
    assert not (workspace.path / "runs").exists()


def test_an_audit_writes_a_page_beside_its_answer(workspace: Workspace, tmp_path: Path) -> None:
    run_id = document("plan", f"{WIN}, at least 70 % exact")["run_id"]
    page = tmp_path / "page.html"
    assert document("audit", run_id, "--html", str(page))["ok"]
    assert f"<title>Stratos audit: {run_id}, planned</title>" in page.read_text(encoding="utf-8")
    code, out, _ = call("audit", run_id, "--html", str(page))
    assert (code, f"page: {page}" in out) == (0, True)
    assert call("audit", run_id, "--html", str(tmp_path / "no" / "page.html"))[0] == 2


def test_a_changed_record_still_gets_its_page_and_the_exit_code_of_one(workspace: Workspace, tmp_path: Path) -> None:
    import duckdb

    call("run", f"{WIN}, 120 % accuracy")
    (run,) = Journal(workspace).runs()
    with duckdb.connect(str(workspace.journal_file)) as connection:
        connection.execute("UPDATE steps SET output_json = '{' WHERE seq = 1")
    page = tmp_path / "page.html"
    assert call("audit", run.run_id, "--html", str(page))[0] == 1
    assert "This record is not what was written" in page.read_text(encoding="utf-8")
    code, _, err = call("export", run.run_id, str(tmp_path / "out"))
    assert (code, "row 1 is not what was written" in err) == (0, True)
    assert call("show", run.run_id)[0] == 1


def test_an_export_of_one_run_or_of_all(workspace: Workspace, tmp_path: Path) -> None:
    assert call("export", "--all", str(tmp_path / "none"))[0] == 2
    call("run", f"{WIN}, 120 % accuracy")
    call("run", f"{WIN}, 130 % accuracy")
    first, second = (run.run_id for run in Journal(workspace).runs())
    one = document("export", first, str(tmp_path / "one"))
    assert [run["run_id"] for run in one["runs"]] == [first]
    both = document("export", "--all", str(tmp_path / "both"))
    assert [run["run_id"] for run in both["runs"]] == [first, second]
    assert (tmp_path / "both" / "steps.parquet").exists()
    code, _, err = call("export", first, str(tmp_path / "one"))
    assert (code, "is not empty" in err) == (2, True)
    assert call("export", first)[0] == 2
    assert call("export", "20200101-0000-none", str(tmp_path / "other"))[0] == 2
    assert not (tmp_path / "other").exists()


def test_runs_are_filtered_by_status() -> None:
    call("run", f"{WIN}, 120 % accuracy")
    run_id = document("plan", f"{WIN}, at least 70 % exact")["run_id"]
    assert [run["run_id"] for run in document("runs", "--status", "planned")] == [run_id]
    assert len(document("runs", "--status", "planned", "--status", "refused")) == 2
    assert document("runs", "--status", "met") == []
    assert "none of 2 runs is met" in call("runs", "--status", "met")[1]
    code, _, err = call("runs", "--status", "won")
    assert (code, "'interrupted'" in err) == (2, True)


def test_the_version_is_the_packages() -> None:
    assert call("--version")[:2] == (0, f"stratos {VERSION}\n")


DEPLOYMENTS = ("start", "stop", "replace", "rollback", "logs", "bench")


@pytest.mark.parametrize(
    "command", [(), *((name,) for name in sorted(COMMANDS)), *(("deployments", name) for name in DEPLOYMENTS)]
)
def test_help_is_plain_and_says_what_each_argument_is(command: tuple[str, ...]) -> None:
    code, text, _ = call(*command, "--help")
    assert code == 0
    assert "\\" not in text
    arguments = text.partition("Arguments:\n")[2].partition("\n\n")[0]
    assert arguments.count("[required]") == len(re.findall(r"^  (?!\[(?:REQUEST|NAME)\])\S", arguments, re.MULTILINE))
    assert "Positional" not in text
    for line in re.findall(r"^  \S.*", arguments, re.MULTILINE):
        assert len(line.split("  ", 2)[-1].replace("[required]", "").split()) > 3


def test_prices_are_filtered_and_dated() -> None:
    found = document("prices", "--accelerator", "H100", "--cloud", "lambda", "--limit", "3")
    assert len(found["offers"]) == 3
    assert all(offer["cloud"] == "lambda" and "H100" in offer["accelerator"] for offer in found["offers"])
    assert all(offer["source"] for offer in found["offers"])


def test_prices_of_an_unknown_cloud_name_the_valid_ones() -> None:
    code, _, err = call("prices", "--cloud", "lambada")
    assert code == 2
    assert "lambda" in err


def test_skills_lists_every_task() -> None:
    found = [(row["skill"], row["task"]) for row in document("skills")]
    assert [task for skill, task in found if skill == "mahjong"] == ["win", "waits", "discard"]
    assert {skill for skill, task in found if task == "answer"} == {"aime", "gsm8k", "intents", "table"}


def test_doctor_finds_what_is_installed() -> None:
    found = {check["name"]: check for check in document("doctor")}
    assert found["torch"]["ok"]
    assert all(check["to_add"] for check in found.values() if not check["ok"])


def _always(found: object, *given: object) -> object:
    return found


HAND = "win 4p 5p 6p 4s 4s 6s 7s 8s 9s 9s 9s 4z 4z 4z"
SEARCH = "4p 5p 6p , 4s / 4s 4s | 6s 7s 8s 9s 9s 9s , 6s 7s 8s | 9s 9s 9s , 9s 9s 9s , 4z 4z 4z"


@pytest.mark.parametrize(
    ("completion", "said", "verified", "answer_right"),
    [
        (f"{SEARCH} = yes", "the verifier agrees", True, True),
        ("4p 5p 6p = yes", "answer right, decomposition wrong", False, True),
        (f"{SEARCH} = no", "the verifier does NOT agree", False, False),
    ],
)
def test_ask_tells_a_right_answer_from_a_right_decomposition(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    completion: str,
    said: str,
    verified: bool,
    answer_right: bool,
) -> None:
    """Asked of a model that a chat made whose first request could not be used."""
    answers = iter([Reply(text=f"{WIN}, at least 70 % exact, for free"), Reply(approved=True)])
    settings = Settings(plan_only=True, asks=True)
    run_id = session.start(
        "sing a song", workspace=workspace, settings=settings, ask=lambda question: next(answers)
    ).run_id
    for name, found in (("get", SimpleNamespace(run_id=run_id)), ("ask_deployment", completion)):
        monkeypatch.setattr(asking, name, partial(_always, found))
    code, out, _ = call("ask", "mahjong-win", HAND)
    assert (code, out.splitlines()) == (0 if verified else 1, [completion, said])
    found = document("ask", "mahjong-win", HAND, code=code)
    assert (found["verified"], found["answer_right"]) == (verified, answer_right)


def test_show_says_what_differs_and_how_to_see_the_rest(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = document("plan", f"{WIN}, at least 70 % exact")["run_id"]
    otherwise = ("match_models", dict[str, Any](), "another version")
    monkeypatch.setattr("stratos.agent.rule_planner.next_call", partial(_always, otherwise))
    code, out, err = call("show", run_id)
    assert (code, "Brief" in out) == (1, True)
    assert "it differs at step 2 (plan), output.call.name" in err
    assert "recorded: 'look_up_prices'\n  now:      'match_models'" in err
    assert f"`stratos replay {run_id}`" in err
    assert f"stratos {VERSION}, which recorded it, shows the rest" in err


def test_show_says_over_what_a_run_stopped_and_a_resume_goes_on_once_it_is_mended(
    workspace: Workspace, tmp_path: Path
) -> None:
    brief, models = tmp_path / "brief.yaml", workspace.path / "models.yaml"
    brief.write_text("skill: mahjong\ntask: win\ntargets: {accuracy: 0.7}\nlimits: {usd: 1}\n")
    workspace.path.mkdir()
    models.write_text("models: [\n")
    code, _, err = call("plan", str(brief))
    assert code == 2
    assert "models.yaml cannot be used" in err
    (run,) = Journal(workspace).runs()
    code, out, _ = call("show", run.run_id)
    assert code == 0
    assert "stopped: files of yours cannot be used" in out
    assert f"{models} cannot be used" in out
    call("resume", run.run_id)
    assert [row.name for row in Journal(workspace).rows(run.run_id)].count("stopped") == 1
    models.unlink()
    assert document("resume", run.run_id)["status"] == "planned"
    assert "stopped:" not in call("show", run.run_id)[1]


def test_nothing_is_served_in_a_new_workspace() -> None:
    assert document("deployments") == []
    code, _, err = call("ask", "mahjong-win", "123m")
    assert (code, "no deployment" in err) == (2, True)
    assert call("deployments", "stop", "mahjong-win")[0] == 2


def test_help_needs_none_of_the_heavy_packages() -> None:
    code = (
        "import sys; from stratos.agent.cli import app; from typer.testing import CliRunner;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "heavy = {'torch', 'transformers', 'langgraph', 'duckdb', 'numpy', 'openai', 'pydantic'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_a_secret_in_the_environment_never_reaches_the_journal(workspace: Workspace) -> None:
    secret = "sk-very-secret-0123456789"
    command = [sys.executable, "-m", "stratos", "plan", f"{WIN}, 70 % exact, key {secret}"]
    environment = os.environ | {"SOME_API_KEY": secret, "STRATOS_WORKSPACE": str(workspace.path)}
    subprocess.run(command, env=environment, capture_output=True, check=True)
    (run,) = Journal(workspace).runs()
    assert "***" in run.request
    assert secret not in workspace.journal_file.read_bytes().decode("latin-1")


@pytest.mark.parametrize(
    "words",
    [
        ("ask", "nosuch", "is 1m complete?"),
        ("deployments", "stop", "nosuch"),
        ("deployments", "start", "nosuch"),
        ("deployments", "stop", "No/Such"),
        ("deployments", "replace", "nosuch", "nosuch"),
        ("deployments", "rollback", "nosuch"),
        ("deployments", "logs", "nosuch"),
        ("deployments", "bench", "nosuch"),
        ("export", "nosuch", "out"),
        ("show", "nosuch"),
        ("chat", "--resume", "nosuch"),
        ("prices", "--accelerator", "nosuch"),
    ],
    ids=" ".join,
)
def test_an_unknown_name_is_usage_everywhere(words: tuple[str, ...]) -> None:
    code, _, err = call(*words)
    assert (code, "Traceback" in err) == (2, False)
    assert err


@pytest.mark.parametrize(
    "command", [("run", WIN), ("plan", WIN), ("chat", WIN), ("runs",), ("deployments",)], ids=" ".join
)
@pytest.mark.parametrize("where", ["/proc/nope", "a file", "in a file"])
def test_a_workspace_that_cannot_be_one_is_told(tmp_path: Path, command: tuple[str, ...], where: str) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    path = {"a file": file, "in a file": file / "space"}.get(where, Path(where))
    code, out, err = call(*command, "--workspace", str(path))
    if command[0] == "chat" and where != "a file":
        assert "cannot be written" in out  # said in the chat, which goes on
        return
    if command[0] in ("runs", "deployments") and where != "a file":
        assert code == 0  # nothing is there, and nothing was to be written
        return
    assert code == 2
    assert str(path) in err


@pytest.mark.parametrize(
    "option",
    [
        ("--max-usd", "nan"),
        ("--max-usd", "inf"),
        ("--max-minutes", "nan"),
        ("--local-usd-per-hour", "nan"),
        ("--planner-price", "-5", "-5"),
        ("--planner-price", "1", "nan"),
    ],
    ids=" ".join,
)
def test_a_figure_that_is_none_is_refused_by_the_name_of_its_option(option: tuple[str, ...]) -> None:
    code, _, err = call("plan", WIN, *option)
    assert code == 2
    assert f"Invalid value for '{option[0]}'" in err
