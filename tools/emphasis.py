"""More of what a student is weak at: how much more often examples of each family are drawn for its next training, by its own errors."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..state.evidence import FamilyScore
from ..state.plan import FamilyWeight
from ..state.run import RunState
from .jobs import JOB_FILE, RESULT_FILE
from .training.students import TrainJob

NATURAL_SHARE = 0.5
"""Share of a mixed training that stays as examples come by themselves: harder hands alone moved points from the easy ones first."""

LEAST_WEIGHT = 1.2
"""assumption: where no family is to come more often than this, all are about as weak, and a mix would change nothing."""

PRIOR_ITEMS = 10
"""assumption: items of the student's mean error rate that a family counts beside its own, so that few items do not decide."""


def emphasis_of(state: RunState) -> tuple[FamilyWeight, ...]:
    """What the next training from scratch should hold more and less of, weakest family first; empty where accuracy was not missed,
    nothing was measured by family, or examples are not made but given."""
    judged = [attempt for attempt in state.attempts if attempt.evaluations and not attempt.diverged]
    missed = state.verdicts[-1].misses if state.verdicts else ()
    if not judged or state.given is not None or state.checkpoint is not None:
        return ()
    if all(miss.constraint != "accuracy" for miss in missed):
        return ()
    return weights_of(judged[-1].evaluations[0].families)


def weights_of(families: Sequence[FamilyScore]) -> tuple[FamilyWeight, ...]:
    """Half of every family stays as it comes, the other half follows its error rate over the mean one."""
    items = sum(score.exact.n for score in families)
    if not items:
        return ()
    mean = sum((1 - score.exact.value) * score.exact.n for score in families) / items
    if mean <= 0:
        return ()
    weights = [
        FamilyWeight(family=score.family, exact=score.exact.value, weight=round(_weight(score, mean), 3))
        for score in families
    ]
    if max(one.weight for one in weights) < LEAST_WEIGHT:
        return ()
    return tuple(sorted(weights, key=lambda one: (-one.weight, one.family)))


def _weight(score: FamilyScore, mean: float) -> float:
    n = score.exact.n
    rate = ((1 - score.exact.value) * n + PRIOR_ITEMS * mean) / (n + PRIOR_ITEMS)
    return NATURAL_SHARE + (1 - NATURAL_SHARE) * rate / mean


def kept_shares(emphasis: Sequence[FamilyWeight]) -> Mapping[str, float]:
    """Share of each family's examples that is kept when too many are made: all of the weakest's."""
    most = max(one.weight for one in emphasis)
    return {one.family: one.weight / most for one in emphasis}


def shards_with_mix(previous: Path | None, mixed: Sequence[Path], natural: Sequence[Path]) -> tuple[Path, ...]:
    """The shards of a training on a mix. One that goes on from an earlier job reads what that one had read until its decay first, so
    that it goes on where the mix begins; the examples as they come are what is left when the mix is used up."""
    read = _read_until_decay(previous) if previous else ()
    return (*read, *mixed, *(shard for shard in natural if shard not in read))


def _read_until_decay(previous: Path) -> tuple[Path, ...]:
    """The first shards of a job, as many as hold the examples that it had read when its rate began to fall."""
    job = TrainJob.model_validate_json((previous / JOB_FILE).read_bytes())
    result = json.loads((previous / RESULT_FILE).read_bytes())
    lengths = [_lines(shard) for shard in job.shards]
    wanted, held, count = (1 - job.decay_share) * result["epochs"] * sum(lengths), 0, 0
    while held < wanted and count < len(lengths):
        held, count = held + lengths[count], count + 1
    return job.shards[:count]


def _lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)
