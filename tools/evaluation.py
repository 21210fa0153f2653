"""The evaluation job: greedy answers of a student and its controls on one split, judged by the verifier, and its latency.

It measures only; whether the figures are good enough is the judge's part.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from ..skills.protocol import Check, Example
from ..state.evidence import FamilyScore, Latency, Sampled, Score, wilson
from ..state.paired import pair
from .answering import Writing, write_answers
from .controls import WORD_COUNTS, Guess, guesses_of, right_answers
from .generation import file_sha256
from .given_model.sampling import chosen, sampled_answers
from .jobs import Job, SkillJob, TimedJob, main, progress, write_atomic
from .serving.deployments import temporary_server
from .serving.measuring import measure_speed
from .training.batches import read_examples
from .tuning.answers import Engine
from .verdicts import STUDENT, write_verdicts
from .weights import weights_sha256


class NamedModel(Job):
    """A trained model to evaluate, by its folder."""

    name: str
    folder: Path
    items: int | None = Field(default=None, gt=0, description="only this many items of the split; null: all")
    seconds: float | None = Field(
        default=None, gt=0, description="no further item is begun after so long; null: as long as it takes"
    )
    engine: Engine = Field(default="ctranslate2", description="what writes the answers")


class EvaluateJob(SkillJob, TimedJob):
    """Evaluates models[0], the student, and the other models as controls, beside the controls that need no model."""

    split: Path
    split_sha256: str
    models: tuple[NamedModel, ...]
    fit_shards: tuple[Path, ...] = Field(description="training shards the model-free controls are fitted on")
    latency_requests: int = Field(ge=0)
    answer_tokens: int | None = Field(
        default=None, gt=0, description="the most of an answer, counted as the models do; null: the task's own"
    )
    sampled_below: float | None = Field(
        default=None,
        description="where the lower end of the student's exact share is below, it is told what a reward could teach it; null: never",
    )
    threads: int = Field(default=1, gt=0)
    seed: int


def evaluate(job: EvaluateJob, folder: Path) -> dict[str, object]:
    """Runs the job; returns the figures of result.json but for its seconds. Raises ValueError when the split is not the
    one recorded."""
    if file_sha256(job.split) != job.split_sha256:
        raise ValueError(f"{job.split.name} is not the file whose hash was recorded when it was made")
    items = read_examples(job.split)
    checks = [_judged_answers(job, model, items, folder) for model in job.models]
    exact = [[check.exact for check in judged] for judged in checks]
    names = (STUDENT, *(model.name for model in job.models[1:]))
    scores = [_score(model, judged, len(items)) for model, judged in zip(job.models, checks, strict=True)]
    paired = [
        score.model_copy(update={"paired": pair(exact[0], other), "weights_sha256": weights_sha256(model.folder)})
        for model, score, other in zip(job.models[1:], scores[1:], exact[1:], strict=True)
    ]
    latency = _latency(job, items, folder) if job.latency_requests else None
    sampled = _sampled(job) if job.sampled_below is not None and scores[0].exact.low < job.sampled_below else None
    return {
        "split": job.split.stem,
        "split_sha256": job.split_sha256,
        "student": scores[0].model_dump(),
        "families": [score.model_dump() for score in by_family(items, checks[0])],
        "controls": [score.model_dump() for score in (*paired, *_free_controls(job, items, exact[0]))],
        "latency": latency.model_dump() if latency else None,
        "sampled": sampled.model_dump() if sampled else None,
        "weights_sha256": weights_sha256(job.models[0].folder),
        "verdicts": write_verdicts(folder, job.split_sha256, dict(zip(names, exact, strict=True))).model_dump(),
    }


def _judged_answers(job: EvaluateJob, model: NamedModel, items: Sequence[Example], folder: Path) -> list[Check]:
    """Answers every item greedily and has the verifier judge; the answers are kept beside the result for an audit."""
    skill = job.load_skill()
    chosen = items[: model.items]
    writing = Writing(max_tokens=_answer_tokens(job), threads=job.threads, seconds=model.seconds, engine=model.engine)
    texts = write_answers(
        model.folder,
        [example.prompt for example in chosen],
        writing,
        on_progress=lambda done, total: progress(done, total, "answers", what=model.name),
    )
    chosen = chosen[: len(texts)]
    checks = [skill.verify(job.task, example.prompt, text) for example, text in zip(chosen, texts, strict=True)]
    lines = (
        json.dumps(
            {"prompt": example.prompt, "completion": text, "exact": check.exact, "answer_right": check.answer_right}
        )
        for example, text, check in zip(chosen, texts, checks, strict=True)
    )
    write_atomic(folder / f"answers-{model.name}.jsonl", "\n".join(lines) + "\n")
    return checks


def _answer_tokens(job: EvaluateJob) -> int:
    return job.answer_tokens or job.load_skill().tasks[job.task].max_completion_tokens + 1


def _score(model: NamedModel, checks: Sequence[Check], items: int) -> Score:
    cut_off = model.seconds is not None and len(checks) < items
    late = f"; its time was over after the first {len(checks)} of {items} items" if cut_off else ""
    return Score(
        name=model.name,
        exact=wilson(sum(check.exact for check in checks), len(checks)),
        answer=wilson(sum(check.answer_right for check in checks), len(checks)),
        note=f"{sum(not check.parsed for check in checks)} of {len(checks)} completions had no valid form{late}",
    )


def by_family(items: Sequence[Example], checks: Sequence[Check]) -> list[FamilyScore]:
    """The exact share of every family, in the order of the alphabet; items without a family count in none."""
    exact: defaultdict[str, list[bool]] = defaultdict(list)
    for item, check in zip(items, checks, strict=False):  # a model may have answered the first items only
        if item.family:
            exact[item.family].append(check.exact)
    return [FamilyScore(family=name, exact=wilson(sum(exact[name]), len(exact[name]))) for name in sorted(exact)]


def _free_controls(job: EvaluateJob, items: Sequence[Example], student: Sequence[bool]) -> list[Score]:
    """The most frequent answer, the shortcut that does best on the training data it was fitted on, and a bag of words."""
    skill = job.load_skill()
    training = [example for shard in job.fit_shards for example in read_examples(shard)]
    constant, *others = guesses_of(skill, job.task, training)
    fitted = {
        guess.name: right_answers(skill, job.task, guess, training) for guess in others if guess.name != WORD_COUNTS
    }
    best = max((guess for guess in others if guess.name in fitted), key=lambda guess: fitted[guess.name], default=None)
    # A bag of words is right on what it was fitted on; it is shown beside the best shortcut, never in its place.
    controls = [constant, *([best] if best else []), *(guess for guess in others if guess.name == WORD_COUNTS)]
    scores: list[Score] = []
    for control in controls:
        exact = _exact(job, control, items)
        scores.append(
            Score(
                name=control.name,
                exact=wilson(sum(exact), len(exact)),
                answer=wilson(right_answers(skill, job.task, control, items), len(items)),
                note="needs no model",
                paired=pair(student, exact),
            )
        )
    return scores


def _exact(job: EvaluateJob, control: Guess, items: Sequence[Example]) -> list[bool]:
    """Whether each answer of the guess is exact, without a proof."""
    skill = job.load_skill()
    bare = (Example(prompt=item.prompt, rationale="", answer=control.answer(item.prompt)) for item in items)
    return [skill.verify(job.task, item.prompt, skill.completion(item, rationale=False)).exact for item in bare]


def _sampled(job: EvaluateJob) -> Sampled:
    """What a reward could teach the student, by answers to the questions that the guesses were fitted on."""
    learned = [example for shard in job.fit_shards for example in read_examples(shard)]
    student = job.models[0]
    return sampled_answers(
        student.folder,
        job.load_skill(),
        job.task,
        chosen(learned, job.seed),
        Writing(max_tokens=_answer_tokens(job), threads=job.threads, engine=student.engine, seed=job.seed),
        on_progress=lambda done, total: progress(done, total, "answers", what="sampled"),
    )


def _latency(job: EvaluateJob, items: Sequence[Example], folder: Path) -> Latency:
    """Single requests one after another, then many clients at once, over HTTP against the student's own server."""
    prompts = [item.prompt for item in items[: job.latency_requests]]
    with temporary_server(job.models[0].folder, folder / "server", threads=job.threads) as server:
        return measure_speed(server.base_url, server.api_key, server.model, prompts, max_tokens=_answer_tokens(job))


if __name__ == "__main__":
    main(EvaluateJob, evaluate)
