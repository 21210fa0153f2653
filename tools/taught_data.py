"""What a teacher writes for the students of a user's own examples: the job that has it written, and the folder that is learned from."""

from statistics import fmean
from typing import Any

from ..skills import load as load_skill
from ..skills.given.folder import TRAIN, read_examples, with_lessons
from ..state.evidence import Interval
from ..state.run import Complexity, GivenFacts
from ..state.teaching import Lessons
from .base import Context
from .costs import clock_s, generation_minutes
from .teaching.access import CACHE_FOLDER, teacher_choice
from .teaching.answers import AnswersJob
from .teaching.budget import RATIONALES, lessons_usd
from .teaching.opening import TeacherChoice, WritingJob
from .teaching.rationales import RationalesJob
from .training.tokenizer import text_encoders
from .waiting import JobRequest, run

TAUGHT_FOLDER = "taught"
FEWEST_TAUGHT = 20
"""Fewer questions teach nothing that the answers alone would not."""


def written_lessons(context: Context, given: GivenFacts) -> tuple[Lessons, float]:
    """Has the teacher write, and says what came of it and in how many seconds; the texts are in the step's folder."""
    assert context.brief.teacher is not None
    assert context.state.complexity is not None
    with teacher_choice(context.brief.teacher, context.step_folder) as teacher:
        module, job = _job(context, teacher)
        request = JobRequest(module=module, job=job, folder=context.step_folder, offer=context.state.known_plan.offer)
        result: dict[str, Any] = run(context.executor, request, context.emit)
    disagreement = result.get("disagreement", result.get("wrong"))
    lessons = Lessons(
        teacher=result["teacher"],
        way=context.state.complexity.way,
        asked=result["asked"],
        kept=result["kept"],
        rejected=result["rejected"],
        questions=len({one.prompt for one in read_examples(job.shard)}),
        disagreement=Interval.model_validate(disagreement) if disagreement else None,
        stopped_by=result["stopped_by"],
        usd=result["spent"]["usd"],
        notes=tuple(result["notes"]),
    )
    for note in lessons.notes:
        context.emit({"event": "note", "text": note})
    return lessons, result["seconds"]


def taught(context: Context, given: GivenFacts, lessons: Lessons) -> GivenFacts:
    """Writes the folder that is learned from; the splits stay the files that were sealed."""
    written = with_lessons(
        context.run_folder / given.folder,
        read_examples(context.step_folder / "lessons.jsonl"),
        context.run_folder / TAUGHT_FOLDER,
    )
    return given.model_copy(
        update={
            "folder": TAUGHT_FOLDER,
            "train": lessons.kept,
            "train_sha256": written.sha256[TRAIN],
            "with_rationales": written.worked,
            "vocabulary": written.vocabulary,
            "taught_by": lessons.teacher,
        }
    )


def without_lessons(complexity: Complexity, lessons: Lessons) -> Complexity:
    """The complexity where a teacher gave too little to learn from: answers alone are left."""
    why = ", ".join(f"{reason} ({count})" for reason, count in sorted(lessons.rejected.items())) or "none"
    said = (
        f"teacher {lessons.teacher} gave something to learn for {lessons.questions} questions, fewer than {FEWEST_TAUGHT}: answers "
        f"alone are taught; of {lessons.asked} texts were rejected: {why}"
    )
    return complexity.model_copy(update={"way": "answers", "evidence": (*complexity.evidence, said)})


def with_lengths(context: Context, given: GivenFacts, complexity: Complexity) -> Complexity:
    """The complexity with the lengths of what is learned now, in the tokens that it is learned in."""
    skill = load_skill(context.brief.skill, context.run_folder / given.folder)
    learned = read_examples(context.run_folder / given.folder / f"{TRAIN}.jsonl")
    prompts, completions = text_encoders(skill)
    lengths = sorted(map(len, completions([skill.completion(one, rationale=True) for one in learned])))
    return complexity.model_copy(
        update={
            "rationale_tokens": fmean(lengths),
            "rationale_tokens_p95": lengths[len(lengths) * 95 // 100],
            "answer_tokens": fmean(map(len, completions([skill.completion(one, rationale=False) for one in learned]))),
            "prompt_tokens": fmean(map(len, prompts([one.prompt for one in learned]))),
        }
    )


def _job(context: Context, teacher: TeacherChoice) -> tuple[str, WritingJob]:
    """The job of the way that was chosen, and its module."""
    assert context.state.complexity is not None
    common: dict[str, Any] = {
        "skill": context.brief.skill,
        "task": context.brief.task,
        "skill_data": context.skill_data,
        "teacher": teacher,
        "seed": context.settings.seed,
        "usd_limit": lessons_usd(context.state),
        "cache_folder": context.workspace / CACHE_FOLDER,
        "shard": context.step_folder / "lessons.jsonl",
        "wall_clock_s": clock_s(generation_minutes(context.state), context.state.known_plan.offer),
    }
    if context.state.complexity.way == "ways":
        return "stratos.tools.teaching", RationalesJob(rationales=RATIONALES, **common)
    return "stratos.tools.teaching.answers", AnswersJob(**common)
