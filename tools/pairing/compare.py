"""Several teachers for one student, by name or folder, with their answers where there are any: checked, scored and ranked."""

# pyright: reportUnknownMemberType=false

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...state.errors import Correctable
from ...state.evidence import Interval, wilson
from ..models.catalogue import Catalogue
from ..models.folder import facts_of_folder
from ..models.licences import known_licence
from .evidence import GraceScore, PairEvidence
from .licences import Use
from .memory import Setup
from .preflight import Side, check_pair
from .ranking import Ranking, rank_pairs

FEWEST_ANSWERS = 16
"""Fewer answers than this tell GRACE nothing: its ten folds would hold one each."""
PROBLEMS_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one teacher wrote to the probe set."""

    pairs: tuple[tuple[str, str], ...]
    """Prompts and answers."""
    accuracy: Interval | None
    """Share that was right; None where the file does not say."""


def side_of(name: str, catalogue: Catalogue) -> Side:
    """A model by its folder, or by its name in the catalogue, whose files are read where the user says they lie.

    Raises Correctable for what is neither, and for a folder that cannot be read.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Side.from_folder(facts_of_folder(folder, name=name), folder)
    facts = catalogue.find(name)
    return Side.from_folder(facts, Path(facts.path).expanduser()) if facts.path else Side(facts=facts)


def read_answers(path: Path) -> Answers:
    """A file of JSON lines with `prompt`, `answer` and, where it was judged, `right`. Raises Correctable naming every wrong line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Correctable(f"{path} cannot be read: {error}") from error
    found: list[tuple[str, str]] = []
    judged: list[bool] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            prompt, answer = row["prompt"], row["answer"]
        except (ValueError, KeyError, TypeError):
            problems.append(f"line {number} is no JSON object with a prompt and an answer")
            continue
        if not (isinstance(prompt, str) and isinstance(answer, str) and answer.strip()):
            problems.append(f"line {number}: prompt and answer must be texts, the answer not empty")
        elif not isinstance(row.get("right", True), bool):
            problems.append(f"line {number}: right is {row['right']!r}; valid: true, false")
        else:
            found.append((prompt, answer))
            judged += [row["right"]] if "right" in row else []
    if judged and len(judged) != len(found):
        problems.append(f"{len(judged)} of {len(found)} lines say whether they are right: all must, or none")
    if problems or not found:
        more = f" (and {len(problems) - PROBLEMS_SHOWN} more)" if len(problems) > PROBLEMS_SHOWN else ""
        raise Correctable(f"{path}: {'; '.join(problems[:PROBLEMS_SHOWN]) or 'it is empty'}{more}")
    return Answers(pairs=tuple(found), accuracy=wilson(sum(judged), len(judged)) if judged else None)


def compare(
    student: str,
    teachers: Sequence[str],
    answers: Mapping[str, Answers],
    *,
    catalogue: Catalogue,
    use: Use,
    setup: Setup,
) -> Ranking:
    """Checks every teacher against the student and ranks those that may teach it.

    The probe texts are those of `answers`, beside the built-in ones. GRACE is computed for the shortlist where the student's
    weights are at hand and a teacher has at least FEWEST_ANSWERS answers. Raises Correctable as `side_of` does, and for a student
    behind an API.
    """
    twice = sorted({name for name in teachers if list(teachers).count(name) > 1})
    if twice or student in teachers:
        own = [f"{student} is the student itself"] if student in teachers else []
        raise Correctable("; ".join([*own, *(f"{name} is given twice" for name in twice)]))
    taught = side_of(student, catalogue)
    if taught.facts.kind == "api":
        raise Correctable(
            f"{taught.facts.name} cannot be a student: it is behind an API, and its weights are not to be had; "
            "valid are a model's folder and what `stratos models --role student` lists"
        )
    probe = [text for given in answers.values() for pair in given.pairs for text in pair]
    pairs: list[PairEvidence] = []
    for name in teachers:
        teacher = side_of(name, catalogue)
        given = answers.get(name)
        check = check_pair(
            teacher,
            taught,
            probe,
            terms=known_licence(teacher.facts.licence),
            use=use,
            setup=setup,
            answers_judged=given is not None and given.accuracy is not None,
        )
        pairs.append(
            PairEvidence(
                check=check.model_copy(update={"teacher": name}), teacher_accuracy=given.accuracy if given else None
            )
        )
    score = _Scorer(taught, answers)
    return rank_pairs(pairs, score if score.possible else None)


class _Scorer:
    """GRACE of a teacher by its name; the student is loaded at the first."""

    def __init__(self, student: Side, answers: Mapping[str, Answers]) -> None:
        folder = student.tokenizer
        self._folder = folder if isinstance(folder, Path) else None
        self._answers = {name: given for name, given in answers.items() if len(given.pairs) >= FEWEST_ANSWERS}
        self._loaded: tuple[object, object] | None = None

    @property
    def possible(self) -> bool:
        """Whether there is a student with weights, and answers to score."""
        return bool(self._answers) and self._folder is not None and any(self._folder.glob("*.safetensors"))

    def __call__(self, teacher: str) -> GraceScore | None:
        from transformers import AutoTokenizer

        from .grace import score_teacher
        from .gradients import encode_answers, load_student

        given = self._answers.get(teacher)
        if given is None or self._folder is None:
            return None
        if self._loaded is None:
            self._loaded = load_student(self._folder), AutoTokenizer.from_pretrained(self._folder)
        model, tokenizer = self._loaded
        return score_teacher(model, encode_answers(tokenizer, given.pairs))
