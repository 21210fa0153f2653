"""How likely a model holds texts: the mean negative log-likelihood of a token, by transformers on a GPU or the CPU."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

UNKNOWN_CONTEXT_TOKENS = 1024
"""Read at most of a text where the model does not say how much it can."""


class Likelihood:
    """A model that reads texts and writes none."""

    def __init__(self, folder: Path, threads: int) -> None:
        """Loads the model and its tokenizer, which cuts text as tokenizer.json says."""
        import torch
        from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

        torch.set_num_threads(threads)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder)
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
        self._model = loaded.to(self._device).eval()
        self._longest = int(getattr(self._model.config, "max_position_embeddings", 0) or UNKNOWN_CONTEXT_TOKENS)

    def tokens(self, text: str) -> list[int]:
        """A text's tokens behind the mark of a beginning, where the model knows one; cut off where it reads no further."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        begin = self.tokenizer.bos_token_id
        return (ids if begin is None else [begin, *ids])[: self._longest]

    def nats(self, ids: Sequence[int], known: int = 1) -> float:
        """Mean negative log-likelihood, nats, of the tokens behind the first `known`, at least one of each."""
        import torch

        with torch.inference_mode():
            given = torch.tensor([list(ids)], device=self._device)
            logits = self._model(given).logits[0, known - 1 : -1].float()  # half precision loses small differences
            return torch.nn.functional.cross_entropy(logits, given[0, known:]).item()
