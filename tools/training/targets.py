"""What a student is compared with at every learned token: a teacher that reads along, or what one said of the shards before.

Both give log-probabilities of the same outcomes for both sides. From a store the outcomes are the tokens that were stored
and one more, "any other": a divergence of distributions lumped together so is never above that of the whole ones. Giving
the mass of the others to the stored tokens instead was measured and is worse (0.8M teacher of *waits*, 99.9 % of its mass
stored): the gradient of js was 60 % off instead of 0.4 %, and that of reverse 103 % instead of 26 %.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..generation import file_sha256
from .alignment import StoredTeacher
from .batches import Batch
from .logit_store import LEAST_REST, STEPS_PER_NAT, LogitStore, StoreMismatch, joined, starts_of
from .teacher_model import TeacherModel, vocabulary_sha256

NEVER = -1e4
"""Log-probability, on both sides, of the empty places of a token that has fewer outcomes than its neighbours."""

Pair = Callable[[Any, slice], tuple[Any, Any]]
"""From the student's logits (places, vocabulary) at some of the batch's learned places: log-probabilities (places, outcomes)
of the student and of the teacher, at the temperature of the loss."""


class Targets(Protocol):
    """Where the teacher's side comes from."""

    def of(self, batch: Batch, learned: Any) -> Pair:
        """The comparison for one batch; `learned` is the (examples, tokens - 1) mask of places whose next token is learned."""
        ...


class LiveTargets:
    """A teacher that reads every batch."""

    def __init__(self, teacher: TeacherModel, vocabulary: int, temperature: float) -> None:
        self.teacher, self._rows, self._temperature = teacher, vocabulary, temperature
        self.states: Any = None
        """The teacher's last hidden states at the learned places of the newest batch."""

    def of(self, batch: Batch, learned: Any) -> Pair:
        """Reads the batch once; its logits are made when they are asked for. Rows that pad the teacher's matrix are no tokens."""
        states = self.states = self.teacher.hidden(batch.ids)[:, :-1][learned]
        head = self.teacher.head[: self._rows]

        def pair(logits: Any, rows: slice) -> tuple[Any, Any]:
            theirs = states[rows] @ head.T
            return (logits / self._temperature).log_softmax(-1), (theirs / self._temperature).log_softmax(-1)

        return pair


class StoredTargets:
    """What a store holds of a job's shards, in memory."""

    def __init__(
        self,
        teacher: StoredTeacher,
        temperature: float,
        vocabulary: Mapping[str, int],
        shards: Sequence[tuple[Path, Sequence[tuple[list[int], int]]]],
    ) -> None:
        """Reads and checks everything. Raises StoreMismatch when the store is not of these shards, this tokenizer or that teacher."""
        store = LogitStore.open(teacher.folder)
        store.require(vocabulary_sha256=vocabulary_sha256(vocabulary))
        if teacher.teacher_sha256 is not None:
            store.require(teacher_sha256=teacher.teacher_sha256)
        if temperature not in store.header.temperatures:
            raise StoreMismatch(
                f"the stored logits in {str(teacher.folder)!r} know the mass of what is not stored at temperatures "
                f"{list(store.header.temperatures)}, not at {temperature!r}: take one of these or store again"
            )
        self.teacher_sha256 = store.header.teacher_sha256
        self._temperature = temperature
        self._at = store.header.temperatures.index(temperature)
        self._all = joined([store.read(path.name, file_sha256(path), rows) for path, rows in shards])

    def of(self, batch: Batch, learned: Any) -> Pair:
        """Looks the batch's rows up."""
        import torch

        found = self._all
        chosen = np.array(batch.rows)
        firsts, lengths = found.row_starts[chosen], np.diff(found.row_starts)[chosen]
        tokens = np.repeat(firsts - starts_of(lengths)[:-1], lengths) + np.arange(lengths.sum())
        counts = np.diff(found.starts)[tokens]
        places = np.arange(counts.max())
        there = places < counts[:, None]
        at = np.where(there, found.starts[tokens][:, None] + places, 0)
        ids = torch.from_numpy(np.where(there, found.ids[at], 0))
        stored = np.where(there, found.codes[at].astype(np.float32) / -STEPS_PER_NAT / self._temperature, NEVER)
        rest = found.rest[tokens, self._at].astype(np.float32) / STEPS_PER_NAT
        outcomes = np.concatenate([stored, rest[:, None]], axis=1, dtype=np.float32)
        theirs = torch.from_numpy(outcomes).log_softmax(-1)
        empty = torch.from_numpy(~there)

        def pair(logits: Any, rows: slice) -> tuple[Any, Any]:
            scaled = logits / self._temperature
            return _lumped(scaled, ids[rows], empty[rows]), theirs[rows].clamp(min=NEVER)

        return pair


def _lumped(logits: Any, ids: Any, empty: Any) -> Any:
    """The student's log-probabilities of the stored tokens and, in the last column, of any other."""
    import torch

    total = logits.logsumexp(-1, keepdim=True)
    stored = (logits.gather(-1, ids) - total).masked_fill(empty, NEVER)
    # An empty place names token 0, which may be no stored one: it is written to a column that is cut off again.
    beyond = logits.shape[-1]
    others = torch.nn.functional.pad(logits, (0, 1), value=NEVER)
    others = others.scatter(-1, ids.masked_fill(empty, beyond), NEVER)[:, :beyond]
    # With every token stored there is no other, and must be no infinity.
    rest = (others.logsumexp(-1, keepdim=True) - total).clamp(min=LEAST_REST / STEPS_PER_NAT)
    return torch.cat([stored, rest], dim=-1)
