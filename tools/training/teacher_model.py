"""A teacher read from its folder: its hashes, its last hidden states and its output matrix, and whether its tokens are the student's."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...state.errors import Correctable

PROBE_TOKENS = 8
LOGIT_TOLERANCE = 1e-3
NAMED = 4
"""How many tokens a message names."""


@dataclass(frozen=True, kw_only=True)
class TeacherModel:
    """A frozen model in evaluation mode, float32."""

    model: Any
    head: Any
    """(rows, width); rows from the tokenizer's size on pad the matrix."""
    sha256: str

    def hidden(self, ids: Any) -> Any:
        """Last hidden states (examples, tokens, width), normed as the output matrix takes them; no gradient."""
        import torch

        with torch.no_grad():
            return self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state


def weights_sha256(folder: Path) -> str:
    """SHA-256 over a model's shape and weights: config.json and every .safetensors file. Raises Correctable."""
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    if not files[0].is_file() or len(files) == 1:
        raise Correctable(f"no model in {str(folder)!r}: config.json and .safetensors files are needed")
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def vocabulary_sha256(vocabulary: Mapping[str, int]) -> str:
    """SHA-256 of which token has which id."""
    return hashlib.sha256(json.dumps(sorted(vocabulary.items()), ensure_ascii=False).encode()).hexdigest()


def require_vocabulary(folder: Path, wanted: Mapping[str, int]) -> None:
    """Raises Correctable when the tokenizer in the folder gives any token another id than the student's does."""
    from transformers import PreTrainedTokenizerFast

    has: dict[str, int] = PreTrainedTokenizerFast.from_pretrained(folder).get_vocab()
    other = sorted(token for token in has.keys() | wanted.keys() if has.get(token) != wanted.get(token))
    if other:
        shown = ", ".join(f"{token!r} is {has.get(token)}, not {wanted.get(token)}" for token in other[:NAMED])
        raise Correctable(
            f"the teacher in {str(folder)!r} has another vocabulary than the student, {len(other)} tokens differ ({shown}): "
            "their logits do not compare; teach by the teacher's text instead"
        )


def load_teacher(folder: Path) -> TeacherModel:
    """Loads a Hugging Face model folder.

    Raises Correctable where there is none, or where its logits are more than its output matrix times its hidden states
    (a bias, a scale, a cap), which whoever makes them chunk by chunk would miss.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    sha256 = weights_sha256(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)
    model.set_attn_implementation("eager")  # as the trainer does: faster on a CPU for short texts
    teacher = TeacherModel(model=model, head=model.get_output_embeddings().weight, sha256=sha256)
    ids = torch.arange(PROBE_TOKENS).remainder(model.config.vocab_size)[None]
    with torch.no_grad():
        gap = (model(input_ids=ids).logits - teacher.hidden(ids) @ teacher.head.T).abs().max().item()
    if gap > LOGIT_TOLERANCE:
        raise Correctable(
            f"the logits of the model in {str(folder)!r} are not its output matrix times its hidden states: off by {gap:.3g}"
        )
    return teacher
