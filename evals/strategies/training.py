"""Trains one small student of a family in every way, with equal tokens, and measures each on the same held-out questions."""

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path

from ...skills.given.folder import Manifest, completion_text
from ...skills.given.tokens import shared_words
from ...skills.protocol import Example
from ...state.evidence import Interval, wilson
from ...state.plan import Strategy, StudentShape
from ...tools.serving.engine import Settings, open_engine
from ...tools.training.students import TrainJob
from ...tools.training.train import train
from .families import Family, Questions

SHAPE = StudentShape(name="eval-0.1M", hidden=64, layers=3, heads=2, feed_forward=176)
TOKENS = 600_000
WARM_UP_TOKENS = 10_000
WAYS: Sequence[str] = ("answers", "ways", "teacher")
"""Taught the right answers alone; the right answers with the worked ways to them; what the teacher says, ways and answers."""


def lessons(family: Family, questions: Questions, seed: int) -> Mapping[str, tuple[Strategy, list[Example]]]:
    """What each way of teaching reads. The teacher is asked every question that is no test; where the right answer is known,
    what it says is kept only if it is right."""
    asked = family.taught([*questions.labelled, *questions.unlabelled], seed)
    known = {example.prompt: example.answer for example in questions.labelled}
    said = [one for one in asked if known.get(one.prompt, one.answer) == one.answer]
    return {
        "answers": ("answer_only", questions.labelled),
        "ways": ("rationale", questions.labelled),
        "teacher": ("rationale", said),
    }


def open_family(questions: Questions, taught: Sequence[Example], folder: Path) -> None:
    """Writes the folder that the skill `table` is opened over: the family's words, its test questions, what verifies them."""
    folder.mkdir(parents=True)
    every = [*questions.test, *questions.labelled, *questions.unlabelled, *taught]
    texts = [text for one in every for text in (one.prompt, completion_text(one, rationale=True))]
    words = shared_words(texts, ())
    assert words is not None
    manifest = Manifest(
        metric="exact",
        verifier=None,
        vocabulary=tuple(words),
        pieces=False,
        splits=("dev",),
        worked=True,
        max_prompt_tokens=max(len(one.prompt.split()) for one in every),
        max_completion_tokens=max(len(text.split()) for text in texts[1::2]),
    )
    write(folder / "train.jsonl", questions.labelled)
    write(folder / "dev.jsonl", questions.test)
    (folder / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")


def write(path: Path, examples: Sequence[Example]) -> None:
    """A shard."""
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in examples), encoding="utf-8")


def measured(family: Family, questions: Questions, seed: int, tokens: int, folder: Path) -> dict[str, Interval]:
    """The share of right final answers of a student taught in each way."""
    given = lessons(family, questions, seed)
    open_family(questions, given["teacher"][1], folder / "given")
    return {way: _trained(strategy, examples, seed, tokens, folder, way) for way, (strategy, examples) in given.items()}


def _trained(
    strategy: Strategy, examples: Sequence[Example], seed: int, tokens: int, folder: Path, way: str
) -> Interval:
    at = folder / way
    at.mkdir()
    write(at / "train.jsonl", examples)
    job = TrainJob(
        skill="table",
        task="answer",
        skill_data=folder / "given",
        student=SHAPE,
        target=strategy,
        shards=(at / "train.jsonl",),
        tokens=tokens,
        warm_up_tokens=WARM_UP_TOKENS,
        seed=seed,
        checkpoint_every_s=600,
    )
    with redirect_stdout(io.StringIO()):  # where a job's progress goes, and an eval's document
        train(job, at)
    skill, engine = job.load_skill(), open_engine(at / "model")
    assert skill.given is not None
    test = skill.given.splits["dev"]
    prompts = [engine.encode_chat([{"role": "user", "content": one.prompt}]) for one in test]
    limit = Settings(max_tokens=skill.tasks["answer"].max_completion_tokens + 1)
    texts = [completion.text for completion in engine.generate(prompts, limit)]
    right = [skill.verify("answer", one.prompt, text).answer_right for one, text in zip(test, texts, strict=True)]
    return wilson(sum(right), len(right))
