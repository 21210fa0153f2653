"""Leaves a tuned model as any tool can load it: weights everyone may read, tokenizer, chat template and generation settings."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .keeping import written

MODEL_FOLDER, ADAPTER_FOLDER, BEST_FOLDER = "model", "adapter", "best"
"""The whole tuned model; its adapter alone; and the weights with the lowest validation loss so far."""

GO_ON = "only the export is done again"


def save_whole(target: Path, model: Any, tokenizer: Any, base: Path) -> None:
    """The model in the data type that its checkpoint had, adapters merged into it. The given model is used up."""
    import torch

    if hasattr(model, "merge_and_unload"):
        model = merged(model, base, target.with_name(ADAPTER_FOLDER))
    dtype = getattr(torch, stored_dtype(base))
    model.to(dtype)
    model.config.dtype = dtype
    model.config.use_cache = True
    _save(target, lambda folder: (model.save_pretrained(folder), tokenizer.save_pretrained(folder)), GO_ON)


def save_adapter(target: Path, model: Any, tokenizer: Any) -> None:
    """The adapter in PEFT's format; it names the folder of its base model."""
    _save(target, lambda folder: (model.save_pretrained(folder), tokenizer.save_pretrained(folder)), GO_ON)


def save_best(target: Path, model: Any) -> None:
    """The weights alone, in place of those before."""
    _save(target, model.save_pretrained, "it continues from its last checkpoint")


def merged(model: Any, base: Path, adapter: Path) -> Any:
    """The base model with the adapter's product added to its weights, in float32.

    Weights in four bits cannot take the sum: the base is loaded again in bfloat16 and the saved adapter added to it.
    """
    import torch

    if getattr(model.config, "quantization_config", None) is None:
        return model.to(torch.float32).merge_and_unload()
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    whole: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16, local_files_only=True)
    return PeftModel.from_pretrained(whole, adapter).merge_and_unload()


def stored_dtype(base: Path) -> str:
    """The data type of the checkpoint's weights, by its config; float32 where it says nothing."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    found = config.get("dtype") or config.get("torch_dtype")
    return found if found in ("float32", "float16", "bfloat16") else "float32"


def _save(target: Path, save: Callable[[Path], object], go_on: str) -> None:
    """Writes beside the target and swaps, so that a folder of that name is always a whole one."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with written(partial, go_on):
        save(partial)
        for path in partial.iterdir():
            path.chmod(0o644)  # safetensors are written 0600: a server under another user could not read them
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
