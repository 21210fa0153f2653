"""Which engine writes the answers that GRPO scores, and how TRL is told to let vLLM do it in the training's own process.

Written by the documented interfaces of TRL 1.16 and vLLM 0.30; not measured on a GPU. With vLLM a continued job goes on from the same
weights, yet draws other samples than it would have: the state of vLLM's random numbers is in no checkpoint.
"""

import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

from ...state.errors import NotAvailable
from ..estimating.architecture import Architecture
from ..jobs import report
from ..models.folder import facts_of_folder
from .memory import GIB, MemoryUse, beside_vllm
from .specs import GrpoJob, Method, RolloutEngine

INSTALL = "pip install 'vllm<0.31'"
"""0.30 asks for the torch and the transformers that Stratos asks for; 0.31 for older transformers, by its metadata."""

SHARE_STEP = 1e-4
OF_SEVERAL = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
START_ERRORS = (ImportError, AttributeError, TypeError, ValueError, RuntimeError, OSError, AssertionError)
"""assumption: how vLLM fails to start: memory that is not there, a model it does not know, a version that TRL does not."""


def choose_rollouts(
    wanted: Literal["auto", RolloutEngine], method: Method, *, on_gpu: bool, has_vllm: bool
) -> RolloutEngine:
    """vLLM where it is asked for, or where all that it needs is there. Raises NotAvailable naming everything that is missing."""
    missing = [] if on_gpu else ["a GPU with CUDA (torch sees none)"]
    missing += [] if has_vllm else [f"the package vllm ({INSTALL})"]
    # Open at TRL (issues 3466, 4973): it merges the adapters into the weights of four bits, which vLLM then does not take.
    missing += ["method 'lora' or 'full', not 'qlora'"] if method == "qlora" else []
    if wanted == "vllm" and missing:
        raise NotAvailable(
            f"rollouts 'vllm' needs {' and '.join(missing)}: use rollouts 'transformers', which runs without"
        )
    return "vllm" if wanted != "transformers" and not missing else "transformers"


def rollouts_here(job: GrpoJob) -> RolloutEngine:
    """What this machine chooses for a job. Raises NotAvailable."""
    import torch

    # Each process sees its own free memory: of several, some might choose vLLM and wait for the others for ever.
    if job.rollouts == "auto" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return "transformers"
    return choose_rollouts(
        job.rollouts, job.method, on_gpu=torch.cuda.is_available(), has_vllm=find_spec("vllm") is not None
    )


def with_vllm(job: GrpoJob, use: MemoryUse, shape: Architecture) -> MemoryUse:
    """The memory of a job with vLLM beside it; without it where the job leaves the choice open and both do not fit."""
    found = beside_vllm(
        use,
        shape,
        answers=job.prompts_per_step * job.answers_per_prompt,
        answer_tokens=job.max_prompt_tokens + job.max_answer_tokens,
        total_gib=gpu_gib(),
    )
    if job.rollouts == "auto" and found.needed_gib > found.available_gib:
        report(
            "note",
            text=f"vLLM would need about {found.vllm_gib:.2f} GiB beside the training's {use.needed_gib:.2f} of "
            f"{use.available_gib:.2f} free",
        )
        return use
    return found


def vllm_arguments(job: GrpoJob, use: MemoryUse) -> dict[str, Any]:
    """The fields of GRPOConfig that let vLLM write the answers; none where no memory is set aside for it."""
    if not use.vllm_gib:
        return {}
    context = facts_of_folder(job.model).context_tokens or math.inf
    return {
        "use_vllm": True,
        "vllm_mode": "colocate",
        # Rounded down: vLLM refuses to start where less than its share is free.
        "vllm_gpu_memory_utilization": math.floor(use.vllm_gib / gpu_gib() / SHARE_STEP) * SHARE_STEP,
        # vLLM refuses more than the model's context.
        "vllm_max_model_length": int(min(job.max_prompt_tokens + job.max_answer_tokens, context)),
    }


def gpu_gib() -> float:
    """All memory of the GPU, GiB."""
    import torch

    return float(torch.cuda.mem_get_info()[1]) / GIB


@contextmanager
def undone_on_error() -> Generator[None]:
    """TRL says in the environment, for vLLM, that this is one process of some: where vLLM does not start, accelerate must not read it."""
    before = {name: os.environ.get(name) for name in OF_SEVERAL}
    try:
        yield
    except BaseException:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        raise


def keep_vllm_quiet() -> None:
    """Before TRL imports it: progress lines own standard output, and no statistics of use leave the machine."""
    os.environ |= {"VLLM_LOGGING_STREAM": "ext://sys.stderr", "VLLM_NO_USAGE_STATS": "1"}
