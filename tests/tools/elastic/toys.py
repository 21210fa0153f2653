"""Tiny models of three kinds with random weights: a decoder with shared key heads, a classifier of images, a classifier of texts."""

# pyright: reportUnknownMemberType=false

from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlamaForSequenceClassification,
    Qwen3Config,
    Qwen3ForCausalLM,
    ViTConfig,
    ViTForImageClassification,
)


def decoder() -> tuple[Any, dict[str, Any]]:
    """Four query heads on two key heads, three layers; and a batch."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=40,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=20,
        max_position_embeddings=32,
        attention_bias=True,
        tie_word_embeddings=True,
        pad_token_id=0,
    )
    model = Qwen3ForCausalLM(config).eval()
    return model, {"input_ids": torch.randint(1, 40, (5, 7))}


def images() -> tuple[Any, dict[str, Any]]:
    """Four heads, four layers; and a batch of 8 x 8 pixels."""
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=8,
        patch_size=2,
        num_channels=1,
        num_labels=10,  # pyright: ignore[reportCallIssue]
    )
    model = ViTForImageClassification(config).eval()
    return model, {"pixel_values": torch.randn(6, 1, 8, 8)}


def texts() -> tuple[Any, dict[str, Any]]:
    """A head for each key head, four layers; and a batch of padded texts."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=48,
        max_position_embeddings=32,
        num_labels=5,  # pyright: ignore[reportCallIssue]
        pad_token_id=0,
    )
    model = LlamaForSequenceClassification(config).eval()
    ids = torch.randint(1, 40, (6, 9))
    ids[0, 5:] = 0
    return model, {"input_ids": ids, "attention_mask": (ids != 0).long()}


TOYS = {"decoder": decoder, "images": images, "texts": texts}
