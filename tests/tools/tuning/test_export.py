"""What a tuning leaves: adapters merged to within rounding, and folders that any tool under any user loads."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from stratos.tools.tuning.specs import TuneJob
from stratos.tools.tuning.tune import tune

from . import tiny

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*gradient_checkpointing:FutureWarning"
)  # PEFT 0.21 with transformers 5.23

TOLERANCE = 1e-4
"""Of logits of about 10, in float32: the product is rounded once more when it is added to the weights."""


def tuned(folder: Path, model: Path, shard: Path) -> dict[str, Any]:
    folder.mkdir()
    job = TuneJob(
        model=model, shards=(shard,), method="lora", learning_rate=1e-2, batch_tokens=512, max_sequence_tokens=64
    )
    return dict(tune(job, folder))


def logits(model: Any) -> Any:
    ids = torch.arange(40).reshape(2, 20) * 7 % 250
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_the_merged_model_answers_as_base_and_adapter(
    sums: Path, tmp_path: Path, kind: Literal["qwen2", "llama"]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = tiny.checkpoint(tmp_path / "base", kind=kind)
    found = tuned(tmp_path / "a", base, sums)
    whole: Any = AutoModelForCausalLM.from_pretrained(found["model"])
    plain: Any = AutoModelForCausalLM.from_pretrained(base)
    before = logits(plain)
    beside = logits(PeftModel.from_pretrained(plain, found["adapter"]))
    assert float((logits(whole) - beside).abs().max()) < TOLERANCE
    assert float((logits(whole) - before).abs().max()) > 0.1


def test_a_sixteen_bit_checkpoint_stays_one(sums: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    found = tuned(tmp_path / "a", tiny.checkpoint(tmp_path / "base", dtype="bfloat16"), sums)
    stored = load_file(Path(found["model"]) / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.bfloat16}
    assert json.loads((Path(found["model"]) / "config.json").read_text())["dtype"] == "bfloat16"


def test_tokenizer_template_and_generation_settings_go_with_it(model: Path, sums: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    found = tuned(tmp_path / "a", model, sums)
    tokenizer: Any = AutoTokenizer.from_pretrained(found["model"])
    settings = GenerationConfig.from_pretrained(found["model"])
    assert tokenizer.chat_template == tiny.CHATML
    assert (settings.eos_token_id, settings.max_new_tokens) == (tokenizer.eos_token_id, 16)
    assert json.loads((Path(found["model"]) / "config.json").read_text())["use_cache"] is True


def test_another_user_can_read_every_file(model: Path, sums: Path, tmp_path: Path) -> None:
    found = tuned(tmp_path / "a", model, sums)
    modes = {path.stat().st_mode & 0o777 for name in ("model", "adapter") for path in Path(found[name]).iterdir()}
    assert modes == {0o644}


def test_the_cpu_engine_serves_it(model: Path, sums: Path, tmp_path: Path) -> None:
    from stratos.tools.tuning.answers import answers

    found = Path(tuned(tmp_path / "a", model, sums)["model"])
    prompts = [line["prompt"] for line in tiny.lines(12, seed=5)]
    assert answers(found, prompts, max_tokens=12, engine="ctranslate2") == answers(found, prompts, max_tokens=12)
