"""GRPO: the reward rises, a stopped job continues exactly, and rewards that cannot be used are named."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import pytest
from stratos.skills import load
from stratos.skills.given.form import Form
from stratos.skills.given.freezing import freeze
from stratos.state.brief import DataSource
from stratos.state.errors import Correctable
from stratos.tools.tuning.grpo import READABLE_REWARD, reinforce, reward_named
from stratos.tools.tuning.specs import GrpoJob

from ...skills.given.files import rows, write_jsonl
from . import tiny

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:.*gradient_checkpointing:FutureWarning"
    ),  # PEFT 0.21, TRL 1.16 with transformers 5.23
]
HERE = "stratos.tests.tools.tuning.rewarding"


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [{"prompt": line["prompt"], "letter": "e"} for line in tiny.lines(40)]
    return tiny.shard(tmp_path_factory.mktemp("prompts") / "p.jsonl", lines)


def reinforced(folder: Path, model: Path, prompts: Path, **changes: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    values: dict[str, Any] = {
        "kind": "grpo",
        "model": model,
        "shards": (prompts,),
        "method": "full",
        "learning_rate": 3e-3,
        "reward": f"{HERE}:vowels",
        "steps": 6,
        "answers_per_prompt": 4,
        "prompts_per_step": 2,
        "max_answer_tokens": 8,
        "max_prompt_tokens": 64,
    }
    return dict(reinforce(GrpoJob(**{**values, **changes}), folder))


def test_the_reward_rises(model: Path, prompts: Path, tmp_path: Path) -> None:
    found = reinforced(
        tmp_path / "a", model, prompts, steps=40, prompts_per_step=4, answers_per_prompt=8, learning_rate=1e-2
    )
    assert found["reward_last"] > found["reward_first"] + 0.1
    assert (found["steps"], found["stopped_by"], found["rollouts"]) == (40, "steps", "transformers")
    assert (Path(found["model"]) / "chat_template.jinja").is_file()


@pytest.mark.parametrize("method", ["full", "lora"])
def test_stopped_and_continued_it_is_rewarded_the_same(model: Path, prompts: Path, tmp_path: Path, method: str) -> None:
    whole = reinforced(tmp_path / "whole", model, prompts, method=method)
    stopped = reinforced(tmp_path / "parts", model, prompts, method=method, wall_clock_s=0.01)
    assert (stopped["stopped_by"], stopped["steps"]) == ("clock", 1)
    parts = reinforced(tmp_path / "parts", model, prompts, method=method)
    assert parts["rewards"] == whole["rewards"]
    assert parts["curve"] == whole["curve"]
    assert parts["tokens"] == whole["tokens"] > 0


def test_a_skills_verifier_is_a_reward() -> None:
    reward = reward_named("skill:mahjong:win")
    skill = load("mahjong")
    example = skill.make("win", seed=1, block=0, count=1)[0]
    right = skill.completion(example, rationale=True)
    assert reward(example.prompt, right, {}) == 1.0
    assert reward(example.prompt, "nonsense", {}) == 0.0
    assert 0 < READABLE_REWARD < 1


def test_a_skill_over_given_examples_rewards_by_their_answers(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "colours.jsonl", rows(200))
    freeze(DataSource(path=data, metric="choice"), Form(), tmp_path / "given", seed=0, held_out_items=10)
    reward = reward_named("skill:table:answer", tmp_path / "given")
    question = load("table", tmp_path / "given").make("answer", seed=0, block=0, count=1)[0]
    assert reward(question.prompt, question.answer, {}) == 1.0
    assert reward(question.prompt, "none of these", {}) < 1.0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.to_be:found", "cannot be imported"),
        (f"{HERE}:missing", "cannot be imported"),
        ("skill:mahjong:chess", "valid: "),
    ],
)
def test_a_reward_that_is_not_there_is_named(name: str, said: str) -> None:
    with pytest.raises(Correctable, match=said):
        reward_named(name)


def test_a_reward_that_is_no_number_is_named(model: Path, prompts: Path, tmp_path: Path) -> None:
    with pytest.raises(Correctable, match="is nan: it must be a finite number"):
        reinforced(tmp_path / "a", model, prompts, reward=f"{HERE}:no_number")


def test_prompts_that_cannot_be_used_are_told(model: Path, prompts: Path, tmp_path: Path) -> None:
    with pytest.raises(Correctable, match="40 are longer than max_prompt_tokens 3"):
        reinforced(tmp_path / "a", model, prompts, max_prompt_tokens=3)
    with pytest.raises(Correctable, match="divide: choose a divisor"):
        reinforced(tmp_path / "a", model, prompts, gradient_accumulation=3)
