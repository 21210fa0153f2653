"""A skill over given examples: its questions, answers and tokens."""

from pathlib import Path
from typing import Any

import pytest
from stratos.skills import load
from stratos.skills.given.form import Form
from stratos.skills.given.freezing import freeze
from stratos.skills.given.tokens import MOST_WORDS
from stratos.skills.gsm8k.skill import SKILL as GSM8K
from stratos.skills.protocol import Example, Skill
from stratos.state.brief import DataSource
from stratos.state.errors import RequestError
from stratos.tools.training.batches import Encoder
from stratos.tools.training.tokenizer import build_tokenizer, text_encoders

from .files import rows, write_jsonl


def opened(tmp_path: Path, examples: list[dict[str, Any]], name: str = "table", form: Form | None = None) -> Skill:
    source = DataSource(path=write_jsonl(tmp_path / "all.jsonl", examples))
    freeze(source, form or Form(), tmp_path / "given", seed=0, held_out_items=2000)
    return load(name, tmp_path / "given")


def many_words(count: int = MOST_WORDS + 200) -> list[dict[str, Any]]:
    return [
        {"text": f"Where is word{number}, please?", "label": ["here", "over there"][number % 2]}
        for number in range(count)
    ]


def test_few_words_are_tokens_and_many_are_cut_into_pieces(tmp_path: Path) -> None:
    assert opened(tmp_path, rows()).tokenizer is None
    pieces = opened(tmp_path, many_words())
    assert pieces.tokenizer is not None
    assert "over there".replace(" ", "Ġ") in pieces.vocabulary


def test_no_word_of_a_held_out_question_is_known_beforehand(tmp_path: Path) -> None:
    test = [{"text": f"what colour has the zebra number {n}", "label": "red"} for n in "123456789"] + rows(50)
    source = DataSource(
        path=write_jsonl(tmp_path / "all.jsonl", rows()), test=write_jsonl(tmp_path / "test.jsonl", test)
    )
    freeze(source, Form(), tmp_path / "given", seed=0, held_out_items=2000)
    skill = load("table", tmp_path / "given")
    assert skill.tokenizer is not None
    assert not [piece for piece in skill.vocabulary if "zebra" in piece]
    assert skill.parse_question("answer", test[0]["text"]) == test[0]["text"]


def test_an_answer_is_one_token_and_its_words_in_a_question_are_not(tmp_path: Path) -> None:
    skill = opened(tmp_path, many_words())
    prompts, completions = text_encoders(skill)
    (answer,) = completions(["over there"])
    assert len(answer) == 1
    assert answer[0] not in prompts(["over there"])[0]


@pytest.mark.parametrize("examples", [rows(), many_words()], ids=["words", "pieces"])
def test_what_is_trained_on_is_what_the_chat_template_gives(tmp_path: Path, examples: list[dict[str, Any]]) -> None:
    skill = opened(tmp_path, examples)
    tokenizer = build_tokenizer(skill, 64)
    one = skill.make("answer", seed=0, block=0, count=1)[0]
    ((ids, given),) = Encoder(skill=skill, rationale=True).encode([one])
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": one.prompt}], tokenize=False, add_generation_prompt=True
    )
    assert tokenizer.encode(chat, add_special_tokens=False) == ids[:given]
    assert tokenizer.decode(ids[given:], skip_special_tokens=True) == one.answer


def test_answers_are_judged_against_the_given_ones(tmp_path: Path) -> None:
    skill = opened(tmp_path, rows())
    one = skill.make("answer", seed=0, block=0, count=1)[0]
    assert skill.verify("answer", one.prompt, one.answer.upper()).exact
    assert not skill.verify("answer", one.prompt, "purple").exact
    assert not skill.verify("answer", one.prompt, " ").parsed
    with pytest.raises(RequestError, match="its right answer is not known"):
        skill.verify("answer", "what is new", "red")


def test_the_answer_behind_a_worked_way_counts(tmp_path: Path) -> None:
    taken = [{"question": f"{n} plus 1", "answer": f"Add one to {n}.\n#### {n + 1}"} for n in range(100)]
    skill = opened(tmp_path, taken, "gsm8k", GSM8K.form)
    one: Example = skill.solve("answer", "7 plus 1")
    assert skill.completion(one, rationale=True) == "Add one to 7. #### 8"
    assert skill.verify("answer", one.prompt, "Whatever.\n#### 8.0").exact
    bare = skill.verify("answer", one.prompt, "8")
    assert (bare.exact, bare.parsed) == (True, False)
    assert not skill.verify("answer", one.prompt, "Add one to 7.\n#### 9").answer_right


def test_samples_are_of_the_training_examples_alone(tmp_path: Path) -> None:
    skill = opened(tmp_path, rows())
    assert skill.given is not None
    drawn = skill.make("answer", seed=1, block=2, count=10_000)
    assert sorted(one.prompt for one in drawn) == sorted(one.prompt for one in skill.given.train)
    assert drawn == skill.make("answer", seed=1, block=2, count=10_000)


def test_a_question_with_words_nobody_taught_is_refused(tmp_path: Path) -> None:
    skill = opened(tmp_path, rows())
    assert skill.parse_question("answer", " what  colour has the sun number 3 ") == "what colour has the sun number 3"
    with pytest.raises(RequestError, match="words that are in none of the examples: 'taste'"):
        skill.parse_question("answer", "what taste has the sun number 3")


def test_without_examples_it_says_how_to_bring_some() -> None:
    with pytest.raises(RequestError, match="intents needs examples: name them with --data FILE"):
        load("intents").make("answer", seed=0, block=0, count=1)
