"""How a student is brought to its teacher's distribution instead of to labels alone: the `alignment` part of a training job."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ...state.brief import Record


class LiveTeacher(Record):
    """A model that reads every batch beside the student."""

    kind: Literal["model"] = "model"
    folder: Path = Field(description="Hugging Face model folder; its tokenizer must be the student's")


class StoredTeacher(Record):
    """What a teacher said of the same shards once, as `stratos.tools.training.teacher` stored it."""

    kind: Literal["store"] = "store"
    folder: Path
    teacher_sha256: str | None = Field(
        default=None, description="the teacher it must be of, as its manifest names it; null: any"
    )


Teacher = Annotated[LiveTeacher | StoredTeacher, Field(discriminator="kind")]


class _Tempered(Record):
    temperature: float = Field(default=1.0, gt=0, description="divides both sides' logits; a store lists those it has")


class PlainKL(_Tempered):
    """forward: KL(teacher, student). reverse: KL(student, teacher)."""

    kind: Literal["forward", "reverse"] = "forward"


class JensenShannon(_Tempered):
    """The generalised Jensen-Shannon divergence."""

    kind: Literal["js"] = "js"
    beta: float = Field(default=0.5, gt=0, lt=1, description="weight of the teacher in the mixture")


class SkewedKL(_Tempered):
    """KL to a mixture, DistiLLM's; 0.1 is that paper's choice of alpha."""

    kind: Literal["skew_forward", "skew_reverse"] = "skew_forward"
    alpha: float = Field(default=0.1, gt=0, lt=1, description="share of the first distribution in the second")


Loss = Annotated[PlainKL | JensenShannon | SkewedKL, Field(discriminator="kind")]


class HiddenMatching(Record):
    """Mean squared error between the last hidden states, the student's through a learned linear map (FitNets, arXiv
    1412.6550; its width is the teacher's). The teacher's states are scaled to unit variance, so that `weight` means the same
    for every teacher."""

    weight: float = Field(default=1.0, gt=0)


class LogitAlignment(Record):
    """The teacher's distribution at every learned token of the shards' completions."""

    method: Literal["logits"] = "logits"
    teacher: Teacher
    loss: Loss = PlainKL()
    hard_label_weight: float = Field(
        default=0.0, ge=0, lt=1, description="share of the cross entropy with the text; the rest is the divergence"
    )
    text: Literal["gold", "teacher"] = Field(
        default="gold",
        description="who wrote the shards' completions; 'teacher' is held against the provenance beside them",
    )
    hidden: HiddenMatching | None = None

    @model_validator(mode="after")
    def _hidden_states_need_a_model(self) -> Self:
        if self.hidden and self.teacher.kind == "store":
            raise ValueError("hidden states are not stored: 'hidden' needs a teacher of kind 'model', not 'store'")
        return self


class OnPolicyAlignment(Record):
    """The teacher's distribution at every token that the student itself writes (generalised KD, arXiv 2306.13649, algorithm 1)."""

    method: Literal["on_policy"] = "on_policy"
    teacher: LiveTeacher
    loss: Loss = PlainKL()
    student_share: float = Field(
        default=0.5, gt=0, le=1, description="share of the batches that the student writes; the rest are the shards'"
    )
    sampling_temperature: float = Field(default=1.0, gt=0)


Alignment = Annotated[LogitAlignment | OnPolicyAlignment, Field(discriminator="method")]
