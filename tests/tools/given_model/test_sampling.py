"""Sampled answers to training questions: which of them a reward could learn from."""

from pathlib import Path

from stratos.skills import load
from stratos.skills.protocol import Example
from stratos.tools.answering import Writing, write_answers
from stratos.tools.given_model.sampling import QUESTIONS, SAMPLES, TEMPERATURE, chosen, counted, sampled_answers

from ..tuning import tiny

SKILL = load("mahjong")


def test_a_reward_can_teach_questions_with_right_and_wrong_answers_alone() -> None:
    found = counted([0, 8, 3, 1])
    assert (found.right, found.solved, found.mixed) == (12, 3, 2)
    assert found.words == "4 training questions, 8 sampled answers each: 38% right; 2 have both right and wrong ones"


def test_where_all_are_right_or_all_wrong_it_says_that_nothing_is_to_be_gained() -> None:
    for right in ([0, 0], [8, 8], [0, 8]):
        assert counted(right).words.endswith(
            "no question has both right and wrong answers: a reward would teach nothing"
        )


def test_each_question_is_asked_once_and_the_same_for_the_same_seed() -> None:
    many = [Example(prompt=str(number % 50), rationale="", answer="") for number in range(200)]
    found = [one.prompt for one in chosen(many, 3)]
    assert len(set(found)) == len(found) == QUESTIONS
    assert found == [one.prompt for one in chosen(many, 3)]
    assert found != [one.prompt for one in chosen(many, 4)]


def test_a_model_that_knows_nothing_has_every_question_wrong(tmp_path: Path) -> None:
    model, items = tiny.checkpoint(tmp_path / "model", context_tokens=512), SKILL.make("win", seed=0, block=0, count=3)
    seen: list[int] = []
    found = sampled_answers(model, SKILL, "win", items, Writing(max_tokens=8), lambda done, total: seen.append(total))
    assert (found.questions, found.samples, found.right, found.mixed) == (3, SAMPLES, 0, 0)
    assert seen[-1] == 3 * SAMPLES


def test_both_engines_sample(tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model")
    for engine in ("ctranslate2", "transformers"):
        writing = Writing(max_tokens=6, temperature=TEMPERATURE, engine=engine)
        texts = write_answers(model, ["What is 1 plus 1?"] * SAMPLES, writing, lambda done, total: None)
        assert len(set(texts)) > 1
