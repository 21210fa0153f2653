"""Questions made of documents: what is kept is in the passages, asked once, and answered again by them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from stratos.agent.scripted import Answer, scripted_server
from stratos.skills.given.form import Form
from stratos.skills.given.freezing import freeze
from stratos.state.brief import DataSource
from stratos.state.errors import RequestError
from stratos.tools.teaching.documents import DocumentsJob, agree, run
from stratos.tools.teaching.facts import Fact, problem_of
from stratos.tools.teaching.opening import TeacherChoice
from stratos.tools.teaching.passages import PASSAGE_CHARACTERS, Passage, cut, read_passages
from stratos.tools.training.batches import read_examples

from .halls import hall, teacher, written

HALF = '{"question": "Where is \\ud800?", "answer": "north", "quote": "north"}'
"""JSON that holds half a character."""


def made(folder: Path, script: Any = teacher, items: int = 120, **changes: Any) -> dict[str, Any]:
    with scripted_server(script) as (url, _):
        values: dict[str, Any] = {
            "documents": (written(folder, items),),
            "teacher": TeacherChoice(name="openai:m", base_url=url, usd_per_million=(1.0, 4.0)),
            "questions": 20,
            "usd_limit": 9.0,
            "cache_folder": folder / "answers",
            "shard": folder / "facts.jsonl",
        }
        return dict(run(DocumentsJob(**{**values, **changes}), folder))


def test_only_what_a_passage_says_is_kept_and_what_is_known_without_it_is_told(tmp_path: Path) -> None:
    found = made(tmp_path)
    kept = read_examples(tmp_path / "facts.jsonl")
    assert len(kept) == found["kept"] == 90
    assert all(hall(int(re.findall(r"\d+", example.prompt)[0])) == example.answer for example in kept)
    assert found["rejected"]["no JSON of a question, an answer and a quote"] == found["passages"]
    assert found["kept"] + sum(found["rejected"].values()) == found["made"]
    assert found["known_without"]["value"] == pytest.approx(30 / 90)
    lines = [json.loads(line) for line in (tmp_path / "facts.provenance.jsonl").read_text().splitlines()]
    assert [line["known_without"] for line in lines] == [
        int(re.findall(r"\d+", one.prompt)[0]) % 3 == 0 for one in kept
    ]


def test_a_check_that_reads_otherwise_disagrees_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    def reader(request: Any) -> Answer:
        return teacher(request) if request["model"] == "m" else Answer(text="#### nowhere", finish_reason="stop")

    with scripted_server(reader) as (url, _):
        checker = TeacherChoice(name="openai:other", base_url=url, usd_per_million=(0.0, 0.0))
        found = made(tmp_path, reader, checker=checker)
    assert found["kept"] == 0
    assert found["disagreement"]["value"] == 1
    assert found["known_without"] is None


def test_a_question_that_comes_again_counts_once(tmp_path: Path) -> None:
    def same(request: Any) -> Answer:
        answer = teacher(request)
        first, *_ = [line for line in answer.text.splitlines() if '"answer"' in line and "item 1?" in line] or [""]
        again = f"{first}\n{first.replace('Where is item 1?', 'where  is Item 1')}"
        return Answer(text=again, tokens=(9, 9), finish_reason="stop") if first else answer

    found = made(tmp_path, same)
    assert found["rejected"]["asked already"] == 1


@pytest.mark.parametrize(
    "text", ["", "I'm sorry, I can't.", "[]", '{"question": 5}', '{"a":' * 9000, "null", "5\n" * 50, HALF]
)
def test_garbage_ends_in_counted_rejections(tmp_path: Path, text: str) -> None:
    def garbage(request: Any) -> Answer:
        return Answer(text=text, finish_reason="stop")

    found = made(tmp_path, garbage)
    assert found["kept"] == 0
    assert found["made"] == sum(found["rejected"].values())
    assert found["made"] or found["silent_passages"] == {"empty": found["passages"]}


def test_money_that_ends_stops_it(tmp_path: Path) -> None:
    found = made(tmp_path, usd_limit=0.03)
    assert found["stopped_by"] == "money"
    assert 0 < found["spent"]["usd"] <= 0.03


def test_what_it_writes_can_be_named_as_data(tmp_path: Path) -> None:
    made(tmp_path, items=200)
    facts = freeze(
        DataSource(path=str(tmp_path / "facts.jsonl")), Form(), tmp_path / "given", seed=0, held_out_items=2000
    )
    assert facts.with_rationales
    assert facts.rows >= 140


PASSAGE = Passage(document="d", number=1, text="The bridge of Arles was built in 1832 by Jean Petit.")
GOOD = {
    "question": "When was the bridge of Arles built?",
    "answer": "1832",
    "quote": "The bridge of Arles was built in 1832",
}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, ""),
        ({"question": "According to the passage, when was it built?"}, "without the passage"),
        ({"question": "Was the bridge built in 1832?"}, "gives its answer away"),
        ({"answer": "1833"}, "the answer is not in the passage"),
        ({"quote": "The bridge was built in 1832"}, "the quote is not in the passage"),
        ({"answer": "<eos>"}, "frame a student's texts"),
    ],
)
def test_a_fact_is_held_against_the_words_of_its_passage(change: dict[str, str], problem: str) -> None:
    found = problem_of(Fact(**{**GOOD, **change}), PASSAGE)
    assert problem in found
    assert bool(found) == bool(problem)


def test_documents_are_cut_at_paragraphs_then_sentences_and_nothing_is_lost() -> None:
    text = "\n\n".join(
        [" ".join(f"Sentence {at} of a paragraph." for at in range(30 * number)) for number in (1, 2, 3, 9)]
        + ["x" * 5000]
    )
    passages = cut(text)
    assert max(map(len, passages)) <= PASSAGE_CHARACTERS
    assert "".join("".join(passages).split()) == "".join(text.split())


def test_documents_that_cannot_be_read_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9" * 50)
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(RequestError) as refused:
        read_passages([tmp_path / "latin.txt", tmp_path / "a.pdf", tmp_path / "none.txt"])
    assert [problem.split(": ")[1][:25] for problem in sorted(refused.value.problems)] == [
        "a document of kind '.pdf'",
        "no UTF-8 text (invalid co",
        "there is no such file or ",
    ]


def test_short_answers_agree_by_number_or_by_words() -> None:
    assert agree("1,832", "1832")
    assert agree("the north hall", "The north hall.")
    assert not agree("north hall", "south hall")
