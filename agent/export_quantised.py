"""A run's student in fewer bits, beside the one it trained: made and held against it by a job, then copied for ctranslate2 or vLLM."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..skills import load as load_skill
from ..state.errors import OutputError
from ..state.workspace import Workspace
from ..tools.evaluate import longest_answer
from ..tools.executor import Event, Executor
from ..tools.generate_data import DEVELOPMENT
from ..tools.generation import file_sha256
from ..tools.quantising import WEIGHTS, Quantised, QuantiseJob
from ..tools.serving.engine import EngineName
from ..tools.waiting import JobRequest, run
from .model_facts import StudentFacts

CHOICES: dict[str, EngineName] = {"int8": "ctranslate2", "int8-vllm": "vllm"}
"""What may be asked for, and what it is written for."""
COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
)
"""What a program beside ctranslate2 needs to ask it in the student's own tokens."""


def quantiser(
    workspace: Workspace,
    engine: EngineName,
    executor: Executor,
    on_event: Callable[[Event], None] | None = None,
) -> Callable[[StudentFacts, Path, str], Quantised]:
    """What makes a run's student smaller, given what is known of it, its folder and its weights' hash.

    It raises ToolFailed where that does not succeed, OutputError where its files were changed since an earlier call made them.
    """

    def made(facts: StudentFacts, model: Path, weights: str) -> Quantised:
        job = _job(workspace, facts, model, engine)
        made_for = "" if engine == "ctranslate2" else f"{engine}-"
        folder = workspace.run_folder(facts.run_id) / "quantised" / f"{job.precision}-{made_for}{weights[:12]}"
        request = JobRequest(module="stratos.tools.quantising", job=job, folder=folder, threads=job.threads)
        result: dict[str, Any] = run(executor, request, on_event)
        found = Quantised.model_validate({name: value for name, value in result.items() if name != "seconds"})
        weights_file = Path(found.folder) / WEIGHTS[found.engine]
        if not weights_file.is_file() or file_sha256(weights_file) != found.sha256:
            raise OutputError(f"{found.folder} is no longer what was measured: delete {folder}, and call this again")
        return found

    return made


def _job(workspace: Workspace, facts: StudentFacts, model: Path, engine: EngineName) -> QuantiseJob:
    run_folder = workspace.run_folder(facts.run_id)
    split = next(one for one in facts.data.splits if one.name == DEVELOPMENT)
    skill_data = run_folder / facts.learned.folder if facts.learned else None
    skill = load_skill(facts.brief.skill, skill_data)
    given = (facts.checkpoint, facts.data, facts.attempt.candidate.strategy)
    return QuantiseJob(
        skill=facts.brief.skill,
        task=facts.brief.task,
        skill_data=skill_data,
        model=model,
        engine=engine,
        split=run_folder / split.path,
        split_sha256=split.sha256,
        answer_tokens=longest_answer(run_folder, skill, *given),
        threads=int(facts.settings.get("threads", 1)),
    )


def quantised_folder(found: Quantised) -> str:
    """Its name beside the float model's files."""
    return f"{found.engine}-{found.precision}"


def copy_quantised(found: Quantised, model: Path, folder: Path) -> None:
    """The smaller model, for ctranslate2 with the tokenizer's files, as its own converter leaves them; for vLLM they are there."""
    at = folder / quantised_folder(found)
    shutil.copytree(found.folder, at)
    for name in COPIED if found.engine == "ctranslate2" else ():
        if (model / name).is_file():
            shutil.copy(model / name, at / name)


def quantised_words(found: Quantised) -> list[str]:
    """What it costs and saves, a sentence each."""
    difference, interval = (
        100 * found.paired.difference,
        f"{100 * found.paired.low:.1f} to {100 * found.paired.high:.1f}",
    )
    compared = (
        f"exact {found.exact.value:.1%} (95 % interval {found.exact.low:.1%} to {found.exact.high:.1%}), in float32 "
        f"{found.exact_before.value:.1%} ({found.exact_before.low:.1%} to {found.exact_before.high:.1%}): {difference:+.1f} points on the "
        f"same items ({interval})"
    )
    loses = f"{found.precision} LOSES accuracy, by more than chance explains: take the float model where that matters"
    keeps = (
        f"no loss can be told from chance on these {found.paired.n:,} items, and none within that interval is ruled out"
    )
    answered = (
        f"it answered them in {found.answering_seconds:.1f} s, in float32 they took {found.answering_seconds_before:.1f} s"
        if found.answering_seconds is not None
        else "its rounded weights were asked in float32 by CTranslate2; how fast vLLM is with them was not measured"
    )
    return [
        f"{found.bytes:,} bytes of weights, {found.bytes / found.bytes_before:.0%} of the float model's {found.bytes_before:,}",
        f"on the first {found.same_answers.n:,} items of {found.split} it answers the same as in float32, word for word, to "
        f"{found.same_answers.value:.1%} (95 % interval {found.same_answers.low:.1%} to {found.same_answers.high:.1%})",
        compared,
        loses if found.loses else keeps,
        answered,
    ]
