"""What a student learns from a batch: its labels, or its teacher's distribution, on the text given or on its own."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from .alignment import HiddenMatching, LogitAlignment, Loss, OnPolicyAlignment
from .batches import IGNORE, Batch
from .distillation_loss import divergences
from .head_loss import head_loss
from .on_policy import Sampler
from .provenance import require_text
from .students import TrainJob
from .targets import LiveTargets, StoredTargets, Targets
from .teacher_model import load_teacher, require_vocabulary


class Lesson(Protocol):
    """One way to learn."""

    def text(self, batch: Batch, number: int) -> Batch:
        """What is read in step `number`: the batch of the shards, or another in its place."""
        ...

    def loss(self, batch: Batch) -> Any:
        """The loss on what `text` gave, a scalar with gradients."""
        ...

    def parameters(self) -> Sequence[Any]:
        """What is trained beside the student."""
        ...


class Labels:
    """The text itself: cross entropy with the next token, nats."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def text(self, batch: Batch, number: int) -> Batch:
        """The batch."""
        return batch

    def loss(self, batch: Batch) -> Any:
        """The mean over the learned tokens."""
        import torch

        logits = self._model(input_ids=batch.ids, use_cache=False).logits
        return torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=IGNORE
        )

    def parameters(self) -> Sequence[Any]:
        """Nothing."""
        return ()


class Aligned:
    """A teacher's distribution, and a share of the labels; optionally its hidden states too."""

    def __init__(
        self,
        model: Any,
        targets: Targets,
        loss: Loss,
        *,
        hard_label_weight: float = 0.0,
        hidden: HiddenMatching | None = None,
    ) -> None:
        self._model, self._targets, self._loss = model, targets, loss
        self._hard, self._hidden = hard_label_weight, hidden
        self._projection = _projection(model, targets) if hidden else None

    def text(self, batch: Batch, number: int) -> Batch:
        """The batch."""
        return batch

    def loss(self, batch: Batch) -> Any:
        """The mean over the learned tokens; hidden states are matched at the same places."""
        import torch

        learned = batch.labels[:, 1:] != IGNORE
        labels = batch.labels[:, 1:][learned]
        pair = self._targets.of(batch, learned)
        states = self._model.base_model(input_ids=batch.ids, use_cache=False).last_hidden_state[:, :-1][learned]
        settings = self._loss.model_dump(exclude={"temperature"})

        def chunk(logits: Any, rows: slice) -> Any:
            student, teacher = pair(logits, rows)
            found = divergences(student, teacher, **settings).sum() * self._loss.temperature**2
            if not self._hard:
                return found
            hard = torch.nn.functional.cross_entropy(logits, labels[rows], reduction="sum")
            return (1 - self._hard) * found + self._hard * hard

        total = head_loss(states, self._model.get_output_embeddings().weight, chunk)
        return total if self._hidden is None else total + self._hidden.weight * self._distance(states)

    def _distance(self, states: Any) -> Any:
        """Mean squared error to the teacher's states at unit mean square."""
        assert isinstance(self._targets, LiveTargets)
        assert self._projection is not None
        theirs = self._targets.states
        return (self._projection(states) - theirs / theirs.square().mean().sqrt()).square().mean()

    def parameters(self) -> Sequence[Any]:
        """The projection of hidden states, where there is one."""
        return () if self._projection is None else tuple(self._projection.parameters())


class OnPolicy:
    """The teacher's distribution on what the student writes itself, in a share of the steps."""

    def __init__(self, aligned: Aligned, sampler: Sampler, share: float) -> None:
        self._aligned, self._sampler, self._share = aligned, sampler, share

    def text(self, batch: Batch, number: int) -> Batch:
        """The student's completions of the batch's prompts, or the batch."""
        import torch

        self._sampler.seed_step(number)
        return self._sampler.rewritten(batch) if torch.rand(()).item() < self._share else batch

    def loss(self, batch: Batch) -> Any:
        """The divergence."""
        return self._aligned.loss(batch)

    def parameters(self) -> Sequence[Any]:
        """Nothing."""
        return ()


def lesson_of(job: TrainJob, model: Any, tokenizer: Any, rows: Sequence[Sequence[tuple[list[int], int]]]) -> Lesson:
    """The lesson of a job; `rows` are those of its shards, shard by shard.

    Raises Correctable or StoreMismatch where the teacher cannot teach this student, or the text is not whose it is said to be.
    """
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    match job.alignment:
        case None:
            return Labels(model)
        case LogitAlignment() as part if part.teacher.kind == "store":
            targets = StoredTargets(
                part.teacher, part.loss.temperature, vocabulary, list(zip(job.shards, rows, strict=True))
            )
            require_text(part, job.shards, targets.teacher_sha256)
            return Aligned(model, targets, part.loss, hard_label_weight=part.hard_label_weight)
        case LogitAlignment() as part:
            live = _live(part.teacher.folder, vocabulary, part.loss)
            require_text(part, job.shards, live.teacher.sha256)
            return Aligned(model, live, part.loss, hard_label_weight=part.hard_label_weight, hidden=part.hidden)
        case OnPolicyAlignment() as part:
            aligned = Aligned(model, _live(part.teacher.folder, vocabulary, part.loss), part.loss)
            sampler = Sampler(
                model,
                tokenizer,
                temperature=part.sampling_temperature,
                max_tokens=job.load_skill().tasks[job.task].max_completion_tokens + 1,  # the end
                seed=job.seed,
            )
            return OnPolicy(aligned, sampler, part.student_share)


def _live(folder: Path, vocabulary: Mapping[str, int], loss: Loss) -> LiveTargets:
    require_vocabulary(folder, vocabulary)
    return LiveTargets(load_teacher(folder), len(vocabulary), loss.temperature)


def _projection(model: Any, targets: Targets) -> Any:
    import torch

    assert isinstance(targets, LiveTargets)
    return torch.nn.Linear(model.config.hidden_size, targets.teacher.head.shape[1])
