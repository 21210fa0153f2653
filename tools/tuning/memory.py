"""Memory and disk of a tuning: told before it starts, refused with the figures when it cannot fit, held against the peak afterwards.

`tools/estimating/training.py` plans with one sequence at a time, in 16 bits, on accelerators; here batch and precision are known, and a
CPU will do. What a layer keeps was counted (saved_tensors_hooks of torch on Llama and Qwen2 of transformers 5.23, sdpa attention). What
the process itself takes is measured on a CPU, and assumed on a GPU as in the planning.
"""

import resource
import shutil
from pathlib import Path
from typing import Any

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable
from ..estimating.architecture import Architecture, architecture_of
from ..estimating.training_physics import CONTEXT_GB
from ..machine import parts_of_machine
from ..models.folder import facts_of_folder
from .specs import Method, Precision

GIB = 2**30
STATE_BYTES = 12  # a trained float32 weight: its gradient and AdamW's two moments
QUANTISED_BYTES = 0.55  # a weight in four bits with its scales, as tools/pairing/memory.py has it
ALLOCATED = (
    1.25  # times what is kept: other lengths leave gaps, and the backward pass has its own (measured at 3M: 1.2 to 1.4)
)
LOGIT_COPIES = 4  # of float32 a word: logits, their logarithms, and both gradients while they are taken
KEPT_CHECKPOINTS = 2
VLLM_WORKSPACE_GIB = 2.0  # assumption: vLLM's kernels, CUDA graphs and a batch of prompts, beside weights and cache
VLLM_USUAL_SHARE = 0.3  # of a GPU: what TRL 1.16 gives to a vLLM in the trainer's process when it is told nothing
VLLM_NUMBER_BYTES = 2  # it serves in 16 bits, also weights that are stored in 32


class MemoryUse(Record):
    """What a tuning needs at its peak, GiB."""

    weights_gib: float
    states_gib: float = Field(description="gradients and optimiser")
    activations_gib: float
    process_gib: float = Field(description="what the process takes before it loads the model")
    vllm_gib: float = Field(
        default=0.0, description="set aside for vLLM beside the training; 0 where it writes no answers"
    )
    needed_gib: float
    available_gib: float = Field(description="of the device, before the model is loaded, process included")


def architecture_at(folder: Path) -> Architecture:
    """The shape of the model in a folder. Raises Correctable."""
    return architecture_of(facts_of_folder(folder))


def adapter_parameters(shape: Architecture, rank: int) -> int:
    """Weights of adapters on the seven matrices of every layer: rank x (in + out) each."""
    queries, keys = shape.head_dim * shape.heads, shape.head_dim * shape.kv_heads
    sides = 2 * (shape.hidden + queries) + 2 * (shape.hidden + keys) + 3 * (shape.hidden + shape.feed_forward)
    return rank * sides * shape.layers


def kept_by_a_layer(shape: Architecture) -> int:
    """Numbers that a layer keeps of a token for the backward pass.

    Both norms' inputs and results and the residuals are 6 widths; query and attention's result; key and value; of the MLP the gate, its
    activation, the other half and their product.
    """
    queries, keys = shape.head_dim * shape.heads, shape.head_dim * shape.kv_heads
    return 6 * shape.hidden + 2 * queries + 2 * keys + 4 * shape.feed_forward


def estimate(
    shape: Architecture,
    *,
    method: Method,
    rank: int,
    batch_tokens: int,
    precision: Precision,
    checkpointing: bool,
    process_gib: float,
    available_gib: float,
    copies: float = 0.0,
) -> MemoryUse:
    """The peak of one step. `copies` are further models held beside it, such as a reference, in weights of the same kind."""
    trained = shape.parameters if method == "full" else adapter_parameters(shape, rank)
    number = 4 if precision == "float32" else 2
    base = {"full": 4.0, "lora": float(number), "qlora": QUANTISED_BYTES}[method]
    weights = shape.parameters * base * (1 + copies)
    weights += 0 if method == "full" else 4 * trained
    weights += (
        2 * shape.parameters if method == "full" and number == 2 else 0
    )  # autocast keeps 16-bit copies for a step
    layer = kept_by_a_layer(shape)
    kept = shape.hidden * shape.layers + layer if checkpointing else layer * shape.layers
    activations = batch_tokens * (kept * number + shape.vocabulary * 4 * LOGIT_COPIES) * ALLOCATED
    parts = (weights, STATE_BYTES * trained, activations)
    return MemoryUse(
        weights_gib=parts[0] / GIB,
        states_gib=parts[1] / GIB,
        activations_gib=parts[2] / GIB,
        process_gib=process_gib,
        needed_gib=sum(parts) / GIB + process_gib,
        available_gib=available_gib,
    )


def beside_vllm(
    use: MemoryUse, shape: Architecture, *, answers: int, answer_tokens: int, total_gib: float
) -> MemoryUse:
    """The same with vLLM in the training's process: it gets what the training leaves of the GPU, up to what is of use to it.

    `answers` are written at once, each of `answer_tokens` with its prompt; `total_gib` is the GPU's. It needs a copy of the weights
    and a cache for one answer at the least; more answers wait for room. Not measured on a GPU.
    """
    model_gib = shape.parameters * VLLM_NUMBER_BYTES / GIB + VLLM_WORKSPACE_GIB
    an_answer_gib = answer_tokens * shape.kv_elements_per_token * VLLM_NUMBER_BYTES / GIB
    of_use_gib = max(model_gib + answers * an_answer_gib, VLLM_USUAL_SHARE * total_gib)
    vllm_gib = max(model_gib + an_answer_gib, min(of_use_gib, use.available_gib - use.needed_gib))
    return use.model_copy(update={"vllm_gib": vllm_gib, "needed_gib": use.needed_gib + vllm_gib})


def without_vllm(use: MemoryUse) -> MemoryUse:
    """The same where vLLM did not start."""
    return use.model_copy(update={"vllm_gib": 0.0, "needed_gib": use.needed_gib - use.vllm_gib})


def refuse_what_cannot_fit(use: MemoryUse, method: Method, checkpointing: bool) -> None:
    """Raises Correctable with the figures, and what would lower them."""
    if use.needed_gib <= use.available_gib:
        return
    vllm = f", vLLM {use.vllm_gib:.2f}" if use.vllm_gib else ""
    raise Correctable(
        f"the tuning needs about {use.needed_gib:.2f} GiB (weights {use.weights_gib:.2f}, gradients and optimiser "
        f"{use.states_gib:.2f}, activations {use.activations_gib:.2f}, process {use.process_gib:.2f}{vllm}) and "
        f"{use.available_gib:.2f} GiB are free: {what_to_lower(use, method, checkpointing)}"
    )


def what_to_lower(use: MemoryUse, method: Method, checkpointing: bool) -> str:
    """What takes less memory, the cheapest change first."""
    ways = ["set rollouts to 'transformers'"] if use.vllm_gib else []
    ways += ["lower batch_tokens, and raise gradient_accumulation by as much"]
    ways += [] if checkpointing else ["set gradient_checkpointing"]
    ways += ["set method to 'lora'"] if method == "full" else []
    return ", or ".join([*ways, "choose a smaller model or a larger machine"])


def process_now_gib(on_gpu: bool) -> float:
    """What the process, or the GPU's context, takes now."""
    import psutil

    return CONTEXT_GB * 1e9 / GIB if on_gpu else psutil.Process().memory_info().rss / GIB


def available_gib(on_gpu: bool, limit_gib: float | None) -> float:
    """What the device can give this process, with what it already has; never more than the job's own limit."""
    import psutil

    if on_gpu:
        import torch

        found = float(torch.cuda.mem_get_info()[0]) / GIB + process_now_gib(on_gpu)
    else:
        free = psutil.virtual_memory().available / GIB + process_now_gib(on_gpu)
        found = min(free, parts_of_machine().memory_gib)  # a container may have less than the machine
    return found if limit_gib is None else min(found, limit_gib)


def peak_gib(on_gpu: bool) -> float:
    """The most this process has held until now: of the GPU with its context, or resident."""
    if on_gpu:
        import torch

        return float(torch.cuda.max_memory_reserved()) / GIB + process_now_gib(on_gpu)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB  # Linux counts in KiB


def refuse_a_small_disk(folder: Path, shape: Architecture, method: Method, rank: int, *, keeps_best: bool) -> None:
    """Raises Correctable when the folder's disk cannot take the checkpoints and the models that will be written to it."""
    trained = shape.parameters if method == "full" else adapter_parameters(shape, rank)
    checkpoint = 12 * trained  # weights and two moments in float32
    models = 4 * shape.parameters * (1 if method == "full" else 2) + (4 * trained if keeps_best else 0)
    needed = (KEPT_CHECKPOINTS + 1) * checkpoint + models  # an old one goes when the new one is whole
    there = sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file()
    )  # of an earlier start: it is replaced
    free = shutil.disk_usage(folder).free
    if needed > free + there:
        raise Correctable(
            f"{str(folder)!r} needs about {size(needed)} for {KEPT_CHECKPOINTS + 1} checkpoints and the tuned model, and "
            f"{size(free + there)} are free on its disk: make room, or use another folder"
        )


def size(count: float) -> str:
    """Bytes for people."""
    return f"{count / GIB:.2f} GiB" if count >= GIB / 10 else f"{count / 2**20:.2f} MiB"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python ran out of memory."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("not enough memory", "can't allocate memory", "out of memory")
    )


def tensor_count(model: Any) -> tuple[int, int]:
    """All weights of a loaded model, and those that are trained."""
    return (
        sum(weight.numel() for weight in model.parameters()),
        sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
    )
