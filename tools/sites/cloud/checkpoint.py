"""A checkpoint of an open model as the backbone of a family, in place of one from scratch: what it must hold, and how it is loaded."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

from ....state.brief import Answers
from ....state.errors import Correctable
from ...elastic.units import layout_of
from ...tuning.source import lacking_weights

TOKENIZER_FILE = "tokenizer.json"
PARTS_READ: dict[Answers, int] = {"labels": 1, "texts": 2}
"""Prompt; prompt and answer: each has room for so many tokens."""


def wrong_with_checkpoint(folder: Path, answers: Answers, max_tokens: int) -> list[str]:
    """Everything that keeps it from being a backbone, one line each; no weights are loaded."""
    if not folder.is_dir():
        return [f"student: {str(folder)!r} is no folder with a checkpoint in Hugging Face format"]
    problems = lacking_weights(folder)
    if problems:
        return [f"student: {str(folder)!r}: {problem}" for problem in problems]
    try:
        _can_be_cut(folder, answers)
        _ready(folder, answers, max_tokens)
    except Correctable as error:
        return [f"student: {error}"]
    return []


def load(folder: Path, answers: Answers, max_tokens: int) -> tuple[Any, str | None]:
    """The model, in 32 bits, and its tokenizer's file; None for pictures. Raises Correctable where it cannot be a backbone."""
    import torch
    from transformers import GenerationConfig

    from ..learning.local import bare

    if problems := wrong_with_checkpoint(folder, answers, max_tokens):
        raise Correctable("; ".join(problems))
    config, text = _ready(folder, answers, max_tokens)
    model = bare(_class(answers).from_pretrained(folder, config=config, dtype=torch.float32, local_files_only=True))
    if answers == "texts":  # a checkpoint's own settings may draw its answers
        model.generation_config = GenerationConfig.from_model_config(config)
    return model, text


def _class(answers: Answers) -> Any:
    from transformers import AutoModel, AutoModelForCausalLM

    return AutoModelForCausalLM if answers == "texts" else AutoModel


def _ready(folder: Path, answers: Answers, max_tokens: int) -> tuple[Any, str | None]:
    """Its configuration, with what its tokenizer says of it, and the tokenizer's file."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if getattr(config, "image_size", None) is not None:
        return config, None
    room, needed = getattr(config, "max_position_embeddings", None), PARTS_READ[answers] * max_tokens
    if room is not None and room < needed:
        raise Correctable(f"{str(folder)!r} reads at most {room} tokens, and {needed} are needed")
    config.pad_token_id, config.eos_token_id, text = _tokenizer(folder, config, answers)
    return config, text


def _tokenizer(folder: Path, config: Any, answers: Answers) -> tuple[Any, Any, str]:
    """The numbers of the tokens that fill up and end, and the file."""
    from transformers import PreTrainedTokenizerFast

    if not (folder / TOKENIZER_FILE).is_file():
        raise Correctable(f"{str(folder)!r} has no {TOKENIZER_FILE}: save its tokenizer with transformers' fast class")
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    end, fills = tokenizer.eos_token_id, tokenizer.pad_token_id
    if end is None and answers == "texts":
        raise Correctable(f"the tokenizer of {str(folder)!r} has no eos_token: no answer would ever end")
    if fills is None and end is None:
        raise Correctable(f"the tokenizer of {str(folder)!r} has neither a pad_token nor an eos_token")
    if len(tokenizer) > config.vocab_size:
        raise Correctable(
            f"the tokenizer of {str(folder)!r} has {len(tokenizer):,} tokens, the model knows {config.vocab_size:,}"
        )
    text: str = tokenizer.backend_tokenizer.to_str()
    return end if fills is None else fills, end, text


def _can_be_cut(folder: Path, answers: Answers) -> None:
    """Raises Correctable, naming what is missing, for a shape that has no units to cut, or writes nothing."""
    import torch
    from transformers import AutoConfig

    from ..learning.local import bare

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    try:
        with torch.device("meta"):
            shape = bare(_class(answers).from_config(config))
    except ValueError as error:
        raise Correctable(f"a {config.model_type} model is no causal decoder: it writes no texts") from error
    layout_of(shape)
