# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
"""Weights in 8 bits for vLLM: rounded to the nearest, one scale an output, everything else as it was."""

import json
from pathlib import Path

import pytest
from stratos.state.errors import Correctable
from stratos.tools.serving.compressed import write_int8


def test_layers_are_rounded_and_the_rest_is_kept(model_dir: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    before, after = (
        load_file(model_dir / "model.safetensors"),
        load_file(write_int8(model_dir, tmp_path / "q") / "model.safetensors"),
    )
    name = "model.layers.0.mlp.up_proj.weight"
    scale = after[f"{name}_scale"]
    assert (after[name].dtype, scale.shape) == (torch.int8, (before[name].shape[0], 1))
    assert torch.allclose(scale[:, 0] * 127, before[name].abs().amax(dim=1))
    assert ((after[name].float() * scale - before[name]).abs() <= scale / 2 + 1e-7).all()
    assert torch.equal(after["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    assert torch.equal(after["model.norm.weight"], before["model.norm.weight"])


def test_the_folder_says_how_and_can_be_read_by_others(model_dir: Path, tmp_path: Path) -> None:
    at = write_int8(model_dir, tmp_path / "q")
    config = json.loads((at / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "compressed-tensors"
    assert config["hidden_size"] == json.loads((model_dir / "config.json").read_text())["hidden_size"]
    assert (at / "tokenizer.json").is_file()
    assert (at / "model.safetensors").stat().st_mode & 0o044
    with pytest.raises(Correctable, match=r"must hold one model\.safetensors, in floating point"):
        write_int8(at, tmp_path / "twice")
