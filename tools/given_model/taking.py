"""The open model that a user names as student: looked at, measured against this machine and linked into the run before anything is paid.

It loads no weights. What it lacks is told in one message, with everything else that is wrong.
"""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Literal

from ...skills.protocol import Example, Skill
from ...state.brief import Brief
from ...state.errors import Correctable, NotAvailable, RequestError, ToolFailed
from ...state.model_facts import ModelFacts
from ...state.plan import Strategy
from ...state.run import CheckpointFacts, GivenFacts, Tuning
from ..estimating.architecture import Architecture, architecture_of
from ..estimating.training_physics import CONTEXT_GB, LORA_RANK
from ..jobs import write_atomic
from ..machine import parts_of_machine
from ..match_models import why_no_student
from ..models.folder import facts_of_folder
from ..pairing.chat import read_chat, renderer
from ..serving.vllm import choose_engine
from ..tuning.instructing import instructed, instruction_of
from ..tuning.loading import require
from ..tuning.memory import GIB, MemoryUse, available_gib, estimate
from ..tuning.source import check_source

CHECKPOINT_FOLDER = "student"
TEMPLATE_FILE = "chat_template.jinja"
STRATEGIES: tuple[Strategy, ...] = ("rationale", "answer_only")

LOOKED_AT_BLOCK = 3_000_300
"""Block of the made examples that lengths and forms are told from: of no training, no probe and no split."""
LOOKED_AT = 2000
"""Examples whose tokens are counted before there is a plan; a training counts those of all it reads."""

EXAMPLES_A_STEP = 16
"""assumption: few enough that small data give many steps, enough that a step's gradient is no single example's."""
MOST_STEP_TOKENS = 8192
PROCESS_GIB = 1.0
"""assumption: what torch, transformers and PEFT take before a model is loaded; the job measures it for itself."""
MEMORY_SHARE = 0.9
"""Of what is free now: other programs ask for some of it later."""

ANSWER_ROOM = 1.5
"""Times the longest taught answer that an answer may have."""
END_TOKENS = 2
"""For the end of an answer, which some templates do not write."""


def take_checkpoint(brief: Brief, run_folder: Path, skill: Skill, seed: int) -> CheckpointFacts:
    """What is known of the checkpoint that the brief names. Raises RequestError with everything that keeps it from being taught."""
    assert brief.student is not None
    source = Path(brief.student).expanduser()
    problems: list[str] = []
    try:
        require("accelerate", "peft", "trl")
    except NotAvailable as error:
        problems.append(str(error))
    try:
        check_source(source)
        model = facts_of_folder(source)
        shape = architecture_of(model)
    except Correctable as error:
        raise RequestError([*problems, f"student: {error}"]) from error
    if why := why_no_student(model, brief.limits.max_parameters, brief.limits.licences):
        problems.append(f"student: {source}: {why}")
    examples = _looked_at(skill, brief.task, seed)
    folder = run_folder / CHECKPOINT_FOLDER
    for strategy in STRATEGIES:
        _link(source, folder / strategy, instruction_of(skill, brief.task, strategy, examples))
    strategy = "rationale" if skill.given is None or any(one.rationale for one in examples) else "answer_only"
    lengths = Lengths.of(folder / strategy, skill, examples, strategy)
    on_gpu = bool(parts_of_machine().gpus)
    tunings, notes = _tunings(shape, lengths, on_gpu)
    problems += notes if not tunings else []
    problems += lengths.too_long_for(model, source)
    if problems:
        raise RequestError(problems)
    return CheckpointFacts(
        source=brief.student,
        folder=CHECKPOINT_FOLDER,
        sha256=checkpoint_sha256(source),
        model=model,
        served_by=choose_engine("auto"),
        example_tokens=lengths.mean,
        prompt_tokens=lengths.prompt_mean,
        completion_tokens_p95=lengths.completion_p95,
        longest_tokens=lengths.longest,
        answer_tokens=lengths.answer_limit,
        tunings=tunings,
        notes=tuple(notes),
    )


def base_model(run_folder: Path, checkpoint: CheckpointFacts, strategy: Strategy) -> Path:
    """The untuned checkpoint, its chat template asking for answers of one form."""
    return run_folder / checkpoint.folder / strategy


def own_strategy(given: GivenFacts | None) -> Strategy:
    """How a checkpoint is asked before it is taught: for the way to the answer too, where the examples show ways."""
    return "rationale" if given is None or given.with_rationales else "answer_only"


def refuse_another(checkpoint: CheckpointFacts) -> None:
    """Raises ToolFailed when the checkpoint is no longer the one that was taken."""
    if checkpoint_sha256(Path(checkpoint.source).expanduser()) != checkpoint.sha256:
        raise ToolFailed(f"the checkpoint in {checkpoint.source!r} changed after the run had taken it")


def checkpoint_sha256(folder: Path) -> str:
    """SHA-256 over the files that decide what a checkpoint answers. Raises ToolFailed when one cannot be read."""
    digest = hashlib.sha256()
    try:
        for path in sorted(_files(folder)):
            with path.open("rb") as file:
                digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise ToolFailed(f"the checkpoint in {str(folder)!r} cannot be read: {error}") from error
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    kinds = {".json", ".jinja", ".safetensors", ".txt", ".model"}
    return [path for path in folder.iterdir() if path.is_file() and path.suffix in kinds]


def _link(source: Path, target: Path, instruction: str) -> None:
    """A folder of links to the checkpoint's files, but for the chat template: no weights are copied, and nothing is written beside them."""
    target.mkdir(parents=True, exist_ok=True)
    for path in _files(source.resolve()):
        link = target / path.name
        if path.name != TEMPLATE_FILE and not link.is_symlink():
            link.symlink_to(path.resolve())
    write_atomic(target / TEMPLATE_FILE, instructed(read_chat(source).template or "", instruction))


def _looked_at(skill: Skill, task: str, seed: int) -> Sequence[Example]:
    return skill.make(task, seed=seed, block=LOOKED_AT_BLOCK, count=LOOKED_AT)


class Lengths:
    """Tokens of examples as a checkpoint reads them through its template: of prompts, of completions, of both together."""

    def __init__(self, prompts: Sequence[int], completions: Sequence[int], wholes: Sequence[int]) -> None:
        ordered = sorted(completions)
        self.mean = fmean(wholes)
        self.prompt_mean = fmean(prompts)
        self.completion_p95 = max(2, ordered[len(ordered) * 95 // 100])
        self.longest = max(wholes) + END_TOKENS
        self.answer_limit = math.ceil(ANSWER_ROOM * ordered[-1]) + END_TOKENS
        self.longest_prompt = max(prompts)

    @classmethod
    def of(cls, folder: Path, skill: Skill, examples: Sequence[Example], strategy: Strategy) -> "Lengths":
        """Of examples taught in one way. Raises RequestError for a tokenizer or template that fails."""
        from jinja2 import TemplateError
        from tokenizers import Tokenizer

        written = [skill.completion(one, rationale=strategy == "rationale") for one in examples]
        try:
            tokenizer, render = Tokenizer.from_file(str(folder / "tokenizer.json")), renderer(read_chat(folder))
            asked = [[{"role": "user", "content": one.prompt}] for one in examples]
            answered = [
                [*question, {"role": "assistant", "content": answer}]
                for question, answer in zip(asked, written, strict=True)
            ]
            prompts = [render(question, True) for question in asked]
            wholes = [render(conversation, False) for conversation in answered]
        except TemplateError as error:
            raise RequestError([f"student: its chat template refuses a question and its answer: {error}"]) from error
        except Exception as error:
            if type(error) is not Exception:  # the Rust tokenizers raise bare Exception
                raise
            raise RequestError([f"student: its tokenizer.json cannot be read: {error}"]) from error

        def counted(texts: Sequence[str]) -> list[int]:
            return [len(one.ids) for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

        return cls(counted(prompts), counted(written), counted(wholes))

    def too_long_for(self, model: ModelFacts, source: Path) -> list[str]:
        """What does not fit the model's context."""
        needed, context = max(self.longest, self.longest_prompt + self.answer_limit), model.context_tokens
        if context is None or needed <= context:
            return []
        return [
            f"student: {source} reads at most {context:,} tokens, and an example with room for its answer takes {needed:,}"
        ]


def _tunings(shape: Architecture, lengths: Lengths, on_gpu: bool) -> tuple[tuple[Tuning, ...], list[str]]:
    """The ways that fit the memory that is free now, and why the others do not."""
    available = _available_gib(on_gpu)
    found: list[Tuning] = []
    notes: list[str] = []
    for training in ("lora", "full"):
        tuning, least = _tuning(shape, training, lengths, on_gpu, available)
        if tuning is not None:
            found.append(tuning)
        else:
            notes.append(
                f"student: {training} tuning needs about {least.needed_gib:.2f} GiB at its smallest batch and {available:.2f} GiB "
                f"may be used: a smaller model, or a machine with more memory"
            )
    return tuple(found), notes


def _tuning(
    shape: Architecture, training: Literal["lora", "full"], lengths: Lengths, on_gpu: bool, available: float
) -> tuple[Tuning | None, MemoryUse]:
    """The largest batch that fits, layers computed again only where no batch fits otherwise; and the need of the last one tried."""
    a_step = min(MOST_STEP_TOKENS, round(EXAMPLES_A_STEP * lengths.mean))
    sizes = [max(lengths.longest, a_step)]
    while sizes[-1] > lengths.longest:
        sizes.append(max(lengths.longest, sizes[-1] // 2))
    use: MemoryUse | None = None
    for checkpointing in (False, True):
        for batch_tokens in sizes:
            use = estimate(
                shape,
                method=training,
                rank=LORA_RANK,
                batch_tokens=batch_tokens,
                precision="bfloat16" if on_gpu else "float32",
                checkpointing=checkpointing,
                process_gib=CONTEXT_GB * 1e9 / GIB if on_gpu else PROCESS_GIB,
                available_gib=available,
            )
            if use.needed_gib <= available:
                tuning = Tuning(
                    training=training,
                    batch_tokens=batch_tokens,
                    accumulation=max(1, round(a_step / batch_tokens)),
                    checkpointing=checkpointing,
                    needed_gib=round(use.needed_gib, 3),
                    available_gib=round(available, 3),
                )
                return tuning, use
    assert use is not None
    return None, use


def _available_gib(on_gpu: bool) -> float:
    """Of one GPU, without asking torch; or of main memory."""
    if on_gpu:
        return MEMORY_SHARE * min(gpu.memory_gib for gpu in parts_of_machine().gpus)
    return MEMORY_SHARE * available_gib(False, None)
