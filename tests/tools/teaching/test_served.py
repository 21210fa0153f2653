"""A model folder as a teacher where vLLM serves: asked side by side, for nothing, and stopped when the job ends. No vLLM is needed."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from stratos.state.errors import NotAvailable, ToolFailed
from stratos.tests.tools.serving import tiny_model
from stratos.tools.serving.conversion import converted
from stratos.tools.serving.vllm import choose_engine
from stratos.tools.teaching import opening, served
from stratos.tools.teaching.asking import Asker
from stratos.tools.teaching.local import FolderTeacher
from stratos.tools.teaching.opening import AskingJob, TeacherChoice, open_askers, open_teacher
from stratos.tools.teaching.probe import ProbeJob, run
from stratos.tools.teaching.served import ServedTeacher
from stratos.tools.teaching.teachers import Answer, Request, Sampling

from .fake_vllm import MISHAP, NOTES, Notes, installed, notes
from .simulated import opened_skill


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tiny_model.make(tmp_path_factory.mktemp("model"))
    converted(path)
    return path


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Notes]]:
    """The fake program on PATH, a GPU that seems to be there, and what the servers noted."""
    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setenv("PATH", installed(tmp_path))
    monkeypatch.setenv(NOTES, str(folder))
    monkeypatch.setattr(opening, "choose_engine", partial(choose_engine, gpu=lambda: True))
    return lambda: notes(folder)


def ends(server: Notes) -> bool:
    """Whether its process is gone, or goes at once."""
    try:
        psutil.Process(server.pid).wait(timeout=3)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def untold(at: int, answer: Answer) -> None:
    """Nothing is kept."""


def questions(count: int) -> list[Request]:
    return [Request(prompt=f"w{at}", sampling=Sampling(temperature=0.5, seed=1), sample=at) for at in range(count)]


def test_it_is_asked_many_at_once_and_answers_in_order(
    model: Path, tmp_path: Path, noted: Callable[[], list[Notes]]
) -> None:
    told: dict[int, Answer] = {}
    teacher = ServedTeacher(model, tmp_path / "server")
    try:
        answers = teacher.sample(questions(40), told.__setitem__)
    finally:
        teacher.close()
    assert [answer.text for answer in answers] == [
        f"teacher 0.5 {1_000_003 + at} 1024 w{at}\n#### 100" for at in range(40)
    ]
    assert [told[at] for at in range(40)] == answers
    (server,) = noted()
    assert server.most_at_once > 20
    assert server.options["--host"] == "127.0.0.1"
    assert int(server.options["--max-model-len"]) == tiny_model.CONTEXT
    assert ends(server)
    assert not (tmp_path / "server" / "api_key").exists()


def test_a_job_asks_it_for_nothing_and_stops_it_and_kept_answers_need_no_server(
    model: Path, tmp_path: Path, noted: Callable[[], list[Notes]]
) -> None:
    opened_skill(tmp_path, 100)

    def probed(name: str) -> dict[str, Any]:
        (tmp_path / name).mkdir()
        job = ProbeJob(
            skill="table",
            task="answer",
            skill_data=tmp_path / "given",
            teacher=TeacherChoice(name=str(model)),
            items=10,
            samples=2,
            usd_limit=0.0,
            cache_folder=tmp_path / "cache",
        )
        return dict(run(job, tmp_path / name))

    first, second = probed("first"), probed("second")
    (server,) = noted()
    assert (first["teacher"], first["items"], first["spent"]["usd"]) == (str(model), 10, 0)
    assert first["spent"]["output_tokens"] == 7 * server.asked > 0
    assert ends(server)
    assert second["accuracy"] == first["accuracy"]


def test_an_error_of_the_job_stops_it_too(model: Path, tmp_path: Path, noted: Callable[[], list[Notes]]) -> None:
    held = list[Asker]()  # so that it is the block's end that stops the server, not the last reference's

    def broken_off() -> None:
        with opened(tmp_path, model) as (teacher, _, _):
            held.append(teacher)
            teacher.ask(questions(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    (server,) = noted()
    assert ends(server)


def opened(folder: Path, *models: Path) -> Any:
    first, *others = [TeacherChoice(name=str(model)) for model in models]
    job = AskingJob(teacher=first, usd_limit=0.0, cache_folder=folder / "cache")
    return open_askers(job, folder, checker=others[0] if others else None)


def test_two_of_them_share_the_gpu(model: Path, tmp_path: Path, noted: Callable[[], list[Notes]]) -> None:
    other = tiny_model.make(tmp_path / "other", seed=1)
    with opened(tmp_path, model, other) as (teacher, checker, _):
        teacher.ask(questions(1))
        checker.ask(questions(1))
        assert [server.options["--gpu-memory-utilization"] for server in noted()] == ["0.45", "0.45"]
    assert all(ends(server) for server in noted())
    with opened(tmp_path / "alone", model) as (teacher, checker, _):
        assert checker is teacher
        teacher.ask(questions(1))
    assert "--gpu-memory-utilization" not in noted()[-1].options


def test_a_server_that_does_not_start_is_told_with_the_way_round_it(
    model: Path, tmp_path: Path, noted: Callable[[], list[Notes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MISHAP, "start")
    with (
        opened(tmp_path, model) as (teacher, _, _),
        pytest.raises(ToolFailed, match=r"(?s)cannot be served by vLLM.*no room for the cache.*'ctranslate2'"),
    ):
        teacher.ask(questions(1))
    assert noted() == []


def test_a_server_that_dies_is_told_with_the_end_of_its_log(
    model: Path, tmp_path: Path, noted: Callable[[], list[Notes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MISHAP, "third")
    teacher = ServedTeacher(model, tmp_path / "server", patience_s=0.2)
    said = rf"(?s)teacher '{model}' failed for 0\.2 s.*cannot be reached.*illegal memory access"
    fates = [teacher.sample(questions(count), untold)[0].fate for count in (2, 1)]
    assert fates == ["answered", "lost"]
    with pytest.raises(ToolFailed, match=said):
        teacher.sample(questions(1), untold)
    teacher.close()
    assert ends(noted()[0])


def test_its_answers_are_kept_apart_from_the_cpu_engines_and_from_another_folders(model: Path, tmp_path: Path) -> None:
    other = tiny_model.make(tmp_path / "other", seed=1)
    identities: Sequence[str | None] = [
        FolderTeacher(model).identity,
        ServedTeacher(model, tmp_path).identity,
        ServedTeacher(other, tmp_path).identity,
    ]
    assert len(set(identities)) == 3
    assert identities[1] == f"{identities[0]} by vllm"


@pytest.mark.usefixtures("noted")
def test_the_cpu_engine_answers_where_vllm_serves_nothing_or_is_not_wanted(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = TeacherChoice(name=str(model))
    assert isinstance(open_teacher(choice, None, "", served_in=tmp_path), ServedTeacher)
    assert isinstance(open_teacher(choice, None, ""), FolderTeacher)
    by_cpu = choice.model_copy(update={"engine": "ctranslate2"})
    assert isinstance(open_teacher(by_cpu, None, "", served_in=tmp_path), FolderTeacher)
    monkeypatch.setattr(opening, "choose_engine", partial(choose_engine, gpu=lambda: False))
    assert isinstance(open_teacher(choice, None, "", served_in=tmp_path), FolderTeacher)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotAvailable, match="no program 'vllm' on PATH"):
        open_teacher(choice.model_copy(update={"engine": "vllm"}), None, "", served_in=tmp_path)


def test_neither_a_context_nor_an_answer_takes_more_room_than_there_is(
    model: Path, tmp_path: Path, noted: Callable[[], list[Notes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "MOST_TOKENS", 1100)
    teacher = ServedTeacher(model, tmp_path / "server")
    asked = [Request(prompt="w1 " * words, sampling=Sampling(max_tokens=1000)) for words in (3, 60, 200, 2000)]
    answers = teacher.sample(asked, untold)
    teacher.close()
    assert noted()[0].options["--max-model-len"] == "1100"
    # 32 tokens are left for the chat template's own; vLLM says itself that a prompt alone is too long.
    assert [answer.text.split()[3] for answer in answers] == ["1000", "1000", str(1100 - 200 - 32), "1"]
