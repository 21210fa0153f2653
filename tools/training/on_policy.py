"""The student's own completions of a batch's prompts, the same for the same seed and step whatever ran before."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Any

from .batches import IGNORE, Batch, padded

STEP_SEEDS = 1_000_003
"""Steps of one job's seed before the next seed's begin; a prime far above any number of batches."""


class Sampler:
    """Samples with transformers' generate: no cache of earlier steps could serve a student that changed since."""

    def __init__(self, model: Any, tokenizer: Any, *, temperature: float, max_tokens: int, seed: int) -> None:
        self._model, self._temperature, self._max_tokens, self._seed = model, temperature, max_tokens, seed
        self._pad: int = tokenizer.pad_token_id
        self._end: int = tokenizer.eos_token_id

    def seed_step(self, number: int) -> None:
        """Makes all chance of one step depend on the job's seed and the step alone."""
        import torch

        torch.manual_seed(self._seed * STEP_SEEDS + number)

    def rewritten(self, batch: Batch) -> Batch:
        """The batch's prompts, each with a completion that the student samples now: at most `max_tokens`, the end included."""
        import torch

        prompts = [_prompt(batch, at) for at in range(len(batch.rows))]
        longest = max(map(len, prompts))
        # On the left, as generate wants it: every completion then begins at one place.
        ids = torch.tensor([[self._pad] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        self._model.eval()
        with torch.no_grad():
            written: Any = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=True,
                temperature=self._temperature,
                top_k=0,
                max_new_tokens=self._max_tokens,
                pad_token_id=self._pad,
                eos_token_id=self._end,
            )
        self._model.train()
        rows = [
            ([*prompt, *_until_end(tail, self._end)], len(prompt))
            for prompt, tail in zip(prompts, written[:, longest:].tolist(), strict=True)
        ]
        return padded(rows, range(len(rows)))


def _prompt(batch: Batch, at: int) -> list[int]:
    """The ids before the first that is learned."""
    given = int((batch.labels[at] != IGNORE).int().argmax())
    return batch.ids[at, :given].tolist()


def _until_end(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end) + 1] if end in ids else ids
