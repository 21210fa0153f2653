"""Models that are asked before anything is trained: the teacher that a brief names, and the checkpoint that is to be taught."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..skills.given.folder import TRAIN
from ..skills.protocol import Example
from ..state.evidence import Score
from ..state.plan import Strategy
from ..state.teaching import Familiarity, TeacherEvidence
from .base import Context
from .evaluation import EvaluateJob, NamedModel
from .generation import file_sha256
from .given_model.familiarity import FamiliarityJob
from .given_model.taking import base_model, own_strategy
from .jobs import write_atomic
from .teaching.access import CACHE_FOLDER, teacher_choice
from .teaching.budget import PROBE_SAMPLES, PROBE_TOKENS, probe_usd
from .teaching.probe import ProbeJob
from .waiting import JobRequest, run

STUDENT_SECONDS = 120.0
"""How long a checkpoint may answer the probe; of a large one on a CPU the first batch alone is asked."""
READING_SECONDS = 30.0
"""How long it may read the probe's questions and answers after that, to tell how foreign they are to it."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the probe of a teacher gave, and the seconds it took."""

    evidence: TeacherEvidence
    seconds: float


def asked_teacher(context: Context, items: int) -> Asked | None:
    """The probe of the brief's teacher; None where none was named, or where asking costs money and only a plan is wanted."""
    source, usd = context.brief.teacher, probe_usd(context.state)
    if source is None or (context.settings.plan_only and usd > 0):
        return None
    with teacher_choice(source, context.step_folder) as teacher:
        job = ProbeJob(
            skill=context.brief.skill,
            task=context.brief.task,
            skill_data=context.skill_data,
            teacher=teacher,
            items=items,
            samples=PROBE_SAMPLES,
            max_tokens=PROBE_TOKENS,
            seed=context.settings.seed,
            usd_limit=usd,
            cache_folder=context.workspace / CACHE_FOLDER,
        )
        request = JobRequest(module="stratos.tools.teaching.probe", job=job, folder=context.step_folder)
        found: dict[str, Any] = run(context.executor, request, context.emit)
    for note in found.pop("notes"):
        context.emit({"event": "note", "text": note})
    seconds = found.pop("seconds")
    return Asked(evidence=TeacherEvidence.model_validate(found), seconds=seconds)


@dataclass(frozen=True, kw_only=True)
class Before:
    """The checkpoint before it was taught anything: its right answers to the probe, how foreign that is to it, the seconds both took."""

    score: Score
    familiarity: Familiarity
    seconds: float


def student_before(context: Context, probe: Sequence[Example]) -> Before | None:
    """Asks the checkpoint that is to be taught; None where students are built from scratch, which know nothing."""
    checkpoint, given = context.state.checkpoint, context.state.given
    if checkpoint is None:
        return None
    strategy = own_strategy(given)
    folder = context.step_folder / "student"
    folder.mkdir(parents=True, exist_ok=True)
    model = base_model(context.run_folder, checkpoint, strategy)
    answered = run(context.executor, _answering(context, probe, model, checkpoint.answer_tokens, folder), context.emit)
    read = run(context.executor, _reading(context, probe, model, strategy, folder), context.emit)
    seconds = float(answered["seconds"]) + float(read.pop("seconds"))
    return Before(
        score=Score.model_validate(answered["student"]), familiarity=Familiarity.model_validate(read), seconds=seconds
    )


def _answering(context: Context, probe: Sequence[Example], model: Path, answer_tokens: int, folder: Path) -> JobRequest:
    given = context.state.given
    items = folder / "probe.jsonl"
    write_atomic(items, "".join(json.dumps(asdict(one)) + "\n" for one in probe))
    gpus = context.state.machine.gpus if context.state.machine else ()
    named = NamedModel(
        name="student", folder=model, seconds=STUDENT_SECONDS, engine="transformers" if gpus else "ctranslate2"
    )
    job = EvaluateJob(
        skill=context.brief.skill,
        task=context.brief.task,
        skill_data=context.skill_data,
        split=items,
        split_sha256=file_sha256(items),
        models=(named,),
        fit_shards=(context.run_folder / given.folder / f"{TRAIN}.jsonl" if given else items,),
        latency_requests=0,
        answer_tokens=answer_tokens,
        threads=context.settings.threads,
        seed=context.settings.seed,
    )
    return JobRequest(module="stratos.tools.evaluation", job=job, folder=folder, threads=job.threads)


def _reading(context: Context, probe: Sequence[Example], model: Path, strategy: Strategy, folder: Path) -> JobRequest:
    skill, shard = context.load_skill(), folder / "texts.jsonl"
    completions = [skill.completion(one, rationale=strategy == "rationale") for one in probe]
    lines = [
        {"prompt": one.prompt, "completion": completion} for one, completion in zip(probe, completions, strict=True)
    ]
    write_atomic(shard, "".join(json.dumps(line) + "\n" for line in lines))
    job = FamiliarityJob(model=model, shard=shard, seconds=READING_SECONDS, threads=context.settings.threads)
    module = "stratos.tools.given_model.familiarity"
    return JobRequest(module=module, job=job, folder=folder / "familiarity", threads=job.threads)


def is_readable(found: TeacherEvidence) -> bool:
    """Whether most answers could be read: if not, nothing is known of the teacher."""
    return 2 * sum(found.unusable.values()) <= found.items * (found.samples + 2)


def teacher_lines(found: TeacherEvidence) -> tuple[str, ...]:
    """What a teacher's answers show, in words."""
    steps = f"; {found.rationale_tokens:.0f} tokens where it writes steps" if found.rationale_tokens else ""
    unusable, asked = sum(found.unusable.values()), found.items * (found.samples + 2)
    if not is_readable(found):
        return (
            f"teacher {found.teacher}: {unusable} of {asked} answers could not be read ({_counted(found.unusable)}), so nothing is "
            "known of it: an answer must end with a line `#### ANSWER`, as it is asked to",
        )
    known = asked - found.spent.calls
    return (
        f"teacher {found.teacher}: {found.accuracy.value:.0%} of {found.items} right, 95 % interval {found.accuracy.low:.0%} to "
        f"{found.accuracy.high:.0%}{steps}",
        f"its {found.samples} samples an item agree by {found.agreement:.0%} (entropy {found.answer_entropy_nats:.2f} nats); the answer "
        f"that most give is right on {found.vote_accuracy.value:.0%}",
        f"told the {found.hint}: {found.hinted_accuracy.value:.0%} right",
        *((f"{unusable} of its answers could not be read: {_counted(found.unusable)}",) if unusable else ()),
        *((f"{known} of its {asked} answers were in the workspace already ({CACHE_FOLDER})",) if known > 0 else ()),
    )


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items(), key=lambda one: -one[1]))
