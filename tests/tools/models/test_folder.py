"""Facts read from a model's folder: shapes, parameters from the headers alone, tokens, licence, and broken files."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from stratos.state.errors import Correctable
from stratos.tools.models.counting import count_parameters
from stratos.tools.models.folder import facts_of_folder

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 1,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 16,
    "vocab_size": 10,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}
TENSORS: dict[str, tuple[str, list[int]]] = {
    "model.embed_tokens.weight": ("BF16", [10, 8]),
    "model.layers.0.self_attn.q_proj.weight": ("BF16", [8, 8]),
    "model.layers.0.self_attn.k_proj.weight": ("BF16", [4, 8]),
    "model.layers.0.self_attn.v_proj.weight": ("BF16", [4, 8]),
    "model.layers.0.self_attn.o_proj.weight": ("BF16", [8, 8]),
    "model.layers.0.mlp.gate_proj.weight": ("BF16", [16, 8]),
    "model.layers.0.mlp.up_proj.weight": ("BF16", [16, 8]),
    "model.layers.0.mlp.down_proj.weight": ("BF16", [8, 16]),
    "model.layers.0.input_layernorm.weight": ("BF16", [8]),
    "model.layers.0.post_attention_layernorm.weight": ("BF16", [8]),
    "model.norm.weight": ("BF16", [8]),
}


def shard(path: Path, tensors: dict[str, tuple[str, list[int]]]) -> None:
    """A safetensors file with a header and no data, which nothing here reads."""
    header = {name: {"dtype": kind, "shape": size, "data_offsets": [0, 0]} for name, (kind, size) in tensors.items()}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "tiny-chat"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(CONFIG))
    shard(path / "model.safetensors", TENSORS)
    vocabulary = {"a": 0, "b": 1, "c": 2}
    tokenizer = {"model": {"vocab": vocabulary}, "added_tokens": [{"id": 2}, {"id": 3}]}
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    (path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ x }}", "tokenizer_class": "Tiny"}))
    (path / "README.md").write_text("---\nlicense: apache-2.0\ntags: [x]\n---\n# Tiny\n")
    return path


def test_a_folder_tells_its_shape_parameters_tokens_and_licence(folder: Path) -> None:
    facts = facts_of_folder(folder)
    assert (facts.name, facts.kind, facts.instruct, facts.licence) == ("tiny-chat", "open", True, "Apache-2.0")
    assert (facts.layers, facts.heads, facts.kv_heads, facts.head_dim, facts.padded_vocabulary) == (1, 2, 1, 4, 10)
    assert (facts.vocabulary, facts.context_tokens, facts.tokenizer, facts.path) == (4, 64, "Tiny", str(folder))
    assert facts.parameters == facts.active_parameters == count_parameters(facts) == 680


def test_an_output_embedding_counts_once_where_it_is_tied(folder: Path) -> None:
    shard(folder / "model.safetensors", {**TENSORS, "lm_head.weight": ("BF16", [10, 8])})
    assert facts_of_folder(folder).parameters == 680
    (folder / "config.json").write_text(json.dumps({**CONFIG, "tie_word_embeddings": False}))
    assert facts_of_folder(folder).parameters == 760


def test_a_config_that_does_not_say_is_completed_from_the_tensors(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({k: v for k, v in CONFIG.items() if k != "tie_word_embeddings"}))
    assert facts_of_folder(folder).tied_embeddings
    shard(folder / "model.safetensors", {**TENSORS, "lm_head.weight": ("BF16", [10, 8])})
    assert facts_of_folder(folder).tied_embeddings is False


def test_an_index_names_the_shards_and_buffers_do_not_count(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    half = dict(list(TENSORS.items())[:5])
    rest = {name: tensor for name, tensor in TENSORS.items() if name not in half}
    shard(folder / "model-00001-of-00002.safetensors", half)
    shard(folder / "model-00002-of-00002.safetensors", {**rest, "model.rotary_emb.inv_freq": ("F32", [2])})
    shard(folder / "model-old.safetensors", {"x": ("BF16", [1000])})
    names = {name: f"model-0000{1 if name in half else 2}-of-00002.safetensors" for name in TENSORS}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert facts_of_folder(folder).parameters == 680


def test_a_nested_config_and_a_mixture_are_understood(folder: Path) -> None:
    text = {**CONFIG, "num_local_experts": 4, "moe_intermediate_size": 5}
    (folder / "config.json").write_text(json.dumps({"model_type": "outer", "text_config": text}))
    facts = facts_of_folder(folder, name="me/tiny", roles=("student",), licence="MIT")
    assert (facts.name, facts.roles, facts.licence) == ("me/tiny", ("student",), "MIT")
    assert (facts.feed_forward, facts.active_parameters, facts.parameters) == (5, None, 680)


def test_a_folder_with_a_config_alone_tells_what_it_can(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"n_layer": 2, "n_embd": 8, "n_head": 2, "model_type": "gpt2"}))
    facts = facts_of_folder(tmp_path)
    assert (facts.layers, facts.kv_heads, facts.head_dim, facts.parameters) == (2, 2, 4, None)
    assert (facts.vocabulary, facts.licence, facts.instruct, facts.tied_embeddings) == (None, "unknown", False, None)


def test_a_quantised_folder_is_not_counted(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, "quantization_config": {"quant_method": "awq"}}))
    facts = facts_of_folder(folder)
    assert (facts.parameters, "quantised" in facts.notes) == (None, True)


def test_it_reads_what_transformers_writes(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {name: value for name, value in CONFIG.items() if name != "model_type"}
    model = LlamaForCausalLM(LlamaConfig(**sizes, bos_token_id=0, eos_token_id=1, pad_token_id=2))
    model.save_pretrained(tmp_path)  # pyright: ignore[reportUnknownMemberType]
    facts = facts_of_folder(tmp_path)
    assert facts.parameters == model.num_parameters() == count_parameters(facts)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", b"{", "is no JSON"),
        ("config.json", b"[1]", "holds no JSON object"),
        ("config.json", b'{"num_hidden_layers": "many"}', "layers 'many'"),
        ("model.safetensors", b"short", "no whole safetensors file"),
        ("model.safetensors", struct.pack("<Q", 2**62), "a header of 4611686018427387904 bytes"),
        ("model.safetensors", struct.pack("<Q", 3) + b"{x}", "no whole safetensors file"),
        ("tokenizer.json", b"\xff", "is no JSON"),
    ],
)
def test_a_broken_file_is_named(folder: Path, file: str, content: bytes, words: str) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(Correctable, match=file) as caught:
        facts_of_folder(folder)
    assert words in str(caught.value)


def test_a_folder_without_a_config_is_told(tmp_path: Path) -> None:
    with pytest.raises(Correctable, match=r"config\.json cannot be read"):
        facts_of_folder(tmp_path / "none")
