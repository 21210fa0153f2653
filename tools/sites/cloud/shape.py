"""The shape of a backbone that is built from scratch; apart from `backbone`, which imports torch."""

from pydantic import Field

from ....state.brief import Record


class Shape(Record):
    """EuroBERT's for labels of texts (arXiv 2503.05500), Qwen3's (arXiv 2505.09388) for texts that answer texts, a vision transformer's
    for images."""

    hidden: int = Field(default=128, gt=0)
    layers: int = Field(default=4, gt=0)
    heads: int = Field(default=4, gt=0)
    feed_forward: int = Field(default=256, gt=0)
    vocabulary: int = Field(
        default=1500,
        ge=258,
        description="of the texts' tokenizer, byte-level BPE from the public texts: no text of any site is unknown to it",
    )
    max_tokens: int = Field(default=64, gt=0)
    patch: int = Field(default=2, gt=0, description="pixels a side")
