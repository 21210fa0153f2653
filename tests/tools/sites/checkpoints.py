"""Tiny checkpoints with random weights, made on the spot: folders as someone else would give them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    EuroBertConfig,
    EuroBertForMaskedLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTForImageClassification,
)

SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


def tokenizer(texts: Sequence[str], **special: Any) -> PreTrainedTokenizerFast:
    """Byte-level BPE that begins every text with <s>; it has the special tokens that are named."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer: Any = trainers.BpeTrainer(
        vocab_size=330, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(iter(texts), trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", **special)


def decoder(folder: Path, texts: Sequence[str], *, keys: int = 2, **special: str) -> Path:
    """Llama: tied embeddings, two queries on each key head; its own settings draw answers by chance."""
    torch.manual_seed(0)
    config = LlamaConfig(
        **SIZES,
        num_key_value_heads=keys,
        vocab_size=340,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=1,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    model.generation_config.do_sample = True
    model.generation_config.temperature = 3.0
    return _saved(folder, model, tokenizer(texts, **(special or {"eos_token": "</s>"})))


def encoder(folder: Path, texts: Sequence[str]) -> Path:
    """EuroBERT, with the head that it was trained with."""
    torch.manual_seed(0)
    ids = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "mask_token_id"), 1)
    config = EuroBertConfig(**SIZES, **ids, num_key_value_heads=4, vocab_size=340, max_position_embeddings=64)
    return _saved(folder, EuroBertForMaskedLM(config), tokenizer(texts, pad_token="</s>"))


def bert(folder: Path, texts: Sequence[str]) -> Path:
    """One that cannot be cut."""
    return _saved(folder, BertModel(BertConfig(**SIZES, vocab_size=340)), tokenizer(texts, pad_token="</s>"))


def vision(folder: Path) -> Path:
    """A classifier of pictures of 8 x 8."""
    torch.manual_seed(0)
    config = ViTConfig(**SIZES, image_size=8, patch_size=2, num_channels=1)
    return _saved(folder, ViTForImageClassification(config), None)


def _saved(folder: Path, model: Any, tokenizer: PreTrainedTokenizerFast | None) -> Path:
    model.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder
