"""Tells a general chat model in what form to answer: one text, put before every question by the chat template saved with the model.

So training, evaluation and whoever serves the model send bare questions, and all of them get the same prompt.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from string import Template

from ...skills.protocol import Example, Skill
from ...state.plan import Strategy
from ..teaching.questions import answer_form

FORMS_SHOWN = 2
"""Examples of a made task, whose form no sentence tells; each one lengthens every prompt."""


def instruction_of(skill: Skill, task: str, strategy: Strategy, examples: Sequence[Example]) -> str:
    """What is said before a question. `examples` are of those to learn from: they tell the form, and no answer to another question."""
    if skill.given is None:
        shown = _shortest_of_different_answers(skill, strategy, examples)
        return _prompt("made").substitute(task=skill.tasks[task].description.rstrip("."), examples="\n\n".join(shown))
    name = "rationale" if strategy == "rationale" else "answer"
    return _prompt(name).substitute(form=answer_form([example.answer for example in examples]))


def instructed(template: str, instruction: str) -> str:
    """A chat template that puts the instruction before what a user says, whatever else it does."""
    text = json.dumps(f"{instruction}\n", ensure_ascii=False)  # a string of JSON is one of Jinja too
    return (
        "{%- set told = namespace(messages=[]) -%}"
        "{%- for message in messages -%}"
        "{%- if message['role'] == 'user' -%}"
        f"{{%- set told.messages = told.messages + [{{'role': 'user', 'content': {text} + message['content']}}] -%}}"
        "{%- else -%}{%- set told.messages = told.messages + [message] -%}{%- endif -%}"
        "{%- endfor -%}"
        "{%- set messages = told.messages %}" + template
    )


@cache
def _prompt(name: str) -> Template:
    path = Path(__file__).with_name("prompts") / f"{name}.md"
    return Template(path.read_text(encoding="utf-8").strip())


def _shortest_of_different_answers(skill: Skill, strategy: Strategy, examples: Sequence[Example]) -> list[str]:
    by_length = sorted(examples, key=lambda one: len(one.prompt) + len(skill.completion(one, rationale=True)))
    first = {example.answer: example for example in reversed(by_length)}
    chosen = sorted(first.values(), key=by_length.index)[:FORMS_SHOWN]
    return [f"Question:\n{one.prompt}\n{skill.completion(one, rationale=strategy == 'rationale')}" for one in chosen]
