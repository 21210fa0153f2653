"""How much accelerator memory each way to distil needs, from the models' shapes: arithmetic that can be read, no measurement.

Weights and optimiser: mixed-precision AdamW keeps 16 bytes a trained parameter, 2 weight, 2 gradient, 12 of float32 master
weight and two moments (ZeRO, arXiv 1910.02054, section 3.1); a frozen bf16 weight takes 2. LoRA trains r (in + out) weights
beside every matrix (arXiv 2106.09685). Activations: with a checkpoint at every layer, 2 bytes a hidden value and layer are
kept, and one layer, 34 bytes a hidden value without its attention scores, is recomputed at a time (Korthikanti et al., arXiv
2205.05198, section 4; flash and sdpa attention store no scores). Logits: bf16, their float32 copy, and for the student
the copy's gradient. Assumption: a tenth of the device is lost to the driver, the allocator and buffers.
"""

from typing import Literal

from pydantic import Field

from ...state.brief import Record
from ...state.model_facts import ModelFacts

Method = Literal["logit", "logit_offline", "cross_tokenizer", "sequence_level"]
"""logit: both models resident, divergence of their logits. logit_offline: the teacher's top logits are stored first.
cross_tokenizer: both resident, logits aligned across tokenizers (ULD, arXiv 2402.12030; GOLD in trl.experimental.gold).
sequence_level: the student learns the teacher's texts (Kim and Rush, arXiv 1606.07947)."""

GIB = 2**30
BF16, FULL_TRAINING, LAYER_ACTIVATIONS = 2, 16, 34
"""Bytes a weight, a fully trained parameter, and a hidden value of the one layer that is recomputed."""

USABLE = 0.9


class Setup(Record):
    """The machine and the size of one step."""

    memory_gib: float | None = Field(
        default=None, gt=0, description="of the accelerator; null: not known, nothing is refused"
    )
    batch_tokens: int = Field(
        default=8192, gt=0, description="tokens of one forward pass, prompts and padding included"
    )
    lora_rank: int | None = Field(default=None, gt=0, description="null: every weight of the student is trained")
    teacher_bytes_per_parameter: float = Field(default=BF16, gt=0, description="2 as bf16, 1 as int8, 0.55 as 4 bit")


class MethodMemory(Record):
    """What one method needs at its peak."""

    method: Method
    gib: float | None = Field(description="null: a model's size is not published")
    fits: bool | None = Field(description="null: the need or the device's memory is not known")
    arithmetic: str


def needs(
    teacher: ModelFacts, student: ModelFacts, setup: Setup, methods: tuple[Method, ...]
) -> tuple[MethodMemory, ...]:
    """The peak of each method, in the order given; an API's teacher takes none of this device's memory."""
    return tuple(_need(method, teacher, student, setup) for method in methods)


def _need(method: Method, teacher: ModelFacts, student: ModelFacts, setup: Setup) -> MethodMemory:
    resident, training = _resident_gib(teacher, setup), _training_gib(student, setup)
    if resident is None or training is None:
        who = " and ".join(model.name for model, known in ((teacher, resident), (student, training)) if known is None)
        return MethodMemory(method=method, gib=None, fits=None, arithmetic=f"the parameters of {who} are not published")
    together = method in ("logit", "cross_tokenizer")
    logits = 0.0
    if method != "sequence_level" and teacher.kind == "open":
        logits = setup.batch_tokens * (teacher.padded_vocabulary or teacher.vocabulary or 0) * 6 / GIB
    gib = resident + logits + training if together else max(resident + logits, training)
    parts = f"teacher {resident + logits:.1f}{' + ' if together else ', then '}student's training {training:.1f}"
    text = f"{method}: {parts} = {gib:.1f} GiB{'' if together else ' at most'}"
    if setup.memory_gib is None:
        return MethodMemory(method=method, gib=gib, fits=None, arithmetic=text)
    limit = USABLE * setup.memory_gib
    fits = gib <= limit
    return MethodMemory(
        method=method,
        gib=gib,
        fits=fits,
        arithmetic=f"{text}, {'within' if fits else 'over'} {limit:.1f} ({USABLE:.0%} of {setup.memory_gib:g})",
    )


def _resident_gib(teacher: ModelFacts, setup: Setup) -> float | None:
    """A frozen teacher that only reads: its weights, and one layer's activations."""
    if teacher.kind == "api":
        return 0.0
    if teacher.parameters is None:
        return None
    layer = setup.batch_tokens * (teacher.hidden or 0) * LAYER_ACTIVATIONS
    return (teacher.parameters * setup.teacher_bytes_per_parameter + layer) / GIB


def _training_gib(student: ModelFacts, setup: Setup) -> float | None:
    """Weights, gradients and moments, activations with checkpoints, logits with their gradient."""
    if student.parameters is None:
        return None
    trained = student.parameters if setup.lora_rank is None else _lora_parameters(student, setup.lora_rank)
    if trained is None:
        return None
    weights = FULL_TRAINING * trained + (0 if setup.lora_rank is None else BF16 * student.parameters)
    activations = setup.batch_tokens * (student.hidden or 0) * (BF16 * (student.layers or 0) + LAYER_ACTIVATIONS)
    logits = setup.batch_tokens * (student.padded_vocabulary or student.vocabulary or 0) * 10
    return (weights + activations + logits) / GIB


def _lora_parameters(student: ModelFacts, rank: int) -> int | None:
    """Adapters on the seven matrices of every layer of a gated decoder; None where the shape is not known."""
    hidden, wide, layers = student.hidden, student.feed_forward, student.layers
    if hidden is None or wide is None or layers is None or student.heads is None:
        return None
    width = student.head_dim or hidden // student.heads
    queries, keys = width * student.heads, width * (student.kv_heads or student.heads)
    sides = 2 * (hidden + queries) + 2 * (hidden + keys) + 3 * (hidden + wide)
    return rank * layers * sides
