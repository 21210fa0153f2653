"""Answers within the time there is."""

from pathlib import Path

from stratos.tools import answering
from stratos.tools.answering import Writing, write_answers

from .tuning import tiny

QUESTIONS = [row["prompt"] for row in tiny.lines(answering.BATCH + 6)]


def written(folder: Path, **how: object) -> list[str]:
    seen: list[tuple[int, int]] = []
    writing = Writing(max_tokens=4, **how)  # pyright: ignore[reportArgumentType]
    texts = write_answers(folder, QUESTIONS, writing, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(texts), len(QUESTIONS))
    return texts


def test_every_prompt_is_answered_where_there_is_time(tmp_path: Path) -> None:
    texts = written(tiny.checkpoint(tmp_path / "model"))
    assert len(texts) == len(QUESTIONS)


def test_when_the_time_is_over_the_first_are_answered_as_they_would_have_been(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "model")
    few = written(folder, seconds=1e-6)
    assert few == written(folder)[: answering.BATCH]


def test_transformers_gives_the_same_answers(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "model")
    assert written(folder, engine="transformers") == written(folder)
