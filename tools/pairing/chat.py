"""What two models make of a conversation, and what they end an answer with. Reads files; needs no torch, no transformers.

It renders the templates as transformers does, in jinja2's sandbox, for templates are other people's code. It does not judge
whether a template suits a model.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable
from .probe_texts import CONVERSATIONS
from .tokenizers import Vocabulary

GENERATION_TAG = re.compile(r"(?P<open>\{%[-+]?\s*)(?P<end>end)?generation\b")
SHOWN_CHARACTERS = 40


@dataclass(frozen=True, kw_only=True)
class ChatFiles:
    """A model's chat template, and the ids at which its generation stops."""

    template: str | None = None
    stop_ids: tuple[int, ...] = ()
    special_tokens: Mapping[str, str] = field(default_factory=dict[str, str])
    """What a template may name: bos_token, eos_token and so on."""


class ChatMatch(Record):
    """How the two models' templates compare, and which one the student is to be trained with."""

    verdict: Literal["same", "differs", "teacher_missing", "student_missing", "both_missing"]
    difference: str = Field(default="", description="where they first differ")
    use: Literal["student's", "teacher's", "plain"] = Field(description="the template for the student's training data")
    notes: tuple[str, ...] = ()


class StopMatch(Record):
    """What the teacher ends its answers with, and what the student must do about it."""

    teacher: tuple[str, ...] = Field(description="the teacher's stop tokens")
    student: tuple[str, ...] = Field(description="the student's")
    verdict: Literal["same", "mend", "no_stop"] = Field(description="no_stop: the student has no stop token at all")
    notes: tuple[str, ...] = Field(default=(), description="what is to be mended, and how")


def read_chat(folder: Path) -> ChatFiles:
    """Reads chat_template.jinja or tokenizer_config.json, and stops from generation_config.json or config.json.

    Raises Correctable where a file is no JSON object. A missing file is nothing known.
    """
    settings, generation, model = (
        _object(folder / name) for name in ("tokenizer_config.json", "generation_config.json", "config.json")
    )
    named = {name: _content(value) for name, value in settings.items() if name.endswith("_token") and value}
    path = folder / "chat_template.jinja"
    template = path.read_text(encoding="utf-8") if path.is_file() else _template(settings.get("chat_template"))
    stops = generation.get("eos_token_id", model.get("eos_token_id"))
    ids = cast(list[int], stops) if isinstance(stops, list) else [stops] if isinstance(stops, int) else []
    return ChatFiles(template=template, stop_ids=tuple(ids), special_tokens=named)


def render(files: ChatFiles, messages: Sequence[Mapping[str, str]]) -> str:
    """A conversation as text, ready to be answered. Raises jinja2.TemplateError where the template refuses it."""
    return renderer(files)(messages, True)


def renderer(files: ChatFiles) -> Callable[[Sequence[Mapping[str, str]], bool], str]:
    """The template made ready for many conversations: of messages, and whether an answer is asked for, it gives the text.

    Both raise jinja2.TemplateError where the template cannot be read or refuses.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> str:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    # The tag that marks an assistant's tokens changes no text; transformers has an extension for it, here it is an empty block.
    text = GENERATION_TAG.sub(lambda tag: tag["open"] + ("endif" if tag["end"] else "if true"), files.template or "")
    compiled = environment.from_string(text, globals={"raise_exception": refuse, "strftime_now": _no_date})

    def rendered(messages: Sequence[Mapping[str, str]], asked: bool) -> str:
        return compiled.render(
            messages=[dict(message) for message in messages], add_generation_prompt=asked, **files.special_tokens
        )

    return rendered


def compare_chat(teacher: ChatFiles, student: ChatFiles, student_vocabulary: Vocabulary | None) -> ChatMatch:
    """Compares what both templates make of three conversations."""
    if student.template is None:
        return _without_own(teacher, student_vocabulary)
    if teacher.template is None:
        note = "the teacher has no chat template: it is asked in plain text; the student keeps its own template"
        return ChatMatch(verdict="teacher_missing", use="student's", notes=(note,))
    differences = [found for messages in CONVERSATIONS if (found := _difference(teacher, student, messages))]
    if not any(_rendered(student, messages) for messages in CONVERSATIONS):
        differences = ["the student's template refuses every conversation, or cannot be read"]
    if not differences:
        return ChatMatch(verdict="same", use="student's")
    note = "templates differ: each model is given the prompt in its own template, and only the answer's tokens are compared"
    return ChatMatch(verdict="differs", difference=differences[0], use="student's", notes=(note,))


def compare_stops(
    teacher: ChatFiles, student: ChatFiles, teacher_vocabulary: Vocabulary, student_vocabulary: Vocabulary
) -> StopMatch:
    """Compares the stop tokens by what they are called, as ids mean nothing across tokenizers."""
    ends, own = _named(teacher, teacher_vocabulary), _named(student, student_vocabulary)
    notes: list[str] = []
    for token in ends:
        if token in own:
            continue
        at = student_vocabulary.added.get(token, student_vocabulary.ordinary.get(token))
        if at is not None:
            notes.append(
                f"the teacher stops with {token!r}, which the student knows as id {at} and does not stop at: "
                f"add {at} to eos_token_id in the student's generation_config.json"
            )
        else:
            pieces = len(student_vocabulary.cut([token])[0][0])
            end = repr(own[0]) if own else "a stop token added to it"
            notes.append(
                f"the teacher stops with {token!r}, which the student's tokenizer does not have (it makes {pieces} tokens "
                f"of it): cut it from the teacher's texts and end them with {end}"
            )
    if not own:
        notes.append("the student has no stop token: set eos_token_id in its generation_config.json")
    if not ends:
        notes.append("the teacher names no stop token: its answers end where its server says so")
    return StopMatch(
        teacher=tuple(ends),
        student=tuple(own),
        verdict="no_stop" if not own else "mend" if notes else "same",
        notes=tuple(notes),
    )


def _without_own(teacher: ChatFiles, student_vocabulary: Vocabulary | None) -> ChatMatch:
    """A student without a template gets the teacher's where it knows every mark the template writes, else a plain one."""
    if teacher.template is None:
        note = "neither has a chat template: the student gets a plain one"
        return ChatMatch(verdict="both_missing", use="plain", notes=(note,))
    known = set(student_vocabulary.added) if student_vocabulary else set[str]()
    unknown = sorted(_marks(teacher) - known)
    if unknown or student_vocabulary is None:
        what = ", ".join(map(repr, unknown[:4])) or "its marks"
        note = f"the student has no chat template and does not know {what} of the teacher's: it gets a plain one"
        return ChatMatch(verdict="student_missing", use="plain", notes=(note,))
    note = "the student has no chat template: it gets the teacher's, all of whose marks it knows"
    return ChatMatch(verdict="student_missing", use="teacher's", notes=(note,))


def _marks(files: ChatFiles) -> set[str]:
    """The marks `<...>` that a template writes around a conversation."""
    return {mark for messages in CONVERSATIONS for mark in re.findall(r"<[^<>\s]+>", _rendered(files, messages) or "")}


def _difference(teacher: ChatFiles, student: ChatFiles, messages: Sequence[Mapping[str, str]]) -> str:
    first, second = _rendered(teacher, messages), _rendered(student, messages)
    roles = ", ".join(message["role"] for message in messages)
    if first == second:
        return ""
    if first is None or second is None:
        return f"({roles}): the {'teacher' if first is None else 'student'}'s template refuses it"
    at = next(
        (at for at, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]),
        min(len(first), len(second)),
    )
    start = max(0, at - SHOWN_CHARACTERS // 2)
    shown = [text[start : at + SHOWN_CHARACTERS] for text in (first, second)]
    return f"({roles}): the teacher reads {shown[0]!r} where the student reads {shown[1]!r}"


def _rendered(files: ChatFiles, messages: Sequence[Mapping[str, str]]) -> str | None:
    """The text, or None where the template refuses the conversation or cannot be read."""
    from jinja2 import TemplateError

    try:
        return render(files, messages)
    except (TemplateError, TypeError, ValueError, KeyError):  # what a template's own code may do with a message
        return None


def _named(files: ChatFiles, vocabulary: Vocabulary) -> list[str]:
    names = [cast(str | None, vocabulary.tokenizer.id_to_token(at)) for at in files.stop_ids]
    found = [name for name in names if name is not None]
    end = files.special_tokens.get("eos_token")
    return found if found or end is None else [end]


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Correctable(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Correctable(f"{path} holds no JSON object")
    return cast(dict[str, Any], found)


def _template(value: object) -> str | None:
    """The template, or the one named default of several."""
    if isinstance(value, list):
        named = {one["name"]: one["template"] for one in cast(list[dict[str, str]], value)}
        return named.get("default", next(iter(named.values()), None))
    return value if isinstance(value, str) else None


def _content(value: object) -> str:
    """A special token is its text, or an object that holds it."""
    return str(cast(dict[str, object], value).get("content", "")) if isinstance(value, dict) else str(value)


def _to_json(value: object, **options: Any) -> str:
    """JSON as transformers writes it: no HTML escapes, any script."""
    return json.dumps(value, ensure_ascii=False, **options)


def _no_date(form: str) -> str:
    """Both templates are rendered on the same, constant day."""
    return form
