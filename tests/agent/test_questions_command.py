"""`stratos questions`: from documents to a file that runs take, checked before anybody is asked and paid for once."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stratos import run
from stratos.agent.cli import app
from stratos.agent.scripted import Answer, Script, scripted_server
from stratos.tools.document_questions import FOLDER
from stratos.tools.teaching.endpoint import IN_FLIGHT
from stratos.tools.teaching.money import PURSE_FILE
from typer.testing import CliRunner

from ..tools.teaching.halls import hall, teacher, written

ITEMS = 140
"""Of a quarter the teacher tells the wrong hall: 105 questions are kept, and a run needs 100."""

PRICED = ("--teacher", "openai:m", "--teacher-price", "1", "4", "--max-usd", "9")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRATOS_WORKSPACE", str(tmp_path / "space"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return tmp_path / "space"


def sorry(request: Any) -> Answer:
    return Answer(text="I'm sorry, I can't.", finish_reason="stop")


def slow(request: Any) -> Answer:
    time.sleep(0.05)
    return teacher(request)


class Asked:
    """A server that answers by a script, and the command's calls against it."""

    def __init__(self, folder: Path, requests: list[dict[str, Any]]) -> None:
        self.folder, self.requests, self.out = folder, requests, folder / "facts.jsonl"

    def __call__(self, *words: str, items: int = ITEMS) -> tuple[int, str, str]:
        documents = str(written(self.folder, items))
        found = CliRunner().invoke(
            app, ["questions", documents, "--out", str(self.out), "--per-passage", "20", *(words or PRICED)]
        )
        return found.exit_code, found.stdout, found.stderr


@pytest.fixture
def script(request: pytest.FixtureRequest) -> Script:
    return getattr(request, "param", teacher)


@pytest.fixture
def asked(tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch) -> Generator[Asked]:
    with scripted_server(script) as (url, requests):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        yield Asked(tmp_path, requests)


def test_a_run_takes_what_was_made_of_documents(asked: Asked, tmp_path: Path) -> None:
    code, out, err = asked()
    assert code == 0, err
    rows = [json.loads(line) for line in asked.out.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 105
    assert all(row["rationale"].startswith("Item") and row["document"] == "store.txt" for row in rows)
    assert all(row["answer"] == hall(int(row["question"].split()[-1].rstrip("?"))) for row in rows)
    outcome = run(
        "answer these questions, at least 55 % right", data=str(asked.out), workspace=tmp_path / "at", plan_only=True
    )
    assert outcome.plan is not None
    assert outcome.plan.candidate.strategy == "rationale"
    assert "its student is not taught their facts" in out
    assert f'next: stratos run "answer these questions, at least 55 % right" --data {asked.out}' in out


def test_it_says_what_was_rejected_what_the_teacher_knows_and_the_money(asked: Asked) -> None:
    code, out, _ = asked()
    assert code == 0
    assert "7 passages, 147 questions made by openai:m: 105 kept, 42 rejected" in out
    assert "  rejected: 35, another answer (round trip)" in out
    assert "of these another sample of the teacher disagrees with 0.0% (95 % interval" in out
    assert "without the passage the teacher answers 3" in out
    found = json.loads(asked("--force", "--json", *PRICED)[1])
    assert found["kept"] + sum(found["rejected"].values()) == found["made"]
    assert found["known_without"]["value"] == pytest.approx(1 / 3, abs=0.05)
    assert found["spent"]["usd"] == pytest.approx(
        (found["spent"]["input_tokens"] + 4 * found["spent"]["output_tokens"]) / 1e6
    )


def test_the_same_call_again_asks_nobody_and_a_file_is_replaced_only_where_that_is_said(asked: Asked) -> None:
    assert asked()[0] == 0
    sent, first = len(asked.requests), asked.out.read_bytes()
    asked.out.write_text("mine")
    code, _, err = asked()
    assert (code, f"--out {asked.out} exists, and is replaced only with --force" in err) == (2, True)
    assert asked.out.read_text() == "mine"
    code, out, _ = asked("--force", *PRICED)
    assert (code, len(asked.requests), asked.out.read_bytes()) == (0, sent, first)
    assert "made before by the same call: nothing was asked now" in out
    assert "spent by this call: $0.00, 0 calls" in out
    assert re.search(
        rf"spent by the same call before: \$0\.\d+, {sent} calls; in all \$0\.\d+ of the \$9\.00 allowed", out
    )


def uncounting(request: Any) -> Answer:
    return replace(teacher(request), tokens=None)


@pytest.mark.parametrize("script", [uncounting], indirect=True)
def test_tokens_that_no_server_counted_are_told_as_assumed(asked: Asked) -> None:
    code, out, _ = asked()
    calls = len(asked.requests)
    assert (code, f"the tokens of {calls} of {calls} calls are assumed, not counted" in out) == (0, True)
    assert f"{calls} calls, at most " in out


def test_two_documents_of_one_name_are_told_apart(asked: Asked) -> None:
    for shelf in ("new", "old"):
        (asked.folder / "docs" / shelf).mkdir(parents=True)
        written(asked.folder / "docs" / shelf, 40 if shelf == "new" else 80)
    words = ["questions", str(asked.folder / "docs"), "--out", str(asked.out), "--per-passage", "20", *PRICED]
    found = CliRunner().invoke(app, words)
    # Passages that both hold are asked about once, which is nothing that an earlier call had paid for.
    assert (found.exit_code, "were kept from earlier calls" in found.stdout) == (0, False)
    rows = [json.loads(line) for line in asked.out.read_text(encoding="utf-8").splitlines()]
    assert {row["document"] for row in rows} == {"new/store.txt", "old/store.txt"}


def test_documents_that_changed_are_read_anew_and_only_what_is_new_is_asked(asked: Asked) -> None:
    assert asked()[0] == 0
    sent = len(asked.requests)
    code, out, _ = asked("--force", "--json", *PRICED, items=160)
    found = json.loads(out)
    assert (code, found["made_before"], found["kept"]) == (0, False, 120)
    assert found["spent_now"]["calls"] == len(asked.requests) - sent
    assert found["kept_answers"] >= sent / 2
    assert found["kept_usd"] > found["spent_now"]["usd"]
    assert 0 < len(asked.requests) - sent < sent / 2


def test_what_is_wrong_is_told_at_once_before_anybody_is_asked(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    words = ["questions", str(tmp_path / "a.pdf"), str(tmp_path / "none"), "--out", str(tmp_path / "no" / "facts.csv")]
    words += ["--teacher", "openai:unheard-of", "--checker", "nowhere", "--checker-price", "1", "2"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 2
    for said in (
        "a.pdf: a document of kind '.pdf' is not read; valid: .txt, .md",
        "none: there is no such file or folder",
        "its name must end in .jsonl",
        f"there is no folder {tmp_path / 'no'}",
        "the token prices of teacher 'unheard-of' are not known",
        "teacher 'nowhere' is not available; valid: openai:MODEL",
    ):
        assert said in found.stderr
    assert asked.requests == []


def test_a_priced_teacher_is_not_asked_without_a_limit_and_the_most_it_can_cost_is_told(asked: Asked) -> None:
    code, _, err = asked("--teacher", "openai:m", "--teacher-price", "1", "4")
    assert code == 2
    assert "the tokens of 'openai:m' have a price: say with --max-usd how much may be spent; all questions of" in err
    code, _, err = asked("--teacher", "openai:m", "--teacher-price", "0", "0", "--checker-price", "1", "1")
    assert (code, "--checker-price goes with --checker NAME" in err) == (2, True)
    assert asked.requests == []


def test_a_free_teacher_needs_no_limit(asked: Asked) -> None:
    code, out, err = asked("--teacher", "openai:m", "--teacher-price", "0", "0", items=120)
    assert code == 0, err
    assert re.search(r"spent by this call: \$0.00, \d+ calls, [\d,]+ tokens read, [\d,]+ written; allowed \$0.00", out)
    assert "a run needs 100 or more" in out


def test_nothing_is_spent_beyond_the_limit_and_a_larger_one_goes_on(asked: Asked) -> None:
    priced = ("--json", *PRICED[:-1])
    found = json.loads(asked(*priced, "0.03")[1])
    assert (found["stopped_by"], found["spent"]["usd"] <= 0.03) == ("money", True)
    sent = len(asked.requests)
    more = json.loads(asked("--force", *priced, "9")[1])
    assert more["stopped_by"] == "done"
    assert more["spent"]["calls"] == len(asked.requests) - sent


@pytest.mark.parametrize("script", [sorry], indirect=True)
def test_where_nothing_is_kept_no_file_is_written(asked: Asked) -> None:
    code, out, _ = asked()
    assert (code, asked.out.exists()) == (1, False)
    assert "no question was kept, and no file was written" in out


@pytest.mark.parametrize("script", [slow], indirect=True)
def test_after_a_stop_the_same_call_goes_on_and_pays_for_no_answer_twice(asked: Asked, workspace: Path) -> None:
    words = [str(written(asked.folder, ITEMS)), "--out", str(asked.out), "--per-passage", "20", *PRICED]
    first = subprocess.Popen(
        [sys.executable, "-P", "-m", "stratos", "questions", *words],
        stderr=subprocess.PIPE,
        # A suite that a script started in the background inherits SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while len(asked.requests) < 40 and first.poll() is None:
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    assert b"the same command goes on from there" in first.communicate()[1]
    assert first.returncode == 130
    (folder,) = (workspace / FOLDER).iterdir()
    assert (folder / PURSE_FILE).read_text().count("settled") >= 30
    found = json.loads(asked("--json", *PRICED)[1])
    assert (found["kept"], found["folder"]) == (105, str(folder))
    asked_for = [json.dumps(request, sort_keys=True) for request in asked.requests]
    assert len(asked_for) - len(set(asked_for)) <= IN_FLIGHT  # those that were under way
