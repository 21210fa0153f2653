"""Facts of a model that lies on this machine, read from its Hugging Face folder without loading it or torch."""

import json
import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from ...state.errors import Correctable
from ...state.model_facts import ModelFacts, Role
from .licences import known_licence

_WEIGHTS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
_BUFFERS = ("rotary_emb.inv_freq", "attention.bias", "masked_bias")
"""Tables that old checkpoints store beside their weights."""

_HEADER_LIMIT = 100 * 2**20
"""Bytes of a safetensors header; the format's own limit."""

_NAMES = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "heads": ("num_attention_heads", "n_head"),
    "kv_heads": ("num_key_value_heads",),
    "head_dim": ("head_dim",),
    "feed_forward": ("moe_intermediate_size", "intermediate_size", "ffn_dim", "n_inner"),
    "padded_vocabulary": ("vocab_size",),
    "context_tokens": ("max_position_embeddings", "n_positions"),
}


def facts_of_folder(
    path: Path,
    *,
    name: str | None = None,
    roles: tuple[Role, ...] = ("student", "teacher"),
    licence: str | None = None,
) -> ModelFacts:
    """The facts that a folder with config.json tells: shape, parameters from the headers of its safetensors, tokens of tokenizer.json.

    The licence is the model card's where none is given, else 'unknown'. Raises Correctable when there is no config.json or a file in the
    folder cannot be read.
    """
    config = _json(path / "config.json", "a Hugging Face model folder holds one")
    text = config.get("text_config")
    shape = {**config, **cast("dict[str, Any]", text)} if isinstance(text, dict) else config
    values: dict[str, Any] = {field: _first(shape, keys) for field, keys in _NAMES.items()}
    if values["heads"]:
        values["kv_heads"] = values["kv_heads"] or values["heads"]
        values["head_dim"] = values["head_dim"] or (values["hidden"] or 0) // values["heads"] or None
    tensors = _tensors(path)
    tied = _tied(shape, tensors)
    parameters = None if config.get("quantization_config") else _parameters(tensors, bool(tied))
    try:
        return ModelFacts(
            **values,
            name=name or path.resolve().name,
            kind="open",
            roles=roles,
            family=str(shape.get("model_type") or "unknown"),
            instruct=_has_chat_template(path),
            parameters=parameters,
            active_parameters=parameters if not _is_mixture(shape) else None,
            tied_embeddings=tied,
            vocabulary=_tokens(path),
            tokenizer=str(_optional(path / "tokenizer_config.json").get("tokenizer_class") or ""),
            licence=licence or _card_licence(path) or "unknown",
            source="its own config.json",
            notes="quantised: its parameters were not counted" if config.get("quantization_config") else "",
            path=str(path.resolve()),
        )
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))} {one['input']!r}: {one['msg']}" for one in error.errors())
        raise Correctable(f"{path / 'config.json'} is no shape of a model: {wrong}") from error


def _json(path: Path, why: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Correctable(f"{path} cannot be read ({error.strerror or error}); {why}") from error
    except ValueError as error:
        raise Correctable(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Correctable(f"{path} holds no JSON object")
    return cast("dict[str, Any]", found)


def _optional(path: Path) -> dict[str, Any]:
    return _json(path, "") if path.is_file() else {}


def _first(config: Mapping[str, Any], keys: tuple[str, ...]) -> object:
    return next((config[key] for key in keys if config.get(key) is not None), None)


def _is_mixture(shape: Mapping[str, Any]) -> bool:
    return bool(_first(shape, ("num_experts", "num_local_experts", "n_routed_experts")))


def _tensors(path: Path) -> dict[str, tuple[str, int]]:
    """Kind and size of every tensor in the folder's safetensors files, by name; those that an index names, where there is one."""
    index = path / "model.safetensors.index.json"
    if index.is_file():
        shards = {path / str(file) for file in _json(index, "").get("weight_map", {}).values()}
    else:
        shards = set(path.glob("model*.safetensors")) or set(path.glob("*.safetensors"))
    tensors: dict[str, tuple[str, int]] = {}
    for shard in sorted(shards):
        for tensor, entry in _header(shard).items():
            if tensor != "__metadata__":
                tensors[tensor] = (str(entry["dtype"]), math.prod(entry["shape"]))
    return tensors


def _header(shard: Path) -> dict[str, Any]:
    """The header of a safetensors file: 8 bytes of its length, little endian, then JSON. Source: the format's README."""
    try:
        with shard.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(_HEADER_LIMIT, shard.stat().st_size):
                raise ValueError(f"a header of {length} bytes")
            return json.loads(file.read(length))
    except OSError as error:
        raise Correctable(f"{shard} cannot be read ({error.strerror or error})") from error
    except (ValueError, struct.error) as error:
        raise Correctable(f"{shard} is no whole safetensors file: {error}") from error


def _tied(shape: Mapping[str, Any], tensors: Mapping[str, object]) -> bool | None:
    stated = shape.get("tie_word_embeddings")
    if isinstance(stated, bool):
        return stated
    return not any(tensor.endswith("lm_head.weight") for tensor in tensors) if tensors else None


def _parameters(tensors: Mapping[str, tuple[str, int]], tied: bool) -> int | None:
    """All weights; an output embedding stored beside the input's that it is tied to counts once."""
    return (
        sum(
            size
            for tensor, (kind, size) in tensors.items()
            if kind in _WEIGHTS
            and not tensor.endswith(_BUFFERS)
            and not (tied and tensor.endswith("lm_head.weight") and len(tensors) > 1)
        )
        or None
    )


def _tokens(path: Path) -> int | None:
    tokenizer = _optional(path / "tokenizer.json")
    vocabulary: object = cast("dict[str, Any]", tokenizer.get("model") or {}).get("vocab")
    if isinstance(vocabulary, dict):
        ids = set(cast("dict[str, int]", vocabulary).values())
    elif isinstance(vocabulary, list):
        ids = set(range(len(cast("list[object]", vocabulary))))
    else:
        return None
    added = cast("list[dict[str, int]]", tokenizer.get("added_tokens") or [])
    return len(ids | {token["id"] for token in added}) or None


def _has_chat_template(path: Path) -> bool:
    return (path / "chat_template.jinja").is_file() or bool(
        _optional(path / "tokenizer_config.json").get("chat_template")
    )


def _card_licence(path: Path) -> str | None:
    """The licence that the front matter of the folder's README names, as the catalogue writes it."""
    card = path / "README.md"
    if not card.is_file():
        return None
    front = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    named = dict(re.findall(r"^(license|license_name):\s*(\S+)\s*$", front[1] if front else "", re.MULTILINE))
    tag = named.get("license_name") if named.get("license") in (None, "other") else named["license"]
    if not tag:
        return None
    known = known_licence(tag)
    return known.name if known else tag
