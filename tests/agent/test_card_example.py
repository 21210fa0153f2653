"""The example on a model card: what the student is asked and how it was taught to answer."""

from dataclasses import replace
from pathlib import Path

import pytest
from stratos.agent.card_example import card_example, example_words
from stratos.agent.model_card import model_card
from stratos.agent.model_facts import StudentFacts, student_facts
from stratos.skills import load
from stratos.skills.given.form import Form
from stratos.skills.given.freezing import freeze
from stratos.state.brief import DataSource
from stratos.tools.distill import ANSWERS_ONLY

from ..recorded import Recorded
from ..skills.given.files import rows as given_rows
from ..skills.given.files import write_jsonl


@pytest.fixture
def facts(recorded: Recorded) -> StudentFacts:
    return student_facts(recorded.rows("met"))


def test_a_stranger_reads_a_question_and_the_answer_as_it_was_taught(facts: StudentFacts, tmp_path: Path) -> None:
    found = card_example(facts, tmp_path)
    assert found is not None
    assert load("mahjong").verify(facts.brief.task, found.prompt, found.completion).exact
    assert len(found.completion.split()) > 1  # the way to the answer too
    card = model_card(facts, "0" * 64, "", "9.9", example=found)
    assert (
        f"```text\n{found.prompt}\n```\n\nIt was taught to answer in this form:\n\n```text\n{found.completion}\n```"
        in card
    )
    assert f'"content": "{found.prompt}"' in card


def test_a_control_of_the_answers_alone_answers_so(facts: StudentFacts, tmp_path: Path) -> None:
    assert facts.verdict is not None
    served = replace(facts, verdict=facts.verdict.model_copy(update={"cheaper_control": ANSWERS_ONLY}))
    found = card_example(served, tmp_path)
    assert found is not None
    assert found.completion in ("= yes", "= no")


def of_own_examples(facts: StudentFacts, run_folder: Path) -> StudentFacts:
    source = DataSource(path=write_jsonl(run_folder / "a.jsonl", given_rows()))
    given = freeze(source, Form(), run_folder / "given", seed=0, held_out_items=2000)
    brief = facts.brief.model_copy(update={"skill": "table", "task": "answer"})
    return replace(facts, brief=brief, given=given, learned=given)


def test_of_own_examples_it_is_one_that_was_learned_from_and_the_card_says_whose(
    facts: StudentFacts, tmp_path: Path
) -> None:
    found = card_example(of_own_examples(facts, tmp_path), tmp_path)
    assert found is not None
    assert {"text": found.prompt, "label": found.completion} in given_rows()
    assert "one of the user's own examples" in example_words(found)


def test_examples_that_changed_or_are_gone_are_not_shown(facts: StudentFacts, tmp_path: Path) -> None:
    of_own = of_own_examples(facts, tmp_path)
    (tmp_path / "given" / "train.jsonl").write_text("{}\n")
    assert card_example(of_own, tmp_path) is None
    assert card_example(of_own, tmp_path / "elsewhere") is None
    assert "No example" in example_words(None)
