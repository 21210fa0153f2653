"""The teacher of the teachers eval knows what it is said to know, and no more."""

from typing import Any

import pytest
from stratos.evals.strategies.families import FAMILIES
from stratos.evals.teachers import CASES, KnownTeacher
from stratos.tools.teaching.hiding import BLANK, without_answer

CLOCK = next(family for family in FAMILIES if family.name == "clock")
ITEMS = CLOCK.questions(0).labelled[:400]


def teacher(knows: float) -> KnownTeacher:
    return KnownTeacher(
        examples={one.prompt: one for one in ITEMS}, knows=knows, answers=[f"h{hour}" for hour in range(12)]
    )


def asked(one: KnownTeacher, text: str, seed: int = 0) -> str:
    request: dict[str, Any] = {"messages": [{"role": "user", "content": text}], "seed": seed}
    return one(request).text


def test_it_is_right_on_the_share_that_it_knows_and_always_the_same() -> None:
    one = teacher(0.3)
    right = [asked(one, f"Question:\n{item.prompt}\n\n").endswith(f"#### {item.answer}") for item in ITEMS]
    assert sum(right) / len(right) == pytest.approx(0.3, abs=0.07)
    again = [asked(one, f"Question:\n{item.prompt}\n\n", seed=5).endswith(f"#### {item.answer}") for item in ITEMS]
    assert again == right


def test_told_the_answer_it_writes_the_way_and_told_another_it_writes_none() -> None:
    item = ITEMS[0]
    told = f"Question:\n{item.prompt}\n\nThe right answer, for your eyes only: {item.answer}\n"
    assert asked(teacher(0.0), told) == f"{item.rationale}\n#### {item.answer}"
    assert item.rationale not in asked(teacher(0.0), told.replace(f"only: {item.answer}", "only: nothing"))


def test_it_follows_sound_steps_without_their_answer_and_guesses_otherwise() -> None:
    item = next(one for one in ITEMS if len(one.rationale.split()) > 3)
    steps = without_answer(item.rationale, item.answer)
    assert BLANK in steps
    asking = "Question:\n{}\n\nSteps:\n{}\n\nFollow the steps"
    assert asked(teacher(0.0), asking.format(item.prompt, steps)) == f"#### {item.answer}"
    assert asked(teacher(0.0), asking.format(item.prompt, "this and that")) != f"#### {item.answer}"


def test_every_case_is_of_a_family_and_names_a_verdict() -> None:
    assert {case.family for case in CASES} <= {family.name for family in FAMILIES}
    assert len({case.verdict for case in CASES}) == len(CASES)
