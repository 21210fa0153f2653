# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
"""Writes a model in 8 bits in the format `compressed-tensors`, which vLLM serves on CPUs and GPUs and transformers loads.

Weights of the layers are rounded to int8, one scale for each output; inputs are rounded by vLLM as they come, one scale for each
token (W8A8, as LLM.int8 and SmoothQuant name it, without their care for outliers). Embeddings and head stay as they are. It measures
nothing: ctranslate2's int8 is another rounding, and what `tools/quantising.py` says of that holds for that alone.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from ...state.errors import Correctable

WEIGHTS = "model.safetensors"
LARGEST = 127
"""Of a symmetric int8: -128 is left unused."""

QUANTISATION: dict[str, Any] = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False},
            "input_activations": {
                "num_bits": 8,
                "type": "int",
                "symmetric": True,
                "strategy": "token",
                "dynamic": True,
            },
        }
    },
}
"""As llm-compressor writes it for its scheme W8A8."""


def write_int8(model_dir: Path, target: Path) -> Path:
    """Writes the model of a folder, with its tokenizer and settings, into a new folder. Raises Correctable where its weights are
    in several files, or in few bits already."""
    import torch
    from safetensors.torch import load_file, save_file

    config: dict[str, Any] = json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
    if not (model_dir / WEIGHTS).is_file() or "quantization_config" in config:
        raise Correctable(f"{str(model_dir)!r} cannot be made int8: it must hold one {WEIGHTS}, in floating point")
    target.mkdir(parents=True)
    for path in model_dir.iterdir():
        if path.is_file() and path.suffix != ".safetensors" and not path.name.startswith("."):
            shutil.copy(path, target / path.name)
    written: dict[str, Any] = {}
    for name, weight in load_file(model_dir / WEIGHTS).items():
        if weight.dim() != 2 or ".layers." not in name:
            written[name] = weight
            continue
        scale = (weight.float().abs().amax(dim=1, keepdim=True) / LARGEST).clamp(min=1e-8)
        written[name] = (weight.float() / scale).round().clamp(-LARGEST, LARGEST).to(torch.int8)
        written[f"{name}_scale"] = scale.to(weight.dtype)
    save_file(written, target / WEIGHTS, metadata={"format": "pt"})
    (target / WEIGHTS).chmod(0o644)  # safetensors are written 0600: a server under another user could not read them
    config["quantization_config"] = QUANTISATION
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return target
