"""Checkpoints of some ten thousand weights with a trained byte-level BPE and a chat template, and sums to teach them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def lines(count: int, *, seed: int = 0) -> list[dict[str, str]]:
    """Sums of two digits."""
    rng = random.Random(seed)
    pairs = [(rng.randrange(10), rng.randrange(10)) for _ in range(count)]
    return [{"prompt": f"What is {a} plus {b}?", "completion": f"The sum is {a + b}."} for a, b in pairs]


def shard(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Writes a JSON-lines file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def checkpoint(
    folder: Path,
    *,
    kind: Literal["llama", "qwen2"] = "qwen2",
    dtype: str = "float32",
    seed: int = 0,
    context_tokens: int = 128,
) -> Path:
    """A model of two layers in Hugging Face format, as it would come from a hub."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    config: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": context_tokens,
        "tie_word_embeddings": True,
        "initializer_range": 0.1,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if kind == "llama":
        model: Any = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config))
    else:
        model = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**config))
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, max_new_tokens=16
    )
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def started(
    job: Mapping[str, Any], folder: Path, *, prefix: Sequence[str] = (), launcher: Sequence[str] = ()
) -> "subprocess.Popen[str]":
    """The job as a process of its own, as an executor starts it, or as several through a module that launches them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job, default=str))
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    words = [*prefix, sys.executable, "-P", *launcher, "-m", "stratos.tools.tuning", str(folder / "job.json")]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **quiet})


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend: Any = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    corpus = [f"{row['prompt']} {row['completion']}" for row in lines(200)]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=MARKS, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(corpus, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=MARKS[2], pad_token=MARKS[0])
    tokenizer.chat_template = CHATML
    return tokenizer
