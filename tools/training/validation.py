"""Readings of examples that are never learned: whether a student still gets better, and when its rate should begin to fall."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from typing import Any

from .batches import IGNORE, padded

READINGS = 20
"""In a training, evenly over its tokens."""

PATIENCE = 4
"""Readings in a row that are no better."""

LEARNED_BY_HEART = 0.5
"""The training's loss as a share of the validation's from which on it learns what only its own examples hold. A student that has not
found out yet what its task is has no such gap, and is not stopped."""

BATCH_ROWS = 64


class Watch:
    """What the readings showed so far."""

    def __init__(self, rows: Sequence[tuple[list[int], int]], every_tokens: float) -> None:
        self._rows, self._every = sorted(rows, key=lambda row: len(row[0])), every_tokens
        self.exact, self.loss, self.worse, self.read_at = -1.0, float("inf"), 0, 0

    def is_due(self, tokens: int) -> bool:
        """Whether it is time for the next reading."""
        return tokens - self.read_at >= self._every

    def read(self, model: Any, tokens: int) -> None:
        """Reads every example. Better is a larger share that the student would write exactly as given, or a lower loss."""
        exact, loss = _reading(model, self._rows)
        self.worse = 0 if exact > self.exact or loss < self.loss else self.worse + 1
        self.exact, self.loss, self.read_at = max(exact, self.exact), min(loss, self.loss), tokens

    def is_over(self, training_loss: float) -> bool:
        """Whether more of the same would teach nothing that holds beyond the training's own examples."""
        return self.worse >= PATIENCE and training_loss < LEARNED_BY_HEART * self.loss

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"exact": self.exact, "loss": self.loss, "worse": self.worse, "read_at": self.read_at}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes what a checkpoint kept."""
        self.exact, self.loss, self.worse, self.read_at = (
            state[name] for name in ("exact", "loss", "worse", "read_at")
        )


def _reading(model: Any, rows: Sequence[tuple[list[int], int]]) -> tuple[float, float]:
    """Share of rows whose learned tokens are all the likeliest, which greedy decoding would write, and the mean loss in nats a token."""
    import torch

    right, lost, learned = 0, 0.0, 0
    with torch.inference_mode():
        for at in range(0, len(rows), BATCH_ROWS):
            batch = padded(rows, range(at, min(at + BATCH_ROWS, len(rows))))
            logits, labels = model(input_ids=batch.ids, use_cache=False).logits[:, :-1], batch.labels[:, 1:]
            counts = labels != IGNORE
            lost += float(
                torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE, reduction="sum"
                )
            )
            learned += int(counts.sum())
            right += int(((logits.argmax(-1) == labels) | ~counts).all(1).sum())
    return right / len(rows), lost / learned
