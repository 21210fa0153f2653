"""Loads a checkpoint and its tokenizer for tuning, with adapters where the method wants them. It checks no memory."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...state.errors import Correctable, NotAvailable
from ..pairing.chat import read_chat
from ..tracking import require_tracker
from .specs import AnyJob, Precision

EXTRA = "pip install 'stratos-slm[tuning]'"


def require(*packages: str) -> None:
    """Raises NotAvailable naming every package that is missing, and how to add them."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise NotAvailable(f"{', '.join(missing)} is not installed: {EXTRA}")


def require_method(job: AnyJob, on_gpu: bool) -> None:
    """Raises NotAvailable for a method that this machine has not got what it takes for."""
    require("accelerate", *(() if job.method == "full" else ("peft",)))
    if job.method == "qlora":
        missing = [] if on_gpu else ["a GPU with CUDA (torch sees none)"]
        missing += [] if find_spec("bitsandbytes") else ["the package bitsandbytes (pip install bitsandbytes)"]
        if missing:
            raise NotAvailable(
                f"method 'qlora' needs {' and '.join(missing)}: use method 'lora', which runs without, on this machine"
            )
    require_tracker(job.tracker)


def load_tokenizer(folder: Path, chat_template: Path | None) -> tuple[Any, frozenset[int]]:
    """The tokenizer, and the ids a model stops at. Raises Correctable where there is none."""
    # Not AutoTokenizer: from transformers 5 on it cuts text as the model's family does, whatever tokenizer.json says, and the CPU
    # engine, which reads that file as it is, would then serve other tokens than were learned.
    from transformers import PreTrainedTokenizerFast

    if not (folder / "tokenizer.json").is_file():
        raise Correctable(f"{str(folder)!r} has no tokenizer.json: save its tokenizer with transformers' fast class")
    try:
        tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise Correctable(f"the tokenizer of {str(folder)!r} cannot be loaded: {error}") from error
    if chat_template is not None:
        tokenizer.chat_template = chat_template.read_text(encoding="utf-8")
    stops = frozenset({*read_chat(folder).stop_ids, tokenizer.eos_token_id} - {None})
    if tokenizer.eos_token_id is None:
        raise Correctable(
            f"the tokenizer of {str(folder)!r} has no eos_token: set it in tokenizer_config.json, or no answer would ever end"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, stops


def load_model(job: AnyJob, precision: Precision) -> Any:
    """The model with every trained weight in float32; adapters lie beside frozen weights of the job's precision."""
    import torch
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"local_files_only": True}
    options["dtype"] = torch.float32 if job.method == "full" or precision == "float32" else torch.bfloat16
    if job.method == "qlora":
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(job.model, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise Correctable(f"the model in {str(job.model)!r} cannot be loaded: {error}") from error
    model.config.use_cache = False
    return model if job.method == "full" else _with_adapters(job, model)


def _with_adapters(job: AnyJob, model: Any) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if job.method == "qlora":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=job.gradient_checkpointing)
    elif job.gradient_checkpointing:
        model.enable_input_require_grads()  # else nothing flows back through checkpointed frozen layers
    adapter = job.adapter
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # PEFT 0.21 still asks for checkpointing by the name that transformers 5.23 deprecates.
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*", category=FutureWarning)
        return get_peft_model(model, config)
