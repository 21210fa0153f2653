"""What a model is told before every question: the form of the answer, by the chat template it is saved with."""

from pathlib import Path

from stratos.skills import load as load_skill
from stratos.skills.given.form import Form
from stratos.skills.given.freezing import freeze
from stratos.skills.protocol import Example, Skill
from stratos.state.brief import DataSource
from stratos.tools.pairing.chat import ChatFiles, render
from stratos.tools.tuning.instructing import instructed, instruction_of

from ...skills.given.files import rows, write_jsonl
from .tiny import CHATML

ASKED = [{"role": "user", "content": "How many?"}]


def opened(folder: Path) -> Skill:
    path = write_jsonl(folder / "a.jsonl", rows())
    freeze(DataSource(path=path), Form(), folder / "given", seed=0, held_out_items=20)
    return load_skill("table", folder / "given")


def test_a_bare_question_gets_the_instruction_before_it() -> None:
    told = 'Say "it" {{ in }} one\nword, 一.'
    text = render(ChatFiles(template=instructed(CHATML, told)), ASKED)
    assert text == render(ChatFiles(template=CHATML), [{"role": "user", "content": f"{told}\nHow many?"}])


def test_what_others_say_stays_as_it_is() -> None:
    others = [{"role": "system", "content": "Be kind."}, *ASKED, {"role": "assistant", "content": "Three."}]
    text = render(ChatFiles(template=instructed(CHATML, "In a word.")), others)
    assert text.count("In a word.") == 1
    assert "system\nBe kind.<|im_end|>" in text


def test_transformers_makes_the_same_of_it(model: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(model)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    template = instructed(CHATML, "In a\tword, with \\ and 'it'.")
    text = tokenizer.apply_chat_template(ASKED, chat_template=template, tokenize=False, add_generation_prompt=True)  # pyright: ignore
    assert text == render(ChatFiles(template=template), ASKED)


def test_labels_are_named_and_ways_end_in_a_mark(tmp_path: Path) -> None:
    skill = opened(tmp_path)
    examples = skill.make("answer", seed=0, block=1, count=100)
    assert "exactly one of: blue | green | red | yellow." in instruction_of(skill, "answer", "answer_only", examples)
    numbers = [Example(prompt="p", rationale="r", answer=str(number)) for number in range(50)]
    assert "End with #### and the final answer alone, a number" in instruction_of(skill, "answer", "rationale", numbers)


def test_the_form_of_a_made_task_is_shown_by_two_examples() -> None:
    skill = load_skill("mahjong")
    examples = skill.make("win", seed=0, block=9, count=50)
    told = instruction_of(skill, "win", "answer_only", examples)
    assert told.count("Question:") == 3  # two and the one to come
    assert {example.answer for example in examples if example.prompt in told} == {"yes", "no"}
