"""Tokenizers and models made on the spot: byte-level BPE of a few hundred tokens, word level, and Llamas of one layer."""

# pyright: reportUnknownMemberType=false

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stratos.state.model_facts import ModelFacts
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

CORPUS = (
    "the cat sat on the mat and the dog sat on the cat",
    "what is 12 times 11? it is 132",
    "the answer is yes or no",
)
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def merges(count: int) -> list[tuple[str, str]]:
    """The first merges of a byte-level BPE: the most frequent neighbours of the corpus, again and again."""
    cutter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [list(word) for text in CORPUS for word, _ in cutter.pre_tokenize_str(text)]
    found: list[tuple[str, str]] = []
    for _ in range(count):
        pairs = [pair for word in words for pair in itertools.pairwise(word)]
        best = min(set(pairs), key=lambda pair: (-pairs.count(pair), pair))
        found.append(best)
        words = [_merged(word, best) for word in words]
    return found


def bpe(count: int = 30, added: Sequence[str] = MARKS, *, reverse: bool = False) -> Tokenizer:
    """A byte-level BPE with so many merges; `reverse` gives its ordinary tokens the opposite ids."""
    pairs = merges(count)
    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(one + other for one, other in pairs)]
    ids = {piece: at for at, piece in enumerate(reversed(pieces) if reverse else pieces)}
    made: Any = Tokenizer(models.BPE(vocab=ids, merges=pairs))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(added))
    return made


def words(*vocabulary: str) -> Tokenizer:
    """A word-level tokenizer."""
    ids = {word: at for at, word in enumerate(("<unk>", "<eos>", *vocabulary))}
    made: Any = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["<unk>", "<eos>"])
    return made


def folder(path: Path, tokenizer: Tokenizer, settings: Mapping[str, object] | None = None, stop: object = None) -> Path:
    """A model's folder without weights."""
    path.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path / "tokenizer.json"))
    (path / "tokenizer_config.json").write_text(json.dumps(settings or {}))
    if stop is not None:
        (path / "generation_config.json").write_text(json.dumps({"eos_token_id": stop}))
    return path


def facts(name: str, **changes: Any) -> ModelFacts:
    """A catalogue entry."""
    values: dict[str, Any] = {
        "name": name,
        "kind": "open",
        "roles": ("teacher", "student"),
        "family": "tiny",
        "instruct": True,
        "licence": "Apache-2.0",
        "released": "2026-01",
        "source": "made for a test",
    }
    return ModelFacts(**{**values, **changes})


def llama(rows: int, *, hidden: int = 32, seed: int = 0) -> Any:
    """A Llama of one layer with so many embedding rows."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)  # several tests share the machine
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=rows,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=None,
    )
    return LlamaForCausalLM(config)


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out
