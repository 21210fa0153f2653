"""vLLM for GRPO's answers: when it is chosen, what memory it gets, and TRL's own way to it, with a fake in vLLM's place."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import pytest
from stratos.state.errors import Correctable, NotAvailable, ToolFailed
from stratos.tools.tuning import grpo, memory, rollouts
from stratos.tools.tuning.grpo import reinforce
from stratos.tools.tuning.rollouts import choose_rollouts, rollouts_here, vllm_arguments, with_vllm
from stratos.tools.tuning.specs import GrpoJob, Method

from . import tiny
from .fake_vllm import LAST, FakeLLM, FakeSamplingParams
from .test_memory import GIB, SHAPE, use

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning"),  # PEFT 0.21, TRL 1.16
]


def job(model: Path, prompts: Path = Path("none"), **changes: Any) -> GrpoJob:
    values: dict[str, Any] = {
        "model": model,
        "shards": (prompts,),
        "method": "full",
        "learning_rate": 3e-3,
        "reward": "stratos.tests.tools.tuning.rewarding:vowels",
        "steps": 3,
        "answers_per_prompt": 4,
        "prompts_per_step": 2,
        "max_prompt_tokens": 64,
        "max_answer_tokens": 8,
        "threads": 1,
    }
    return GrpoJob(**{**values, **changes})


@pytest.mark.parametrize(
    ("wanted", "method", "on_gpu", "has_vllm", "chosen"),
    [
        ("auto", "lora", True, True, "vllm"),
        ("auto", "lora", False, True, "transformers"),
        ("auto", "lora", True, False, "transformers"),
        ("auto", "qlora", True, True, "transformers"),
        ("transformers", "full", True, True, "transformers"),
        ("vllm", "full", True, True, "vllm"),
    ],
)
def test_vllm_is_chosen_where_all_it_needs_is_there(
    wanted: Any, method: Method, on_gpu: bool, has_vllm: bool, chosen: str
) -> None:
    assert choose_rollouts(wanted, method, on_gpu=on_gpu, has_vllm=has_vllm) == chosen


def test_of_several_processes_none_chooses_by_itself(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")

    def all_there(*_: object, **__: object) -> str:
        return "vllm"

    monkeypatch.setattr(rollouts, "choose_rollouts", all_there)
    assert rollouts_here(job(model)) == "transformers"
    assert rollouts_here(job(model, rollouts="vllm")) == "vllm"


def test_asked_for_and_not_there_it_is_one_error_before_the_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"a GPU with CUDA .* and the package vllm .* and method 'lora' or 'full'"):
        choose_rollouts("vllm", "qlora", on_gpu=False, has_vllm=False)
    with pytest.raises(NotAvailable, match=r"rollouts 'vllm' needs a GPU .*: use rollouts 'transformers'"):
        reinforce(job(tmp_path / "no model at all", rollouts="vllm"), tmp_path)


def test_it_gets_what_the_training_leaves_up_to_what_is_of_use() -> None:
    training = use(process_gib=0.0).needed_gib

    def given(total_gib: float) -> float:
        alone = use(process_gib=0.0, available_gib=total_gib)
        found = memory.beside_vllm(alone, SHAPE, answers=8, answer_tokens=10_000, total_gib=total_gib)
        assert found.needed_gib == pytest.approx(training + found.vllm_gib)
        return found.vllm_gib

    # 2 bytes x 1e6 weights and 2 GiB; a token's cache is 2 bytes x 2 x 2 layers x 2 heads x 16 = 256 bytes
    least, for_all = 2 + (2e6 + 10_000 * 256) / GIB, 2 + (2e6 + 8 * 10_000 * 256) / GIB
    assert least < 2.03 - training < for_all
    assert given(1.0) == pytest.approx(least)
    assert given(2.03) == pytest.approx(2.03 - training)
    assert given(3.0) == pytest.approx(for_all)
    assert given(80.0) == pytest.approx(0.3 * 80)


def test_its_share_is_of_the_whole_gpu_and_never_more_than_was_set_aside(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollouts, "gpu_gib", lambda: 80.0)
    set_aside = use().model_copy(update={"vllm_gib": 7.0})
    found = vllm_arguments(job(model), set_aside)
    share = found.pop("vllm_gpu_memory_utilization")
    assert 0.0874 <= share <= 7 / 80
    assert found == {"use_vllm": True, "vllm_mode": "colocate", "vllm_max_model_length": 72}
    assert vllm_arguments(job(model, max_prompt_tokens=500), set_aside)["vllm_max_model_length"] == 128  # its context
    assert vllm_arguments(job(model), use()) == {}


def test_what_does_not_fit_beside_the_training_is_left_out_or_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rollouts, "gpu_gib", lambda: 2.0)
    alone = use(available_gib=2.0)
    assert with_vllm(job(model), alone, SHAPE) == alone
    assert "vLLM would need about 2.00 GiB beside the training's 0.52 of 2.00 free" in capsys.readouterr().out
    asked = with_vllm(job(model, rollouts="vllm"), alone, SHAPE)
    with pytest.raises(Correctable, match=r"vLLM 2\.00\) and 2\.00 GiB are free: set rollouts to 'transformers', or"):
        memory.refuse_what_cannot_fit(asked, "full", False)


def test_the_engine_is_part_of_what_decides_what_is_learned(model: Path) -> None:
    assert len({job(model, rollouts=engine).course for engine in ("auto", "transformers", "vllm")}) == 3


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [{"prompt": line["prompt"], "letter": "e"} for line in tiny.lines(20)]
    return tiny.shard(tmp_path_factory.mktemp("prompts") / "p.jsonl", lines)


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL finds a fake vLLM, and the machine seems to be one that has it."""
    from trl.generation import vllm_generation

    def vllm(_: GrpoJob) -> str:
        return "vllm"

    LAST.clear()
    monkeypatch.setattr(grpo, "rollouts_here", vllm)
    monkeypatch.setattr(rollouts, "gpu_gib", lambda: 16.0)
    monkeypatch.setattr(vllm_generation, "is_vllm_available", lambda: True)
    monkeypatch.setattr(vllm_generation, "LLM", FakeLLM, raising=False)
    monkeypatch.setattr(vllm_generation, "SamplingParams", FakeSamplingParams, raising=False)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):  # TRL sets them for vLLM
        monkeypatch.setenv(name, "0")
        monkeypatch.delenv(name)


def reinforced(given: GrpoJob, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    return dict(reinforce(given, folder))


@pytest.mark.usefixtures("faked")
@pytest.mark.parametrize("method", ["full", "lora"])
def test_trl_hands_each_steps_weights_to_the_engine_and_learns_from_its_answers(
    model: Path, prompts: Path, tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = reinforced(job(model, prompts, method=method), tmp_path / "job")
    (engine,) = LAST
    assert (found["rollouts"], found["steps"], found["stopped_by"]) == ("vllm", 3, "steps")
    assert "rollouts: vllm writes the answers" in capsys.readouterr().out
    assert engine.told["gpu_memory_utilization"] == pytest.approx(0.3, abs=1e-3)
    assert (engine.told["model"], engine.told["max_model_len"]) == (str(model), 72)
    assert engine.told["max_num_seqs"] == 8
    names = [name for name, _ in engine.model.named_parameters()]
    assert engine.handed == names * 3
    assert found["memory"]["vllm_gib"] == pytest.approx(4.8)


@pytest.mark.usefixtures("faked")
def test_an_engine_that_does_not_start_is_done_without_or_told_where_it_was_asked_for(
    model: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trl.generation import vllm_generation

    def refusing(**_: Any) -> None:
        raise ValueError("No available memory for the cache blocks")

    monkeypatch.setattr(vllm_generation, "LLM", refusing)
    with pytest.raises(ToolFailed, match="No available memory for the cache blocks; rollouts 'transformers'"):
        reinforce(job(model, prompts, rollouts="vllm"), tmp_path)
    open_choice = job(model, prompts, method="lora", kl_weight=0.1)
    found = reinforced(open_choice, tmp_path / "failed")
    assert (found["rollouts"], found["memory"]["vllm_gib"]) == ("transformers", 0)
    assert "vLLM did not start in the training's process: No available memory" in capsys.readouterr().out
    monkeypatch.setattr(grpo, "rollouts_here", rollouts_here)
    plain = reinforced(open_choice, tmp_path / "plain")
    assert (found["rewards"], found["curve"]) == (plain["rewards"], plain["curve"])
