"""Training predictions: hours, their parts and memory by method, for a grid of combinations, and one step of one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

from ...state.errors import Correctable
from ..pricing.accelerators import AcceleratorFacts, accelerator_facts
from .architecture import Architecture
from .bands import DATASHEET_BAND
from .calibration import Calibrated, shipped
from .chips import WEIGHT_BYTES, ServePrecision
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
JOB_START_HOURS = 6 / 3600  # importing torch 2.3 s and transformers 1.2 s (measured), the rest assumption: reading data
CLOUD_SETUP_HOURS = 5 / 60  # assumption: boot and set-up that are billed before the first step
SETUP_HOURS = CLOUD_SETUP_HOURS + JOB_START_HOURS


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


@lru_cache(maxsize=4096)
def training_step(
    architecture: Architecture,
    accelerator: str,
    count: int,
    precision: TrainingPrecision,
    sequence_tokens: int,
) -> tuple[float, float]:
    """Seconds and tokens of one step of full training on a named accelerator of the table; NaN seconds where its speed is not known.

    Plans ask for the same step at every training length, so answers are kept.
    """
    import numpy as np

    from . import training_physics as physics

    facts = accelerator_facts()[accelerator]
    grid = _Grid([architecture], [facts], [count], [1], sequence_tokens, precision, shipped())
    seconds = physics.step_seconds(
        grid.models, grid.chips, count=grid.count, sequence_tokens=grid.sequence, lora=False, checkpointing=False
    )
    return float(np.asarray(seconds).item()), float(physics.step_tokens(grid.count, grid.sequence).item())


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
        step = physics.step_seconds(
            self.models, self.chips, count=self.count, sequence_tokens=self.sequence, lora=lora, checkpointing=checkpointing
        )  # fmt: skip
        student = np.ceil(self.tokens / physics.step_tokens(self.count, self.sequence)) * step
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
        return _Seconds(student=student, teacher=watching, generation=generation, needed=use.needed, usable=use.usable)

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
