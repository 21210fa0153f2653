"""What a chat makes of lines in and out of season, in a simulated world, without a terminal."""

import re
from collections.abc import Generator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from stratos.agent import session
from stratos.agent.chat import Chat
from stratos.agent.display import RichDisplay
from stratos.agent.transcript import Transcript
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.training.students import TrainJob

from .chatting import Slow

REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $1"
PATIENCE_S = 60


class Talk:
    """A chat, what it said, and its workspace."""

    def __init__(self, folder: Path, executor: SimulatedExecutor | None = None, **settings: Any) -> None:
        self.workspace, self.said = Workspace(folder), list[str]()
        given = Settings.model_validate({"deploy": False, "local_usd_per_hour": 0.1, "asks": True, **settings})
        display = RichDisplay(Console(file=StringIO()), bars=False)
        executor = executor or SimulatedExecutor(world=World())
        self.chat = Chat(self.workspace, given, display, self.said.append, executor=executor)

    def says(self, *lines: str) -> str:
        """Says each line when the run is quiet; what the last one was answered."""
        before = 0
        for line in lines:
            before = len(self.said)
            self.chat.hear(line)
            self.chat.settle(PATIENCE_S)
        return "\n".join(self.said[before:])

    def outcome(self, number: int = -1) -> Any:
        """The recorded end of a run."""
        return Journal(self.workspace).rows(self.runs()[number].run_id)[-1].output

    def runs(self) -> list[Any]:
        """All runs, oldest first."""
        return Journal(self.workspace).runs()


@pytest.fixture
def talk(tmp_path: Path) -> Generator[Talk]:
    found = Talk(tmp_path)
    yield found
    found.chat.leave()


def test_an_answer_that_cannot_be_read_keeps_the_request_and_what_was_answered(talk: Talk) -> None:
    assert "how often must it be right" in talk.says("tell whether 14 mahjong tiles are a winning hand")
    found = talk.says("ninety-ish 9x%")
    assert "I cannot use this" in found
    assert "Still open: how often must it be right" in found
    assert "nothing is known yet" in talk.says("status")
    assert "no plan yet" in talk.says("cheaper")
    assert "no plan yet" in talk.says("why not the H100?")
    found = talk.says("90")
    assert "how much may it cost" in found
    assert "Shall I?" in talk.says("at most $1")
    talk.says("yes")
    brief = talk.outcome()["brief"]
    assert (brief["targets"]["accuracy"], brief["limits"]["usd"]) == (0.9, 1.0)
    assert len(talk.runs()) == 1


def test_an_answer_that_cannot_be_read_can_be_left_away(talk: Talk) -> None:
    talk.says("tell whether 14 mahjong tiles are a winning hand", "ninety-ish 9x%", "ok")
    assert talk.chat.hear("no")
    talk.chat.settle(PATIENCE_S)
    assert talk.outcome()["brief"]["targets"]["accuracy"] is None


@pytest.mark.parametrize("said", ["0.9", "90"])
def test_a_bare_share_and_a_bare_percentage_are_the_same(talk: Talk, said: str) -> None:
    talk.says("tell whether 14 mahjong tiles are a winning hand, at most $1", said, "no")
    assert talk.outcome()["brief"]["targets"]["accuracy"] == 0.9


def test_the_plans_money_is_told_part_by_part(talk: Talk) -> None:
    found = talk.says(REQUEST)
    assert "at most: data $0.0083, training" in found
    talk.says("no")


def test_questions_with_a_figure_change_nothing(talk: Talk) -> None:
    talk.says(REQUEST)
    assert "the plan would be" in talk.says("is 97% possible?")
    assert "say 1 to change" not in talk.says("what if I had $50?")
    assert "nothing to pick from" not in talk.says("cheaper")
    talk.says("no")
    assert talk.outcome()["brief"]["targets"]["accuracy"] == 0.9


def test_a_number_without_options_says_how_to_get_some(talk: Talk) -> None:
    talk.says(REQUEST)
    assert "`cheaper`, `faster`" in talk.says("1")
    talk.says("no")


def test_what_was_said_before_stopping_counts_when_the_run_goes_on(tmp_path: Path) -> None:
    talk = Talk(tmp_path, Slow(world=World(), seconds=600))
    talk.says(REQUEST)
    talk.chat.hear("yes")
    while "tokens" not in talk.chat.doing:
        assert not talk.chat.settle(0.05)
    talk.chat.hear("status")
    reserved = re.search(r"\$(\S+) of \$1.00 spent or reserved", talk.said[-1])
    assert reserved is not None
    assert float(reserved.group(1)) > 0.01  # what the training may cost is set aside while it runs
    talk.chat.hear("at most $0.50")
    talk.says("stop")
    talk.says("80 % is enough")
    assert "go on" in talk.said[-1]
    assert talk.says("go on please, whoever you are").startswith("I do not understand")
    assert len(talk.runs()) == 1
    talk.chat.leave()
    back = Talk(tmp_path)
    back.chat.resume(talk.runs()[0].run_id)
    assert "stopped, as you said" in back.said[-1]
    back.says("go on")
    brief = back.outcome()["brief"]
    assert (brief["targets"]["accuracy"], brief["limits"]["usd"]) == (0.8, 0.5)
    assert session.replay(back.runs()[0].run_id, workspace=back.workspace).identical


def test_another_run_starts_afresh_and_keeps_its_own_transcript(talk: Talk) -> None:
    talk.says(REQUEST, "no")
    assert talk.says("thanks").startswith("I do not understand")
    assert "how often must it be right" in talk.says("which tiles is a mahjong hand waiting for, at most $1")
    assert "nothing is known yet" in talk.says("status")
    first, second = (Transcript(talk.workspace.run_folder(run.run_id)).said() for run in talk.runs())
    assert first[0] == ("you", REQUEST)
    assert second[0] == ("you", "which tiles is a mahjong hand waiting for, at most $1")
    assert talk.runs()[1].status == "waiting"


def test_a_loosened_target_serves_the_student_that_meets_it(tmp_path: Path) -> None:
    executor = SimulatedExecutor(world=World(ceiling=0.85))
    talk = Talk(tmp_path, executor)
    talk.says(REQUEST, "yes")  # misses, and plans another
    assert talk.says("80 % is enough").count("Shall I?") == 0
    outcome = talk.outcome()
    assert (outcome["status"], outcome["brief"]["targets"]["accuracy"]) == ("met", 0.8)
    trained = [job for _, job in executor.submitted if isinstance(job, TrainJob)]
    assert len(trained) == 2  # student and control, once


def test_no_word_raises_what_the_run_was_started_with(tmp_path: Path) -> None:
    talk = Talk(tmp_path, max_usd=0.5)
    talk.says(REQUEST)
    assert "no word raises that" in talk.says("at most $50")
    talk.says("no")
    assert talk.outcome()["brief"]["limits"]["usd"] == 0.5


def test_faster_offers_what_is_as_accurate_and_sets_a_latency(talk: Talk) -> None:
    talk.says("tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $1, within 20 minutes")
    found = talk.says("faster")
    if "1." in found:
        assert "the latency target becomes" in found
        assert "Shall I?" in talk.says("1")
    talk.says("no")


def test_a_run_that_ended_after_a_stop_is_not_said_to_be_stopped(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.says(REQUEST, "yes", "stop")
    assert talk.outcome()["status"] == "met"
    talk.chat.leave()
    back = Talk(tmp_path)
    back.chat.resume(talk.runs()[0].run_id)
    back.chat.settle(PATIENCE_S)
    assert not any("stopped, as you said" in line for line in back.said)
    assert "ended;" in back.says("status")
