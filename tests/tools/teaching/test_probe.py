"""The probe of a teacher: its figures against a simulated teacher's knowledge, and against numbers worked out by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
from stratos.agent.scripted import Answer, scripted_server
from stratos.skills.protocol import Example
from stratos.state.errors import ToolFailed
from stratos.state.evidence import wilson
from stratos.state.teaching import TeacherEvidence
from stratos.tools.teaching.asking import Asker
from stratos.tools.teaching.cache import AnswerCache
from stratos.tools.teaching.endpoint import EndpointTeacher
from stratos.tools.teaching.money import Purse, TokenPrices
from stratos.tools.teaching.opening import TeacherChoice
from stratos.tools.teaching.probe import ProbeJob, entropy_nats, probe, run
from stratos.tools.teaching.questions import Questions

from .simulated import Teacher, code, opened_skill


def probed(
    folder: Path, script: Any, examples: int = 40, *, rationales: bool = False, samples: int = 4, usd: float = 9.0
) -> TeacherEvidence:
    skill = opened_skill(folder, 100)
    assert skill.given is not None
    items = [
        Example(
            prompt=one.prompt,
            rationale=f"Its code is {int(one.answer) // 100} times 100 and {int(one.answer) % 100} more."
            if rationales
            else "",
            answer=one.answer,
        )
        for one in skill.given.train[:examples]
    ]
    questions = Questions(skill=skill, task="answer", form="a number")
    with scripted_server(script) as (url, _):
        asker = Asker(
            teacher=EndpointTeacher("m", url, None),
            prices=TokenPrices(input=1.0, output=4.0),
            purse=Purse(folder, usd),
            cache=AnswerCache(folder / "answers"),
        )
        return probe(asker, questions, items, samples=samples, temperature=0.7, max_tokens=100, seed=0)


def test_accuracy_is_the_share_that_the_teacher_knows_with_its_interval(tmp_path: Path) -> None:
    teacher = Teacher(knows=0.4)
    found = probed(tmp_path, teacher)
    skill = opened_skill(tmp_path, 100)
    assert skill.given is not None
    known = sum(teacher.known(example.prompt) for example in skill.given.train[:40])
    assert found.accuracy == found.vote_accuracy == wilson(known, 40)
    assert (found.items, found.hint, found.unusable) == (40, "answer", {})


def test_samples_agree_on_what_is_known_and_spread_over_what_is_guessed(tmp_path: Path) -> None:
    found = probed(tmp_path, Teacher(knows=0.4))
    share = found.accuracy.value
    # Known: four equal answers, entropy 0. Guessed: four different ones of 900, entropy ln 4.
    assert found.agreement == pytest.approx(share + (1 - share) / 4, abs=0.02)
    assert found.answer_entropy_nats == pytest.approx((1 - share) * math.log(4), abs=0.05)


def test_steps_as_a_hint_carry_a_teacher_that_knows_nothing(tmp_path: Path) -> None:
    found = probed(tmp_path, Teacher(knows=0), rationales=True)
    assert (found.hint, found.accuracy.value, found.hinted_accuracy.value) == ("rationale", 0, 1)


def test_answers_that_cannot_be_read_count_as_wrong_and_by_reason(tmp_path: Path) -> None:
    def half(request: Any) -> Answer:
        prompt = request["messages"][0]["content"]
        question = prompt.split("Question:\n")[1].split("\n")[0]
        plain = prompt.startswith("Answer one question.\n")
        return (
            Teacher(knows=1)(request)
            if plain and code(question) % 2
            else Answer(text="I cannot say", finish_reason="stop")
        )

    found = probed(tmp_path, half)
    assert 0.2 < found.accuracy.value < 0.8
    assert found.hinted_accuracy.value == 0
    assert sum(found.unusable.values()) == 40 * 6 - 5 * round(40 * found.accuracy.value)


def test_money_that_ends_leaves_fewer_items_and_none_is_an_error(tmp_path: Path) -> None:
    found = probed(tmp_path, Teacher(knows=1), usd=0.02)
    assert 0 < found.items < 40
    assert found.out_of_money
    assert found.accuracy.n == found.items
    assert found.spent.usd <= 0.02
    (tmp_path / "poor").mkdir()
    with pytest.raises(ToolFailed, match=r"6 answers about one item may pass the limit of \$0.0001"):
        probed(tmp_path / "poor", Teacher(knows=1), usd=0.0001)


def test_entropy_is_shannons_in_nats() -> None:
    assert entropy_nats([4]) == 0
    assert entropy_nats([1, 1, 1, 1]) == pytest.approx(1.386294361)
    assert entropy_nats([3, 1]) == pytest.approx(0.562335145)


def test_as_a_job_it_asks_of_training_examples_alone_and_never_more_than_100(tmp_path: Path) -> None:
    skill = opened_skill(tmp_path, 100)
    assert skill.given is not None
    with scripted_server(Teacher(knows=0.5)) as (url, got):
        found = run(
            ProbeJob(
                skill="table",
                task="answer",
                skill_data=tmp_path / "given",
                teacher=TeacherChoice(name="openai:m", base_url=url, usd_per_million=(0.0, 0.0)),
                items=12,
                samples=2,
                usd_limit=0,
                cache_folder=tmp_path / "answers",
            ),
            tmp_path,
        )
    train = {example.prompt for example in skill.given.train}
    asked = {request["messages"][0]["content"].split("Question:\n")[1].split("\n")[0] for request in got}
    assert found["items"] == len(asked) == 12
    assert asked <= train
    with pytest.raises(ValueError, match="1 to 100 items, not 101"):
        probe(None, None, [skill.given.train[0]] * 101, samples=2, temperature=1, max_tokens=9, seed=0)  # pyright: ignore[reportArgumentType]


def test_the_solver_is_a_teacher_that_is_always_right(tmp_path: Path) -> None:
    found = run(
        ProbeJob(
            skill="mahjong", task="waits", teacher=TeacherChoice(name="solver"), items=5, samples=2, usd_limit=0,
            cache_folder=tmp_path / "answers",
        ),
        tmp_path,
    )  # fmt: skip
    assert (found["accuracy"]["value"], found["agreement"], found["spent"]["usd"]) == (1, 1, 0)
