"""A folder of given examples after a teacher wrote to it: what changes, and what is kept as it was."""

from pathlib import Path

import pytest
from stratos.skills import load
from stratos.skills.given.folder import read_examples, with_lessons
from stratos.skills.given.form import Form
from stratos.skills.given.freezing import freeze
from stratos.skills.protocol import Example
from stratos.state.brief import DataSource
from stratos.state.errors import RequestError

from .files import rows, write_jsonl


def frozen(folder: Path, *further: str) -> Path:
    unlabelled = write_jsonl(folder / "b.jsonl", [{"text": text} for text in further]) if further else None
    source = DataSource(path=write_jsonl(folder / "a.jsonl", rows()), unlabelled=unlabelled)
    freeze(source, Form(), folder / "given", seed=0, held_out_items=2000)
    return folder / "given"


def taught(folder: Path) -> Path:
    """Ten of the examples with ways to them, and one question that nobody labelled."""
    given = frozen(folder)
    lessons = [
        Example(prompt=one.prompt, rationale="it grows and grows", answer=one.answer)
        for one in read_examples(given / "train.jsonl")[:10]
    ]
    lessons.append(Example(prompt="and the moon ?", rationale="it shines", answer="yellow"))
    with_lessons(given, lessons, folder / "taught")
    return folder / "taught"


def test_a_student_of_a_teacher_learns_its_words_and_is_judged_on_the_same_files(tmp_path: Path) -> None:
    skill = load("table", taught(tmp_path))
    assert skill.given is not None
    assert len(skill.given.train) == 11
    assert {"grows", "shines", "moon"} <= set(skill.vocabulary)
    for name in skill.given.splits:
        assert (tmp_path / "taught" / f"{name}.jsonl").read_bytes() == (
            tmp_path / "given" / f"{name}.jsonl"
        ).read_bytes()


def test_an_answer_behind_the_mark_is_read_although_the_test_has_no_ways(tmp_path: Path) -> None:
    skill = load("table", taught(tmp_path))
    assert skill.given is not None
    item = skill.given.splits["dev"][0]
    assert skill.verify("answer", item.prompt, f"it grows and grows #### {item.answer}").exact
    assert skill.verify("answer", item.prompt, item.answer).answer_right  # as a student of the answers alone says it
    assert not skill.verify("answer", item.prompt, "it grows and grows").answer_right


def test_what_a_teacher_said_is_no_right_answer(tmp_path: Path) -> None:
    skill = load("table", taught(tmp_path))
    assert skill.given is not None
    assert len(skill.given.labelled) == 140
    assert all(one in skill.given.labelled for one in skill.make("answer", seed=0, block=0, count=50))
    with pytest.raises(RequestError, match="not among the given examples"):
        skill.solve("answer", "and the moon ?")


def test_questions_without_an_answer_are_none_of_the_others(tmp_path: Path) -> None:
    asked = rows()[0]["text"]
    skill = load("table", frozen(tmp_path, "and the moon ?", "And the moon?", asked.upper()))
    assert skill.given is not None
    assert list(skill.given.unlabelled) == ["and the moon ?"]
    assert skill.tokenizer is not None  # its word is nowhere in what is learned


def test_bad_questions_are_named_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"(?s)b.jsonl: line 2: question .text.: empty.*skip-bad-rows"):
        frozen(tmp_path, "and the moon ?", " ")
