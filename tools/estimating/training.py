"""Training predictions: hours, their parts, memory and dollars by method, for one combination or a grid of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable, ToolFailed
from ...state.numbers import AS_SAID, shown
from ...state.plan import Prediction
from ..pricing.accelerators import AcceleratorFacts
from .architecture import Architecture
from .bands import DATASHEET_BAND
from .calibration import Calibrated, shipped
from .chips import WEIGHT_BYTES, ServePrecision, supports
from .serving import GIB

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .physics import Array, Chips, Models

Method = Literal["full", "lora", "logit", "on_policy", "grpo"]
METHODS: tuple[Method, ...] = get_args(Method)
NEEDS_TEACHER: frozenset[Method] = frozenset({"logit", "on_policy"})
GENERATES: frozenset[Method] = frozenset({"on_policy", "grpo"})
TrainingPrecision = Literal["bf16", "fp32"]

GENERATED_SHARE = 0.5  # assumption: of a sequence that the student writes itself, the rest being its prompt
GENERATION_CLIENTS = 64  # assumption: sequences written at once on each accelerator
GRPO_FORWARD_PASSES = 2  # log-probabilities of the old and the reference policy: DeepSeekMath, arXiv 2402.03300, eq. 3
UNKNOWN_VOCABULARY = 32_000  # assumption: where only parameters and layers are known
SETUP_HOURS = 5 / 60 + 6 / 3600  # assumption: boot, set-up and imports that are billed before the first step


class TrainingParts(Record):
    """Hours by what they are spent on."""

    setup: float
    student: float = Field(description="forward and backward passes, and the optimiser")
    teacher: float = Field(
        description="the teacher's forward passes over the same tokens; GRPO: old and reference policy"
    )
    generation: float = Field(description="the student writing its own sequences")


class TrainingMemoryUse(Record):
    """Memory on one accelerator, GiB."""

    weights_gib: float
    gradients_gib: float
    optimiser_gib: float
    activations_gib: float
    teacher_gib: float = Field(description="teacher's, reference policy's and generator's weights")
    needed_gib: float
    usable_gib: float


class TrainingPrediction(Record):
    """What a training will take."""

    hours: Prediction
    parts: TrainingParts
    memory: TrainingMemoryUse
    fits: bool
    assumptions: tuple[str, ...]

    def dollars(self, usd_per_hour: float, *, teacher_usd: float = 0.0) -> Prediction:
        """US dollars at the server's price for all its accelerators, beside what a teacher behind an API costs.

        The hours carry the band; a price is known. Raises Correctable for a figure below zero.
        """
        if not (usd_per_hour >= 0 and teacher_usd >= 0):
            raise Correctable(
                f"usd_per_hour is {usd_per_hour!r} and teacher_usd {teacher_usd!r}; neither may be negative"
            )
        return Prediction(
            value=self.hours.value * usd_per_hour + teacher_usd,
            low=self.hours.low * usd_per_hour + teacher_usd,
            high=self.hours.high * usd_per_hour + teacher_usd,
            source=f"hours x ${shown(usd_per_hour, AS_SAID)} + teacher ${shown(teacher_usd)}",
        )


@dataclass(frozen=True, kw_only=True)
class TrainingTable:
    """Predictions of a grid: axes model, accelerator, method, count, tokens. NaN hours where no speed is known."""

    hours: "Array"
    student_hours: "Array"
    teacher_hours: "Array"
    generation_hours: "Array"
    memory_gib: "Array"
    """Of one accelerator."""
    fits: "NDArray[np.bool_]"
    band: float
    """Factor of the 80 % band, up and down."""


def rough_architecture(parameters: int, layers: int) -> Architecture:
    """A Llama-like shape of that size, for models of which only parameters and layers are known.

    Solves V h + 12 L h^2 = N for the width h with tied embeddings (assumption). Raises Correctable for counts below 1.
    """
    if parameters < 1 or layers < 1:
        raise Correctable(f"parameters is {parameters!r} and layers is {layers!r}; each must be a positive number")
    vocabulary = min(UNKNOWN_VOCABULARY, max(1, parameters // (8 * layers)))
    root = math.sqrt(vocabulary**2 + 48 * layers * parameters)
    hidden = max(1, math.floor((root - vocabulary) / (24 * layers)))
    heads = max(1, hidden // 64)
    return Architecture(
        parameters=parameters,
        active_parameters=parameters,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=max(1, hidden // heads),
        feed_forward=max(1, 8 * hidden // 3),
        vocabulary=vocabulary,
        tied_embeddings=True,
    )


def training_table(
    architectures: Sequence[Architecture],
    accelerators: Sequence[AcceleratorFacts],
    *,
    methods: Sequence[Method] = ("full",),
    counts: Sequence[int] = (1,),
    train_tokens: Sequence[int],
    sequence_tokens: int,
    precision: TrainingPrecision = "bf16",
    frozen_precision: ServePrecision = "bf16",
    checkpointing: bool = False,
    teacher: Architecture | None = None,
    calibration: Calibrated | None = None,
) -> TrainingTable:
    """Hours and memory of every combination of the given lists; set-up is in the hours.

    `frozen_precision` is of the weights under LoRA adapters. Raises Correctable for senseless counts and for a method that
    needs a teacher and has none.
    """
    import numpy as np

    _check(architectures, accelerators, methods, counts, train_tokens, sequence_tokens, teacher)
    grid = _Grid(
        architectures, accelerators, counts, train_tokens, sequence_tokens, precision, calibration or shipped()
    )
    made = [grid.of(method, teacher, checkpointing, frozen_precision) for method in methods]

    def stacked(name: str) -> "Array":
        return np.stack([np.broadcast_to(getattr(one, name), grid.shape) for one in made], axis=2)

    student, teachers, generation = (stacked(name) / 3600 for name in ("student", "teacher", "generation"))
    needed, usable = stacked("needed"), stacked("usable")
    return TrainingTable(
        hours=SETUP_HOURS + student + teachers + generation,
        student_hours=student,
        teacher_hours=teachers,
        generation_hours=generation,
        memory_gib=needed / GIB,
        fits=(needed <= usable) & ~np.isnan(student),
        band=DATASHEET_BAND,
    )


@dataclass(frozen=True, kw_only=True)
class _Seconds:
    """One method's seconds and bytes, arrays that broadcast to the grid without its method axis."""

    student: "Array"
    teacher: "Array"
    generation: "Array"
    needed: "Array"
    usable: "Array"
    memory: "tuple[Array, ...]"


class _Grid:
    """Arrays of a grid: axes model, accelerator, count, tokens."""

    def __init__(
        self,
        architectures: Sequence[Architecture],
        accelerators: Sequence[AcceleratorFacts],
        counts: Sequence[int],
        train_tokens: Sequence[int],
        sequence_tokens: int,
        precision: TrainingPrecision,
        known: Calibrated,
    ) -> None:
        import numpy as np

        from . import grids

        self.shape = (len(architectures), len(accelerators), len(counts), len(train_tokens))
        self.models: Models = grids.models_array(architectures, (-1, 1, 1, 1))
        peaks = grids.peaks_array(accelerators, [precision]).reshape(1, -1, 1, 1)
        self.chips: Chips = grids.chips_array(accelerators, peaks, (1, -1, 1, 1))
        self.count = np.array(counts, dtype=np.float64).reshape(1, 1, -1, 1)
        self.tokens = np.array(train_tokens, dtype=np.float64).reshape(1, 1, 1, -1)
        self.sequence = np.array(sequence_tokens, dtype=np.float64)
        self.precision: TrainingPrecision = precision
        self._accelerators, self._known = accelerators, known

    def of(
        self, method: Method, teacher: Architecture | None, checkpointing: bool, frozen_precision: ServePrecision
    ) -> _Seconds:
        """Seconds and memory of one method."""
        import numpy as np

        from . import grids
        from . import training_physics as physics

        lora = method == "lora"
        student = physics.student_seconds(
            self.models, self.chips, count=self.count, train_tokens=self.tokens, sequence_tokens=self.sequence, lora=lora,
            checkpointing=checkpointing,
        )  # fmt: skip
        watching, passes = np.zeros(1), 0
        held: Array = np.zeros(1)
        parameters = self.models.block_parameters + self.models.stored_embedding_parameters
        other = self.models
        if method in NEEDS_TEACHER and teacher is not None:
            other, passes = grids.models_array([teacher], (1, 1, 1, 1)), 1
            held = (other.block_parameters + other.stored_embedding_parameters) * physics.ACTIVATION_BYTES
        elif method == "grpo":
            passes = GRPO_FORWARD_PASSES
            held = parameters * physics.ACTIVATION_BYTES  # the reference policy
        if passes:
            watching = physics.forward_seconds(
                other, self.chips, count=self.count, tokens=passes * self.tokens, sequence_tokens=self.sequence
            )
        generation: Array = np.zeros(1)
        if method in GENERATES:
            generation = self._generation_seconds()
            held = held + parameters * physics.ACTIVATION_BYTES * self.count  # the generator's own copy, on each
        weights = WEIGHT_BYTES[frozen_precision] if lora else WEIGHT_BYTES[self.precision]
        use = physics.memory(
            self.models, self.chips, count=self.count, sequence_tokens=self.sequence, lora=lora,
            checkpointing=checkpointing, weight_bytes=weights, teacher_bytes=held,
        )  # fmt: skip
        parts = (use.weights, use.gradients, use.optimiser, use.activations, use.teacher)
        return _Seconds(
            student=student, teacher=watching, generation=generation, needed=use.needed, usable=use.usable, memory=parts
        )

    def _generation_seconds(self) -> "Array":
        """Seconds in which vLLM on each accelerator writes its share of GENERATED_SHARE of the tokens."""
        import numpy as np

        from . import grids
        from .physics import operating_point

        names = [one.accelerator for one in self._accelerators]
        constants = grids.constants_array(
            lambda name: grids.constant_values(self._known, name, names, ["bf16"], ["vllm"]).reshape(1, -1, 1, 1)
        )
        writes = np.maximum(np.round(self.sequence * GENERATED_SHARE), 1.0)
        reads = np.maximum(self.sequence - writes, 1.0)
        clients = np.array([float(GENERATION_CLIENTS)]).reshape(1, 1, 1, 1)
        kv = np.array([2.0]).reshape(1, 1, 1, 1)
        with np.errstate(invalid="ignore"):
            point = operating_point(
                self.models, self.chips, grids.formats_array(["bf16"], kv, (1, 1, 1, 1)), constants,
                ways=np.ones((1, 1, 1, 1)), concurrency=clients, input_tokens=reads, output_tokens=writes,
            )  # fmt: skip
        request_s = (point.ttft_ms + point.tpot_ms * (writes - 1)) / 1e3
        return self.tokens / self.sequence / self.count / clients * request_s


def _check(
    architectures: Sequence[Architecture],
    accelerators: Sequence[AcceleratorFacts],
    methods: Sequence[Method],
    counts: Sequence[int],
    train_tokens: Sequence[int],
    sequence_tokens: int,
    teacher: Architecture | None,
) -> None:
    """Raises Correctable naming everything senseless at once."""
    lists: dict[str, Sequence[object]] = {
        "architectures": architectures, "accelerators": accelerators, "methods": methods, "counts": counts,
        "train_tokens": train_tokens,
    }  # fmt: skip
    problems = [f"{name} is empty" for name, values in lists.items() if not values]
    figures = (("counts", counts), ("train_tokens", train_tokens), ("sequence_tokens", (sequence_tokens,)))
    problems += [f"{name} is {value!r}; it must be at least 1" for name, of in figures for value in of if value < 1]
    problems += [f"method {one!r} is none of {', '.join(METHODS)}" for one in methods if one not in METHODS]
    if teacher is None:
        problems += [f"method {one!r} needs a teacher" for one in methods if one in NEEDS_TEACHER]
    if problems:
        raise Correctable("; ".join(problems))


def predict_training(
    model: Architecture | tuple[int, int],
    *,
    method: Method,
    train_tokens: int,
    sequence_tokens: int,
    accelerator: AcceleratorFacts,
    count: int = 1,
    precision: TrainingPrecision = "bf16",
    frozen_precision: ServePrecision = "bf16",
    checkpointing: bool = False,
    teacher: Architecture | None = None,
    calibration: Calibrated | None = None,
) -> TrainingPrediction:
    """Hours of one training on `count` accelerators of one machine, with its parts, memory and 80 % band.

    `model` is an architecture, or (parameters, layers) where no more is known. `train_tokens` are all tokens the student is
    trained on, its own of on_policy and grpo included. Memory is reported, not enforced: `fits` says. Raises Correctable
    for senseless counts and a missing teacher, ToolFailed where the accelerator's speed is not known.
    """
    if not supports(accelerator, precision):
        raise ToolFailed(
            f"no BF16 speed of {accelerator.accelerator!r} is known; choose another accelerator to train on"
        )
    architecture = model if isinstance(model, Architecture) else rough_architecture(*model)
    _check([architecture], [accelerator], [method], [count], [train_tokens], sequence_tokens, teacher)
    grid = _Grid(
        [architecture], [accelerator], [count], [train_tokens], sequence_tokens, precision, calibration or shipped()
    )
    made = grid.of(method, teacher, checkpointing, frozen_precision)
    student, watching, generation = (
        float(part.item()) / 3600 for part in (made.student, made.teacher, made.generation)
    )
    weights, gradients, optimiser, activations, held = (float(part.item()) / GIB for part in made.memory)
    needed, usable = float(made.needed.item()), float(made.usable.item())
    value = SETUP_HOURS + student + watching + generation
    source = f"{method} training at {precision} on {count} x {accelerator.accelerator}: physics, datasheet"
    return TrainingPrediction(
        hours=Prediction(value=value, low=value / DATASHEET_BAND, high=value * DATASHEET_BAND, source=source),
        parts=TrainingParts(setup=SETUP_HOURS, student=student, teacher=watching, generation=generation),
        memory=TrainingMemoryUse(
            weights_gib=weights, gradients_gib=gradients, optimiser_gib=optimiser, activations_gib=activations,
            teacher_gib=held, needed_gib=needed / GIB, usable_gib=usable / GIB,
        ),
        fits=needed <= usable,
        assumptions=_assumptions(model, method, count),
    )  # fmt: skip


def _assumptions(model: Architecture | tuple[int, int], method: Method, count: int) -> tuple[str, ...]:
    found = ["no training was measured on an accelerator: utilisation is assumed and the band is wide"]
    if not isinstance(model, Architecture):
        found.append("only parameters and layers are known: a Llama-like shape of that size")
    if count > 1:
        found.append("weights, gradients, optimiser and teacher are sharded over the accelerators")
    if method in GENERATES:
        found.append(
            f"the student writes {GENERATED_SHARE:.0%} of each sequence, {GENERATION_CLIENTS} at once on each accelerator"
        )
    return tuple(found)
