"""The job that has a teacher write: `python -m stratos.tools.training.sequences job.json` turns prompts into shards to learn.

It goes shard by shard and continues behind the last whole one. Prompts come from shards, whose own answers are not looked at.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import Field

from ...skills.protocol import Example, Skill
from ...state.errors import Correctable
from ..generation import file_sha256
from ..jobs import SkillJob, TimedJob, main, progress, write_atomic
from ..serving.engine import Call, Engine, Settings, open_engine
from .batches import read_examples
from .provenance import Counts, Provenance, Sampling, Written, read_provenance, write_provenance
from .teacher_model import weights_sha256

BATCH = 64
"""Completions drawn at a time, which fill the CPU engine."""


class SequencesJob(SkillJob, TimedJob):
    """Has a teacher answer the prompts of every shard; `output` gets a shard of the same name for each, and their provenance."""

    teacher: Path = Field(description="Hugging Face model folder")
    shards: tuple[Path, ...]
    output: Path
    sampling: Sampling = Sampling()
    threads: int = Field(default=1, gt=0)


def write_sequences(job: SequencesJob, folder: Path) -> dict[str, object]:
    """Runs or continues the job; returns the figures of result.json. Raises Correctable where `output` holds other text."""
    provenance = _begun(job)
    skill, engine = job.load_skill(), open_engine(job.teacher, threads=job.threads)
    for number, shard in enumerate(job.shards):
        progress(number, len(job.shards), "shards")
        source, there = file_sha256(shard), provenance.shards.get(shard.name)
        if there is None or there.source_sha256 != source:
            seed = (job.sampling.seed * len(job.shards) + number) << 20
            examples, counts = answered(
                skill, job.task, engine, [one.prompt for one in read_examples(shard)], job.sampling, seed
            )
            text = "".join(json.dumps(asdict(example)) + "\n" for example in examples)
            write_atomic(job.output / shard.name, text)
            written = Written(source_sha256=source, sha256=file_sha256(job.output / shard.name), counts=counts)
            provenance = provenance.model_copy(update={"shards": {**provenance.shards, shard.name: written}})
            write_provenance(job.output, provenance)
    progress(len(job.shards), len(job.shards), "shards")
    total = Counter[str]()
    for shard in job.shards:
        total.update(provenance.shards[shard.name].counts.model_dump())
    return {
        "teacher_sha256": provenance.teacher_sha256,
        "shards": [shard.name for shard in job.shards],
        **{name: total[name] for name in Counts.model_fields},
        "disagreement_rate": total["disagreeing"] / max(1, total["prompts"]),
    }


def _begun(job: SequencesJob) -> Provenance:
    """What was written before, which must have been written the same way."""
    job.output.mkdir(parents=True, exist_ok=True)
    new = Provenance(teacher_sha256=weights_sha256(job.teacher), skill=job.skill, task=job.task, sampling=job.sampling)
    there = read_provenance(job.output)
    if there is None:
        write_provenance(job.output, new)
        return new
    wanted, has = new.model_dump(exclude={"shards"}), there.model_dump(exclude={"shards"})
    wrong = [f"{name} is {has[name]!r}, not {value!r}" for name, value in wanted.items() if has[name] != value]
    if wrong:
        raise Correctable(f"{str(job.output)!r} holds text written otherwise: {'; '.join(wrong)}; take another folder")
    return there


def answered(
    skill: Skill, task: str, engine: Engine, prompts: Sequence[str], sampling: Sampling, seed: int
) -> tuple[list[Example], Counts]:
    """The completions of some prompts that are kept, as examples in the prompts' order, and what became of the others."""
    drawn = _drawn(skill, task, engine, prompts, sampling, seed)
    kept, tally = list[Example](), Counter[str]()
    for prompt, texts in zip(prompts, drawn, strict=True):
        read = [taken_apart(skill, prompt, text) for text in texts]
        good: Counter[Example] = Counter()
        for example, text in zip(read, texts, strict=True):
            if example is None:
                tally["malformed"] += 1
            elif sampling.verify and not skill.verify(task, prompt, text).exact:
                tally["rejected"] += 1
            else:
                good[example] += 1
        chosen = [example for example, _ in good.most_common(sampling.keep)]
        tally["repeated"] += good.total() - len(good)
        tally["surplus"] += len(good) - len(chosen)
        tally["disagreeing"] += len({example and example.answer for example in read}) > 1
        tally["unanswered"] += not chosen
        kept += chosen
    every = ("malformed", "rejected", "repeated", "surplus", "disagreeing", "unanswered")
    return kept, Counts(
        prompts=len(prompts),
        drawn=len(prompts) * sampling.samples,
        kept=len(kept),
        **{name: tally[name] for name in every},
    )


def _drawn(
    skill: Skill, task: str, engine: Engine, prompts: Sequence[str], sampling: Sampling, seed: int
) -> list[list[str]]:
    """The texts of every prompt, in batches of a seed each: whoever draws a shard again draws the same."""
    asked = [
        ids
        for prompt in prompts
        for ids in [engine.encode_chat([{"role": "user", "content": prompt}])] * sampling.samples
    ]
    texts = list[str]()
    for number, at in enumerate(range(0, len(asked), BATCH)):
        settings = Settings(
            max_tokens=skill.tasks[task].max_completion_tokens + 1,  # the end
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=seed + number,
        )
        calls = [Call(prompt=ids, settings=settings) for ids in asked[at : at + BATCH]]
        texts += [completion.text for completion in engine.complete(calls)]
    return [texts[at : at + sampling.samples] for at in range(0, len(texts), sampling.samples)]


def taken_apart(skill: Skill, prompt: str, text: str) -> Example | None:
    """The example whose completion is this very text; None when there is none.

    What a skill writes between rationale and answer is seen in a completion of its own.
    """
    mark = skill.completion(Example(prompt=prompt, rationale="R", answer="A"), rationale=True)[1:-1]
    rationale, found, answer = text.rpartition(mark)
    if not found and text.startswith(mark.lstrip()):
        answer = text.removeprefix(mark.lstrip())
    example = Example(prompt=prompt, rationale=rationale, answer=answer)
    return example if skill.completion(example, rationale=True) == text else None


if __name__ == "__main__":
    main(SequencesJob, write_sequences)
