"""A model folder as a teacher: its own chat template, its own answers, and prompts it cannot take."""

import shutil
from pathlib import Path

import pytest
from stratos.state.brief import TeacherSource
from stratos.state.errors import NotAvailable, RequestError
from stratos.tests.tools.serving import tiny_model
from stratos.tools.serving.conversion import converted
from stratos.tools.serving.engine import Settings, open_engine
from stratos.tools.teaching.access import check_teacher
from stratos.tools.teaching.local import FolderTeacher
from stratos.tools.teaching.opening import TeacherChoice, open_teacher
from stratos.tools.teaching.teachers import Answer, Request, Sampling


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    tiny_model.make(path)
    converted(path)
    return path


def test_answers_are_the_engines_for_the_folders_own_chat_in_the_order_of_the_requests(folder: Path) -> None:
    teacher = open_teacher(TeacherChoice(name=str(folder)), None, "")
    told: dict[int, Answer] = {}
    cold, warm = Sampling(max_tokens=8), Sampling(max_tokens=8, temperature=1.0, seed=1)
    asked = [Request(prompt=f"w{at} w3", sampling=warm if at % 2 else cold, sample=at % 3) for at in range(6)]
    answers = teacher.sample(asked, told.__setitem__)
    engine = open_engine(folder)
    for at in (0, 2, 4):
        prompt = engine.encode_chat([{"role": "user", "content": asked[at].prompt}])
        (wanted,) = engine.generate([prompt], Settings(max_tokens=8))
        assert (answers[at].text, answers[at].output_tokens) == (wanted.text, wanted.completion_tokens)
        assert answers[at].input_tokens == len(prompt)
    assert [told[at] for at in range(6)] == answers == teacher.sample(asked, told.__setitem__)


def test_a_folder_that_lacks_something_is_told_all_of_it_before_anything_is_loaded(
    folder: Path, tmp_path: Path
) -> None:
    check_teacher(TeacherSource(name=str(folder)))
    with pytest.raises(RequestError) as empty:
        check_teacher(TeacherSource(name=str(tmp_path)))
    (told,) = empty.value.problems
    assert all(
        word in told for word in ("no config.json", "no model.safetensors", "no tokenizer.json", "no chat template")
    )
    shutil.copy(folder / "config.json", tmp_path)
    with pytest.raises(NotAvailable, match=r"cannot be asked: no model.safetensors"):
        open_teacher(TeacherChoice(name=str(tmp_path)), None, "")


def test_samples_of_one_prompt_differ_and_a_seed_repeats_them(folder: Path) -> None:
    teacher = FolderTeacher(folder)
    warm = Sampling(max_tokens=20, temperature=1.5, seed=7)
    asked = [Request(prompt="w1 w2", sampling=warm, sample=sample) for sample in range(4)]
    first = [answer.text for answer in teacher.sample(asked, lambda at, answer: None)]
    assert len(set(first)) > 1
    assert first == [answer.text for answer in teacher.sample(asked, lambda at, answer: None)]


def test_a_prompt_that_it_cannot_take_is_refused_alone(folder: Path) -> None:
    asked = [Request(prompt=prompt, sampling=Sampling(max_tokens=4)) for prompt in ("w1", "unheard of", "w2 " * 20_001)]
    answers = FolderTeacher(folder).sample(asked, lambda at, answer: None)
    assert [answer.fate for answer in answers] == ["answered", "refused", "refused"]


def test_its_answers_are_kept_under_the_bytes_of_the_model(folder: Path, tmp_path: Path) -> None:
    other = tiny_model.make(tmp_path, seed=1)
    assert FolderTeacher(folder).identity == FolderTeacher(folder).identity != FolderTeacher(other).identity
