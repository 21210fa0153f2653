"""What a teacher wrote: taken apart, its answer hidden, its tales told."""

import pytest
from stratos.tools.teaching.filtering import word_runs
from stratos.tools.teaching.hiding import tells_of_the_hint, without_answer
from stratos.tools.teaching.questions import answer_form, same_answer
from stratos.tools.teaching.reading import Solution, repeats_itself, take_apart
from stratos.tools.teaching.teachers import Answer

STEPS = "Half of 48 is 24.\nTogether they are 48+24."


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"{STEPS}\n#### 72", "72"),
        (f"#### Step 1\n{STEPS}\n####72\n\n", "72"),
        (f"{STEPS}\n\n#### **72**\nI hope this helps!", "72"),
        (f"{STEPS}\n#### $\\boxed{{72}}$", "72"),
        (f"{STEPS}\n####\n  over   there ", "over there"),
    ],
)
def test_steps_and_answer_are_read_as_models_write_them(text: str, answer: str) -> None:
    found = take_apart(Answer(text=text), wants_steps=True)
    assert isinstance(found, Solution)
    assert found.answer == answer
    assert found.steps.endswith(STEPS)
    assert "#" not in found.steps


@pytest.mark.parametrize(
    ("steps", "answer", "hidden"),
    [
        ("48+24 = 72. So $72, or 72.0; 72,000 and 172 are not", "72", "48+24 = [...]. So $[...], or [...]; 72,000 and 172 are not"),
        ("It costs 1,234 or 1234", "1234", "It costs [...] or [...]"),
        ("She is in  New York, NEW\nYORK, not in New Yorkshire", "New York", "She is in  [...], [...], not in New Yorkshire"),
        ("答案是红色的", "红色", "答案是[...]的"),
        ("x is 1/2 or 0.5", "1/2", "x is [...] or [...]"),
        ("a+b (c) is it", "a+b (c)", "[...] is it"),
    ],
)  # fmt: skip
def test_an_answer_is_hidden_wherever_it_stands_and_nothing_else_is(steps: str, answer: str, hidden: str) -> None:
    assert without_answer(steps, answer) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "As given, it is so.",
        "The answer is provided: 7.",
        "The final answer has been given.",
        "The given answer fits.",
        "Since the correct answer is 7, it follows.",
        "We were told the answer.",
        "This reaches the expected result.",
        "According to the hint, yes.",
        "We work backwards from the answer.",
        "根据提示，选红色。",
        "已知答案为七。",
    ],
)
def test_telling_of_the_hint_is_heard(text: str) -> None:
    assert tells_of_the_hint(text, "How many are there?")


@pytest.mark.parametrize(
    "text",
    [
        "As given in the question, Tom has 3 apples.",
        "He gives 3 apples to her.",
        "The answer is 7.",
        "So the result is known to be even.",
        "The provided rope is 5 m long.",
    ],
)
def test_ordinary_steps_tell_of_no_hint(text: str) -> None:
    assert not tells_of_the_hint(text, "How many are there?")
    assert not tells_of_the_hint("The hint says it rains.", "What does the hint say?")


def test_endless_repetition_is_told_from_long_work() -> None:
    assert repeats_itself("We see that it is so. " * 30)
    assert not repeats_itself("\n".join(f"{at} times 3 is {at * 3}, and {at} more is {at * 4}." for at in range(1, 60)))


def test_the_form_of_answers_is_told_from_right_ones() -> None:
    assert answer_form(["red", "blue"] * 10) == "exactly one of: blue | red"
    assert answer_form([str(at) for at in range(50)]) == "a number without a unit"
    assert "in the form of these answers" in answer_form([f"the house {at}" for at in range(50)])


def test_answers_are_the_same_whatever_their_notation() -> None:
    assert same_answer("1,234.0", "1234")
    assert same_answer(" New  york.", "new York")
    assert not same_answer("72", "27")


def test_near_duplicates_share_their_runs_of_words() -> None:
    one, other = word_runs("the cat sat on the mat today"), word_runs("The cat sat on the mat today!")
    assert one == other
    assert not word_runs("a quite different way") & one
