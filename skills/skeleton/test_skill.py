"""The skill's own test: what is made is right, what is wrong is caught, and no two names are one item."""

from itertools import pairwise
from pathlib import Path

from ..users import load_user_skill

SKILL = load_user_skill(Path(__file__).parent)
TASK = next(iter(SKILL.tasks))
MADE = SKILL.make(TASK, seed=1, block=0, count=200)


def test_the_verifier_agrees_with_every_example() -> None:
    assert all(SKILL.check(TASK, example) for example in MADE)


def test_a_wrong_answer_is_not_right() -> None:
    for example, other in pairwise(MADE):
        if example.answer != other.answer:
            said = SKILL.completion(other, rationale=False)
            assert not SKILL.verify(TASK, example.prompt, said).answer_right


def test_what_has_no_valid_form_is_not_parsed() -> None:
    assert not SKILL.verify(TASK, MADE[0].prompt, "nonsense").parsed


def test_the_solver_gives_the_same_answer() -> None:
    assert all(SKILL.solve(TASK, example.prompt).answer == example.answer for example in MADE)


def test_the_same_block_is_made_again_and_another_is_not() -> None:
    assert SKILL.make(TASK, seed=1, block=0, count=200) == MADE
    assert SKILL.make(TASK, seed=1, block=1, count=200) != MADE


def test_every_token_is_in_the_vocabulary_and_no_text_is_longer_than_said() -> None:
    task = SKILL.tasks[TASK]
    for example in MADE:
        prompt, completion = example.prompt.split(), SKILL.completion(example, rationale=True).split()
        assert {*prompt, *completion} <= set(SKILL.vocabulary)
        assert len(prompt) <= task.max_prompt_tokens
        assert len(completion) <= task.max_completion_tokens


def test_a_question_may_be_asked_in_the_form_of_its_prompt() -> None:
    assert SKILL.parse_question(TASK, MADE[0].prompt) == MADE[0].prompt
