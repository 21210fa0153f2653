# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
"""From a Hugging Face model folder to ctranslate2's format: once per content of the folder, atomic, and checked."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Literal

from ...state.errors import Correctable, ToolFailed

CACHE_FOLDER = ".ctranslate2"
Precision = Literal["float32", "int8"]
"""Of the weights: ctranslate2 has no other on every CPU."""

FORMAT = "ctranslate2-{}-1"
CHECK_TOKENS = 12
LOG_PROB_TOLERANCE = 2e-2
"""Largest difference of any log probability between the two engines; 1e-4 is usual in fp32, a wrong rotary base gives
whole units. Wider than usual because kernels differ from machine to machine."""


def fingerprint(model_dir: Path, precision: Precision = "float32") -> str:
    """SHA-256 over the names and bytes of the files that decide what the model answers. Raises Correctable."""
    if not (model_dir / "config.json").is_file():
        raise Correctable(f"no model in {str(model_dir)!r}: it has no config.json")
    names = sorted(p for p in model_dir.iterdir() if p.suffix in {".json", ".jinja", ".safetensors"})
    digest = hashlib.sha256(FORMAT.format(precision).encode())
    for path in names:
        with path.open("rb") as file:  # never whole in memory: weights may be larger than what is free
            digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def converted(model_dir: Path, cache: Path | None = None, precision: Precision = "float32") -> Path:
    """The folder of the converted model, made now where it is missing. Raises Correctable, ToolFailed.

    The cache lies inside the model's folder, so that it goes when the model goes. What int8 answers differently is not looked at.
    """
    target = (cache or model_dir / CACHE_FOLDER) / fingerprint(model_dir, precision)[:32]
    if target.is_dir():
        return target
    # Not tempfile.mkdtemp: its mode 0700 would stay with the renamed folder and lock other users out.
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        _convert(model_dir, partial, precision)
        if precision == "float32":
            _check(model_dir, partial)
        _publish(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _publish(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        if not target.is_dir():  # a folder there now is another process's conversion of the same bytes
            raise


def _convert(model_dir: Path, target: Path, precision: Precision) -> None:
    from ctranslate2.converters import TransformersConverter
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        TransformersConverter(str(model_dir)).convert(str(target), quantization=precision, force=True)
    except (
        ValueError,
        NotImplementedError,
        ImportError,
    ) as error:  # the last: weights in few bits, whose package is not here
        raise ToolFailed(f"{str(model_dir)!r} cannot be converted for the CPU engine: {error}") from error


def _check(model_dir: Path, target: Path) -> None:
    """Compares log probabilities with transformers: a converter ignores, silently, a setting it does not know."""
    import ctranslate2
    import numpy as np
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    generator = ctranslate2.Generator(str(target), compute_type="float32", intra_threads=1)
    ids = [(7 * i + 1) % model.config.vocab_size for i in range(CHECK_TOKENS)]
    with torch.no_grad():
        wanted = model(torch.tensor([ids])).logits[0].log_softmax(-1).numpy()
    got = np.array(generator.forward_batch([ids], return_log_probs=True))[0]
    gap = float(np.abs(wanted - got).max())
    if not gap <= LOG_PROB_TOLERANCE:
        raise ToolFailed(f"the converted {str(model_dir)!r} answers differently: log probabilities differ by {gap:.3g}")
