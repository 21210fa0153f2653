# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
"""Writes a model with weights of 8 bits as torchao lays them out, which vLLM and transformers load; and writes them out in float again.

Weights of the layers are rounded to int8, one scale for each output; inputs stay in floating point (W8A16, "weight only"), so that an
answer is the same, whoever multiplies, but for the order of sums. Embeddings and head stay as they are. Why torchao: vLLM's build for
CPUs multiplies compressed-tensors' weights of 8 bits with inputs of 8 bits alone, whose rounding no two programs do alike (182 of 200
answers the same), and has no kernel for weights of 4 bits in float32. torchao itself is not needed to write it.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...state.errors import Correctable

WEIGHTS = "model.safetensors"
LARGEST = 127
"""Of a symmetric int8: -128 is left unused."""
PACKAGE = "torchao"
"""What must be installed beside vLLM or transformers; tried: 0.18.0."""
PARTS = ("qdata", "scale", "zero_point")
"""Of a weight NAME.weight: tensors NAME._weight_PART."""

QUANTISATION: dict[str, Any] = {
    "quant_method": PACKAGE,
    "quant_type": {
        "default": {
            "_type": "Int8WeightOnlyConfig",
            "_version": 2,
            "_data": {
                "group_size": None,
                "granularity": {"_type": "PerRow", "_version": 1, "_data": {"dim": -1}},
                "set_inductor_config": True,
            },
        }
    },
    "modules_to_not_convert": ["lm_head"],
    "include_input_output_embeddings": False,
}
"""Of config.json, as transformers' TorchAoConfig writes it for an Int8WeightOnlyConfig of torchao."""


def write_int8(model_dir: Path, target: Path) -> Path:
    """Writes the model of a folder, with its tokenizer and settings, into a new folder. Raises Correctable where its weights are
    in several files, or in few bits already."""
    import torch
    from safetensors.torch import load_file

    config = _config(model_dir)
    if not (model_dir / WEIGHTS).is_file() or "quantization_config" in config:
        raise Correctable(f"{str(model_dir)!r} cannot be made int8: it must hold one {WEIGHTS}, in floating point")
    written: dict[str, Any] = {}
    told: dict[str, str] = {}
    for name, weight in load_file(model_dir / WEIGHTS).items():
        if weight.dim() != 2 or ".layers." not in name:
            written[name], told[name] = weight, json.dumps({"_type": "Tensor"})
            continue
        scale = (weight.float().abs().amax(dim=1, keepdim=True) / LARGEST).clamp(min=1e-8).to(weight.dtype)
        rounded = (weight.float() / scale.float()).round().clamp(-LARGEST, LARGEST).to(torch.int8)
        tensors = (rounded, scale, torch.zeros(scale.shape, dtype=torch.int8))
        written |= {_part(name, part): tensor for part, tensor in zip(PARTS, tensors, strict=True)}
        told[name] = _told(weight.shape[1], str(weight.dtype).removeprefix("torch."))
    _write(model_dir, target, written, {**told, "tensor_names": json.dumps(list(told))}, QUANTISATION)
    return target


def written_out(int8_dir: Path, target: Path) -> Path:
    """A model of `write_int8` with its rounded weights in float32, in a new folder: the same answers by any program, in four times the
    bytes."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(int8_dir / WEIGHTS, framework="pt") as file:
        names: list[str] = json.loads(file.metadata()["tensor_names"])
    found = load_file(int8_dir / WEIGHTS)
    written = {
        name: found[_part(name, "qdata")].float() * found[_part(name, "scale")].float()
        if _part(name, "qdata") in found
        else found[name].float()
        for name in names
    }
    _write(int8_dir, target, written, {}, None)
    return target


def _part(name: str, part: str) -> str:
    """A tensor's name in the file, of a weight's: a.weight's scale is a._weight_scale."""
    module, _, weight = name.rpartition(".")
    return f"{module}._{weight}_{part}"


def _told(inputs: int, dtype: str) -> str:
    """Of one rounded weight, what torchao reads in the file's header."""
    data = {
        "act_quant_kwargs": None,
        "reduce_range": False,
        "block_size": [1, inputs],
        "dtype": {"_type": "torch.dtype", "_data": dtype},
    }
    return json.dumps({"_type": "Int8Tensor", "_data": data, "_tensor_data_names": list(PARTS)})


def _write(
    model_dir: Path,
    target: Path,
    tensors: dict[str, Any],
    metadata: dict[str, str],
    quantisation: Mapping[str, Any] | None,
) -> None:
    """The folder, its other files copied; without a quantisation in float32."""
    from safetensors.torch import save_file

    target.mkdir(parents=True)
    for path in model_dir.iterdir():
        if path.is_file() and path.suffix != ".safetensors" and not path.name.startswith("."):
            shutil.copyfile(path, target / path.name)
    save_file(tensors, target / WEIGHTS, metadata={"format": "pt", **metadata})
    _put_in_order(target / WEIGHTS)
    (target / WEIGHTS).chmod(0o644)  # safetensors are written 0600: a server under another user could not read them
    config = {name: value for name, value in _config(model_dir).items() if name != "quantization_config"}
    config |= {"dtype": "float32"} if quantisation is None else {"quantization_config": quantisation}
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _put_in_order(path: Path) -> None:
    """Sorts the notes of a file's header, which safetensors writes in another order each time: the same weights would have many hashes."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        sorted_one = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        assert len(sorted_one) == size
        file.seek(8)
        file.write(sorted_one)


def _config(model_dir: Path) -> dict[str, Any]:
    return json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
