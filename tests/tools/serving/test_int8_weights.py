# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
"""Weights in 8 bits for vLLM: rounded to the nearest, one scale an output, everything else as it was, and written out again."""

import json
from pathlib import Path

import pytest
from stratos.state.errors import Correctable
from stratos.tools.serving.int8_weights import write_int8, written_out

NAME = "model.layers.0.mlp.up_proj.weight"
QDATA, SCALE, ZERO = (f"model.layers.0.mlp.up_proj._weight_{part}" for part in ("qdata", "scale", "zero_point"))


def test_layers_are_rounded_and_the_rest_is_kept(model_dir: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    before, after = (
        load_file(model_dir / "model.safetensors"),
        load_file(write_int8(model_dir, tmp_path / "q") / "model.safetensors"),
    )
    scale = after[SCALE]
    assert NAME not in after
    assert (after[QDATA].dtype, scale.shape) == (torch.int8, (before[NAME].shape[0], 1))
    assert torch.allclose(scale[:, 0] * 127, before[NAME].abs().amax(dim=1))
    assert ((after[QDATA].float() * scale - before[NAME]).abs() <= scale / 2 + 1e-7).all()
    assert not after[ZERO].any()
    assert torch.equal(after["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    assert torch.equal(after["model.norm.weight"], before["model.norm.weight"])


def test_the_header_says_of_every_weight_what_torchao_reads_there(model_dir: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    with safe_open(write_int8(model_dir, tmp_path / "q") / "model.safetensors", framework="pt") as file:
        told, stored = file.metadata(), set(file.keys())
        columns = file.get_slice(QDATA).get_shape()[1]
    names = json.loads(told["tensor_names"])
    kinds = {name: json.loads(told[name]) for name in names}
    assert kinds["model.norm.weight"] == {"_type": "Tensor"}
    assert (kinds[NAME]["_type"], kinds[NAME]["_data"]["block_size"]) == ("Int8Tensor", [1, columns])
    assert kinds[NAME]["_data"]["dtype"]["_data"] == "float32"
    parts = {name: kind.get("_tensor_data_names") for name, kind in kinds.items()}
    wanted = {f"{n.removesuffix('weight')}_weight_{part}" for n, found in parts.items() for part in found or ()}
    assert stored == wanted | {name for name, found in parts.items() if not found}


def test_the_same_weights_have_one_hash(model_dir: Path, tmp_path: Path) -> None:
    made = {(write_int8(model_dir, tmp_path / f"{n}") / "model.safetensors").read_bytes() for n in range(4)}
    assert len(made) == 1


def test_the_folder_says_how_and_can_be_read_by_others(model_dir: Path, tmp_path: Path) -> None:
    at = write_int8(model_dir, tmp_path / "q")
    config = json.loads((at / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "torchao"
    assert config["hidden_size"] == json.loads((model_dir / "config.json").read_text())["hidden_size"]
    assert (at / "tokenizer.json").is_file()
    assert (at / "model.safetensors").stat().st_mode & 0o044
    with pytest.raises(Correctable, match=r"must hold one model\.safetensors, in floating point"):
        write_int8(at, tmp_path / "twice")


def test_what_is_written_out_has_the_rounded_weights_under_their_own_names(model_dir: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    int8 = write_int8(model_dir, tmp_path / "q")
    stored = load_file(int8 / "model.safetensors")
    at = written_out(int8, tmp_path / "float")
    assert load_file(at / "model.safetensors").keys() == load_file(model_dir / "model.safetensors").keys()
    loaded = AutoModelForCausalLM.from_pretrained(at).state_dict()[NAME]
    assert torch.equal(loaded, stored[QDATA].float() * stored[SCALE])
