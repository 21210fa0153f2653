"""Whether two tokenizers cut the same text into the same tokens. Names, families and vocabulary sizes are not asked.

It compares what is observed: the ids and pieces of every probe text, and of texts made from the two vocabularies
themselves, so that tokens which no probe text uses are tried too. It does not prove equality on all texts. Two
tokenizers that cut alike but spell their pieces differently (`Ġthe` and `▁the`) count as different.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable
from ..training.distillation_loss import SharedVocabulary
from .probe_texts import EDGE_TEXTS

SHOWN = 8
"""How many tokens a message names."""

SAMPLED = 192
"""Tokens of each kind (shared, only the teacher's, only the student's) that are written out as probe texts."""


class Difference(Record):
    """A text that two tokenizers cut differently, around the first place where they do."""

    text: str
    teacher: tuple[str, ...] = Field(description="the teacher's pieces from just before that place on, at most a few")
    student: tuple[str, ...] = Field(description="the student's")


class TokenizerMatch(Record):
    """What two tokenizers have in common."""

    verdict: Literal["same", "same_pieces", "different"] = Field(
        description="same: equal ids. same_pieces: equal pieces under other ids, see `vocabulary_mapping`"
    )
    texts: int = Field(description="texts that were compared")
    teacher_size: int = Field(description="highest id of the tokenizer plus one, added tokens included")
    student_size: int
    teacher_rows: int | None = Field(default=None, description="rows of the model's embedding; null: not known")
    student_rows: int | None = None
    shared_ids: int = Field(
        description="same: what both models' logits are truncated to, above it is padding or one side's own; same_pieces: "
        "how many pieces both have; different: 0"
    )
    excluded_ids: tuple[int, ...] = Field(
        default=(), description="ids below `shared_ids` that mean different tokens, or a token in one alone"
    )
    first_difference: Difference | None = Field(default=None, description="null unless different")
    added_only_teacher: tuple[str, ...] = Field(default=(), description="special and other added tokens, by name")
    added_only_student: tuple[str, ...] = ()
    added_moved: tuple[str, ...] = Field(default=(), description="added tokens of both, under another id")
    ordinary_only_teacher: int = Field(default=0, description="tokens of the ordinary vocabulary, a count")
    ordinary_only_student: int = 0
    problems: tuple[str, ...] = Field(default=(), description="a student with fewer rows than its tokenizer has ids")
    notes: tuple[str, ...] = Field(default=(), description="a teacher of that kind, which need not matter")

    @property
    def padded(self) -> bool:
        """Whether the two models have different numbers of rows, or more than the tokens they share."""
        rows = [rows for rows in (self.teacher_rows, self.student_rows) if rows is not None]
        return len(set(rows)) > 1 or any(count > self.shared_ids for count in rows)


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """A tokenizer with its tokens sorted into ordinary and added ones, by piece."""

    tokenizer: Any = field(repr=False)
    ordinary: Mapping[str, int] = field(repr=False)
    added: Mapping[str, int] = field(repr=False)

    @property
    def size(self) -> int:
        """Highest id plus one."""
        return max((*self.ordinary.values(), *self.added.values()), default=-1) + 1

    def cut(self, texts: Sequence[str]) -> list[tuple[list[int], list[str]]]:
        """Ids and pieces of every text, without the tokens that are put around a whole input."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [(encoding.ids, encoding.tokens) for encoding in encodings]


def read_vocabulary(source: object) -> Vocabulary:
    """Reads a folder with tokenizer.json, that file, a `tokenizers.Tokenizer`, a fast tokenizer of transformers or itself.

    Raises Correctable for anything else; it needs neither torch nor transformers.
    """
    from tokenizers import Tokenizer

    if isinstance(source, Vocabulary):
        return source
    if isinstance(source, str | Path):
        path = Path(source)
        path = path / "tokenizer.json" if path.is_dir() else path
        if not path.is_file():
            raise Correctable(
                f"no tokenizer at {str(path)!r}: give a folder with tokenizer.json, or save it there with save_pretrained"
            )
        tokenizer: Any = Tokenizer.from_file(str(path))
    else:
        inner = getattr(source, "backend_tokenizer", source)
        if not isinstance(inner, Tokenizer):
            raise Correctable(
                f"{type(source).__name__!r} is no tokenizer: valid are a folder, a Tokenizer, a fast tokenizer"
            )
        tokenizer = inner
        if tokenizer.truncation or tokenizer.padding:
            tokenizer = Tokenizer.from_str(tokenizer.to_str())  # what the caller set up stays as it is
    tokenizer.no_truncation()
    tokenizer.no_padding()
    added = {token.content: at for at, token in tokenizer.get_added_tokens_decoder().items()}
    everything = tokenizer.get_vocab(with_added_tokens=True)
    return Vocabulary(
        tokenizer=tokenizer, ordinary={piece: at for piece, at in everything.items() if piece not in added}, added=added
    )


def compare_tokenizers(
    teacher: object,
    student: object,
    texts: Sequence[str] = (),
    *,
    teacher_rows: int | None = None,
    student_rows: int | None = None,
) -> TokenizerMatch:
    """Compares two tokenizers (see `read_vocabulary` for what they may be) on the task's texts and built-in ones.

    `*_rows` are the rows of the models' embeddings (`vocab_size` of config.json), which may be padded. Takes about a second
    for vocabularies of 150,000 tokens. Raises Correctable when a tokenizer cannot be read.
    """
    first, second = read_vocabulary(teacher), read_vocabulary(student)
    probes = list(dict.fromkeys((*texts, *EDGE_TEXTS, *_texts_from(first, second))))
    difference = _first_difference(first, second, probes)
    common = first.ordinary.keys() & second.ordinary.keys()
    equal = first.ordinary == second.ordinary
    unmoved = len(common) if equal else sum(first.ordinary[piece] == second.ordinary[piece] for piece in common)
    verdict = "different" if difference else "same_pieces" if unmoved < len(common) else "same"
    both_added = first.added.keys() & second.added.keys()
    if verdict == "same":
        shared = min(first.size, second.size, *(rows for rows in (teacher_rows, student_rows) if rows is not None))
    else:
        shared = len(common) + len(both_added) if verdict == "same_pieces" else 0
    return TokenizerMatch(
        verdict=verdict,
        texts=len(probes),
        teacher_size=first.size,
        student_size=second.size,
        teacher_rows=teacher_rows,
        student_rows=student_rows,
        shared_ids=shared,
        excluded_ids=_excluded(first, second, shared) if verdict == "same" else (),
        first_difference=difference,
        added_only_teacher=_names(first.added, first.added.keys() - second.added.keys()),
        added_only_student=_names(second.added, second.added.keys() - first.added.keys()),
        added_moved=_names(first.added, {name for name in both_added if first.added[name] != second.added[name]}),
        ordinary_only_teacher=len(first.ordinary) - len(common),
        ordinary_only_student=len(second.ordinary) - len(common),
        problems=_too_few_rows("student", second, student_rows, "resize it before it is trained"),
        notes=_too_few_rows("teacher", first, teacher_rows, "texts with its last tokens crash it"),
    )


def vocabulary_mapping(teacher: object, student: object) -> list[int]:
    """For every id of the student's tokenizer the teacher's id of the same piece, -1 where it has none."""
    first, second = read_vocabulary(teacher), read_vocabulary(student)
    mapping = [-1] * second.size
    for own, other in ((second.ordinary, first.ordinary), (second.added, first.added)):
        for piece, at in own.items():
            mapping[at] = other.get(piece, -1)
    return mapping


def _first_difference(first: Vocabulary, second: Vocabulary, texts: Sequence[str]) -> Difference | None:
    foreign = _foreign_added(first, second)
    for text, (_, pieces), (_, others) in zip(texts, first.cut(texts), second.cut(texts), strict=True):
        if pieces != others and (difference := _without_added(first, second, text, foreign)):
            return difference
    return None


def _foreign_added(first: Vocabulary, second: Vocabulary) -> re.Pattern[str] | None:
    """Matches the added tokens that only one side has; text is cut at them before ordinary tokens are compared."""
    names = first.added.keys() ^ second.added.keys()
    return re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True)))) if names else None


def _without_added(
    first: Vocabulary, second: Vocabulary, text: str, foreign: re.Pattern[str] | None
) -> Difference | None:
    """The difference that is left when the added tokens of one side alone are taken out of the text, if any."""
    parts = [part for part in foreign.split(text) if part] if foreign else [text]
    for part, (_, pieces), (_, others) in zip(parts, first.cut(parts), second.cut(parts), strict=True):
        if pieces != others:
            at = next(
                (at for at, pair in enumerate(zip(pieces, others, strict=False)) if pair[0] != pair[1]),
                min(len(pieces), len(others)),
            )
            # Two equal pieces before it show where in the text it is.
            start = max(0, at - 2)
            return Difference(
                text=part,
                teacher=tuple(pieces[start : start + SHOWN]),
                student=tuple(others[start : start + SHOWN]),
            )
    return None


def _texts_from(first: Vocabulary, second: Vocabulary) -> Iterator[str]:
    """Tokens of both vocabularies written out as text, evenly over each: those of one side alone show what differs."""
    common = first.ordinary.keys() & second.ordinary.keys()
    for owner, pieces in (
        (first, common),
        (first, first.ordinary.keys() - common),
        (second, second.ordinary.keys() - common),
    ):
        ids = sorted(owner.ordinary[piece] for piece in pieces)
        chosen = ids[:: max(1, len(ids) // SAMPLED)]
        yield from owner.tokenizer.decode_batch([[at] for at in chosen], skip_special_tokens=False)


def _excluded(first: Vocabulary, second: Vocabulary, shared: int) -> tuple[int, ...]:
    """Ids below the limit at which the two do not have the same piece; ids that neither uses are no tokens either."""
    start, sides = 0, [[*side.ordinary.items(), *side.added.items()] for side in (first, second)]
    if first.ordinary == second.ordinary and max(first.ordinary.values(), default=-1) == len(first.ordinary) - 1:
        # The usual case, and ten times faster: ordinary tokens first without a hole, so that only added ones can differ.
        start, sides = len(first.ordinary), [list(side.added.items()) for side in (first, second)]
    names, others = ({at: piece for piece, at in side} for side in sides)
    return tuple(at for at in range(start, shared) if at not in names or names[at] != others.get(at))


def _too_few_rows(who: str, side: Vocabulary, rows: int | None, what: str) -> tuple[str, ...]:
    """A token without a row cannot be read at all."""
    if rows is None or rows >= side.size:
        return ()
    return (f"the {who}'s model has {rows:,} embedding rows, fewer than its tokenizer's {side.size:,} ids: {what}",)


def _names(ids: Mapping[str, int], names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: ids[name]))


def shared_vocabulary(match: TokenizerMatch, mapping: Sequence[int] = ()) -> SharedVocabulary:
    """What the distillation loss may compare; `mapping` is `vocabulary_mapping`'s where the verdict is `same_pieces`.

    Raises ValueError for tokenizers that are different, whose logits do not compare.
    """
    if match.verdict == "different" or (match.verdict == "same_pieces" and len(mapping) != match.student_size):
        raise ValueError(
            f"logits do not compare: tokenizers are {match.verdict}, a mapping of {len(mapping)} ids is given"
        )
    if match.verdict == "same":
        return SharedVocabulary(size=match.shared_ids, excluded=match.excluded_ids, student_tokens=match.student_size)
    return SharedVocabulary(
        size=len(mapping),
        excluded=tuple(at for at, other in enumerate(mapping) if other < 0),
        teacher_ids=tuple(mapping),
        student_tokens=match.student_size,
    )
