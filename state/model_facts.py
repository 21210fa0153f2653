"""What is known of one model. It states facts and their sources; it says nothing of how good a model is at a user's task."""

from typing import Literal

from pydantic import Field

from .brief import Record

Kind = Literal["open", "api"]
Role = Literal["student", "teacher"]
Benchmark = Literal["gsm8k", "math", "mmlu", "ifeval"]


class Score(Record):
    """One published benchmark figure. Two models' figures compare only as far as their sources' set-ups do."""

    value: float = Field(ge=0, le=1, description="share right")
    setup: str = Field(default="", description="shots and variant as the source states it, such as '4-shot CoT'")
    source: str = Field(description="where it is published: a paper's identifier, a model card, a repository")


class ModelFacts(Record):
    """One model: an open one by its architecture, one behind an API by its prices."""

    name: str = Field(description="hub id of an open model, 'provider/model' of one behind an API; unique")
    kind: Kind
    roles: tuple[Role, ...] = Field(description="what it may be planned as")
    family: str = Field(description="such as 'Qwen3'; models of one family share a recipe, not always a tokenizer")
    instruct: bool = Field(description="tuned to follow instructions; false: a base model")
    parameters: int | None = Field(
        default=None, gt=0, description="all weights, embeddings included; null: not published"
    )
    active_parameters: int | None = Field(
        default=None,
        gt=0,
        description="weights read for one token; equals `parameters` where it is no mixture of experts",
    )
    layers: int | None = Field(default=None, gt=0)
    hidden: int | None = Field(default=None, gt=0)
    heads: int | None = Field(default=None, gt=0, description="query heads")
    kv_heads: int | None = Field(default=None, gt=0)
    head_dim: int | None = Field(default=None, gt=0)
    feed_forward: int | None = Field(default=None, gt=0, description="of one dense layer, or of one expert")
    vocabulary: int | None = Field(default=None, gt=0, description="tokens that the tokenizer has, added ones included")
    padded_vocabulary: int | None = Field(
        default=None, gt=0, description="rows of the embedding: `vocab_size` of its config"
    )
    tied_embeddings: bool | None = None
    tokenizer: str = Field(default="", description="family of the tokenizer; a hint only, pairs are compared on text")
    context_tokens: int | None = Field(default=None, gt=0)
    licence: str = Field(description="SPDX identifier where there is one, else the licence's own name")
    released: str = Field(
        default="",
        pattern=r"^(\d{4}-\d{2}(-\d{2})?)?$",
        description="year and month, ISO: 2025-04; empty: not known here",
    )
    scores: dict[Benchmark, Score] = Field(default_factory=dict[Benchmark, Score])
    usd_per_million_input: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="of an API")
    usd_per_million_output: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="of an API")
    prices_as_of: str | None = Field(
        default=None, pattern=r"^\d{4}-\d{2}-\d{2}$", description="date the token prices were stated, ISO"
    )
    source: str = Field(description="where the architecture, or the API's prices, are published")
    notes: str = ""
    path: str | None = Field(default=None, description="folder on this machine that holds an open model's files")
