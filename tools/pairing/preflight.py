"""The pre-flight of one teacher and one student: what would go wrong is told before anything is paid for.

`check_pair` is the one call. It reads files and does arithmetic; it loads no model and downloads nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field

from ...state.brief import Record
from ...state.model_facts import ModelFacts
from .chat import ChatFiles, ChatMatch, StopMatch, compare_chat, compare_stops, read_chat
from .licences import OutputTerms, Use, rule_on_licence
from .memory import Method, MethodMemory, Setup, needs
from .strength import rule_on_strength
from .tokenizers import TokenizerMatch, compare_tokenizers, read_vocabulary

Verdict = Literal["ok", "cross_tokenizer", "sequence_level", "refused"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two: what is known of the model, and its files where they are at hand."""

    facts: ModelFacts
    tokenizer: object = field(default=None, repr=False)
    """What `read_vocabulary` takes; None: not at hand."""
    chat: ChatFiles | None = None
    gives_logits: bool | None = None
    """None: an open model does, one behind an API does not."""

    @classmethod
    def from_folder(cls, facts: ModelFacts, folder: Path) -> "Side":
        """A model whose tokenizer and settings lie in a folder, with or without its weights."""
        return cls(facts=facts, tokenizer=folder, chat=read_chat(folder))

    @property
    def has_logits(self) -> bool:
        """Whether the whole distribution over next tokens can be had."""
        return self.facts.kind == "open" if self.gives_logits is None else self.gives_logits


class PairCheck(Record):
    """What the pre-flight found. `methods` are those that are open to the pair, the best first."""

    teacher: str
    student: str
    verdict: Verdict
    methods: tuple[Method, ...]
    problems: tuple[str, ...] = Field(default=(), description="why it is refused; empty unless it is")
    notes: tuple[str, ...] = Field(default=(), description="what is to be minded or mended, and how")
    open_points: tuple[str, ...] = Field(default=(), description="what could not be looked at, and what it would take")
    why: str = Field(description="the verdict in one line")
    tokenizer: TokenizerMatch | None = Field(default=None, description="null: a tokenizer is not at hand")
    chat: ChatMatch | None = None
    stops: StopMatch | None = None
    memory: tuple[MethodMemory, ...] = ()


def check_pair(
    teacher: Side,
    student: Side,
    probe: Sequence[str] = (),
    *,
    terms: OutputTerms | None,
    use: Use | None = None,
    setup: Setup | None = None,
    answers_judged: bool = False,
) -> PairCheck:
    """Checks tokenizers on text, padding, chat template, stops, strength, the licence of the teacher's outputs, and memory.

    `probe` are texts of the task, prompts and answers; built-in ones are added. `terms` are the licence of the teacher;
    `answers_judged` says that its accuracy on the task is measured, which tells more than size and benchmarks do.
    Raises Correctable when a file cannot be read.
    """
    licence = rule_on_licence(terms, use or Use())
    match, chat, stops = _compared(teacher, student, probe)
    open_to = _methods(teacher, match)
    memory = needs(teacher.facts, student.facts, setup or Setup(), open_to)
    methods: tuple[Method, ...] = tuple(one.method for one in memory if one.fits is not False)
    strength = rule_on_strength(teacher.facts, student.facts, answers_judged=answers_judged)
    problems = [*licence.problems, *strength.problems, *(match.problems if match else ())]
    if not methods:
        problems.append(f"no method fits the memory: {'; '.join(one.arithmetic for one in memory)}")
    notes = [
        *licence.notes,
        *strength.notes,
        *_tokenizer_notes(match),
        *(chat.notes if chat else ()),
        *(stops.notes if stops else ()),
        *(one.arithmetic for one in memory if methods and one.fits is False),
    ]
    verdict: Verdict = "refused" if problems else _verdict(methods[0])
    return PairCheck(
        teacher=teacher.facts.name,
        student=student.facts.name,
        verdict=verdict,
        methods=() if problems else methods,
        problems=tuple(problems),
        notes=tuple(notes),
        open_points=_not_compared(teacher, student) if match is None else (),
        why=_why(teacher, student, verdict, problems, match, memory),
        tokenizer=match,
        chat=chat,
        stops=stops,
        memory=memory,
    )


def _compared(
    teacher: Side, student: Side, probe: Sequence[str]
) -> tuple[TokenizerMatch | None, ChatMatch | None, StopMatch | None]:
    """What can be compared with the files at hand; a big tokenizer is read once."""
    first = read_vocabulary(teacher.tokenizer) if teacher.tokenizer is not None else None
    second = read_vocabulary(student.tokenizer) if student.tokenizer is not None else None
    match = chat = stops = None
    if teacher.chat and student.chat:
        chat = compare_chat(teacher.chat, student.chat, second)
    if first and second:
        rows = (teacher.facts.padded_vocabulary, student.facts.padded_vocabulary)
        match = compare_tokenizers(first, second, probe, teacher_rows=rows[0], student_rows=rows[1])
        if teacher.chat and student.chat:
            stops = compare_stops(teacher.chat, student.chat, first, second)
    return match, chat, stops


def _methods(teacher: Side, match: TokenizerMatch | None) -> tuple[Method, ...]:
    """What the pair can do in principle, the method that carries most of the teacher first."""
    if not teacher.has_logits or match is None:
        return ("sequence_level",)
    if match.verdict == "different":
        return ("cross_tokenizer", "sequence_level")
    return ("logit", "logit_offline", "sequence_level")


def _verdict(method: Method) -> Verdict:
    return "ok" if method in ("logit", "logit_offline") else method


def _not_compared(teacher: Side, student: Side) -> tuple[str, ...]:
    """What is open where a tokenizer is not at hand."""
    without = " and ".join(side.facts.name for side in (teacher, student) if side.tokenizer is None)
    nothing_else = "; the teacher's text alone can be used" if teacher.has_logits else ""
    return (
        f"tokenizers not compared: no files of {without}{nothing_else}: name a folder that holds tokenizer.json, "
        "or its `path` in your models file",
    )


def _tokenizer_notes(match: TokenizerMatch | None) -> list[str]:
    if match is None:
        return []
    notes = list(match.notes)
    if match.verdict == "same" and match.padded:
        rows = f"{_count(match.teacher_rows)} against {_count(match.student_rows)}"
        notes.append(f"vocabulary padding: {rows} rows, logits are truncated to the {match.shared_ids:,} shared tokens")
    if match.excluded_ids:
        notes.append(
            f"{len(match.excluded_ids)} ids below that mean different tokens and are left out of the comparison"
        )
    if match.verdict == "same_pieces":
        notes.append(f"the same {match.shared_ids:,} tokens under other ids: the teacher's logits are permuted first")
    for who, names in (("teacher", match.added_only_teacher), ("student", match.added_only_student)):
        if names and match.verdict != "different":
            shown = ", ".join(map(repr, names[:4])) + (", ..." if len(names) > 4 else "")
            notes.append(f"added tokens of the {who} alone: {shown}")
    return notes


def _count(rows: int | None) -> str:
    return "unknown" if rows is None else f"{rows:,}"


def _why(
    teacher: Side,
    student: Side,
    verdict: Verdict,
    problems: Sequence[str],
    match: TokenizerMatch | None,
    memory: Sequence[MethodMemory],
) -> str:
    """The decision and its reason in one line."""
    pair = f"{teacher.facts.name} -> {student.facts.name}"
    if problems:
        return f"{pair}: refused: {'; '.join(problems)}"
    if verdict == "ok" and match:
        by = "same tokens" if match.verdict == "same" else "same tokens under other ids"
        padding = f", {_count(match.teacher_rows)} against {_count(match.student_rows)} rows" if match.padded else ""
        how = "" if memory[0].fits is not False else " stored beforehand, for the two do not fit together"
        return f"{pair}: ok: {by} on {match.texts} texts{padding}: logits can be compared{how}"
    if not teacher.has_logits:
        return f"{pair}: sequence level: the teacher's logits are not to be had, its texts are"
    if match is None:
        return f"{pair}: sequence level: tokenizers not compared"
    if match.verdict == "different" and match.first_difference:
        found = match.first_difference
        shown = f"{found.text[:32]!r} is cut {list(found.teacher[:3])} and {list(found.student[:3])}"
        way = "cross-tokenizer" if verdict == "cross_tokenizer" else "sequence level, for logits of both do not fit"
        return f"{pair}: {way}: different tokenizers, {shown}"
    return f"{pair}: sequence level: {memory[0].arithmetic}"
