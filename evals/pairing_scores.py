"""What can be said of the eval's teachers before a student is trained: accuracies, scores of gradients, and the product's ranking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal

from ..skills import load as load_skill
from ..skills.protocol import Example
from ..state.evidence import Interval, wilson
from ..state.model_facts import ModelFacts
from ..tools.pairing.evidence import GraceScore, PairEvidence
from ..tools.pairing.grace import dimension_for, grace, mean_answer_tokens
from ..tools.pairing.gradients import answer_gradients
from ..tools.pairing.preflight import Side, check_pair
from ..tools.pairing.ranking import rank_pairs
from ..tools.training.batches import Encoder
from .mahjong import SKILL

TASK, STUDENT = "win", "scratch-0.35M"

Figures = Mapping[str, float]
"""One figure a teacher, by its name."""


@dataclass(frozen=True, kw_only=True)
class NoLicence:
    """The terms of a teacher that is this project's own code."""

    name: str = "none"
    spdx: str | None = None
    commercial: object = True
    outputs_may_train: Literal["yes", "with_conditions", "no"] = "yes"
    condition: str = ""


def accuracy(answers: Sequence[Example]) -> tuple[Interval, Interval]:
    """Exact and answer-only shares of a teacher's answers."""
    skill = load_skill(SKILL)
    checks = [skill.verify(TASK, one.prompt, skill.completion(one, rationale=True)) for one in answers]
    return wilson(sum(check.exact for check in checks), len(checks)), wilson(
        sum(check.answer_right for check in checks), len(checks)
    )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What one student's gradients on one teacher's answers say: GRACE as published in the paper, and without the length factor."""

    scaled: GraceScore
    plain: GraceScore
    loss: float
    """Nats a token, the mean over answers."""


def scored(model: Any, answers: Sequence[Example]) -> Scores:
    """The scores of a teacher, from one backward pass an answer."""
    import numpy as np

    rows = Encoder(skill=load_skill(SKILL), rationale=True).encode(answers)
    found = answer_gradients(model, rows, dimension=dimension_for(len(rows)), length_scale="none")
    factors = np.log([[len(ids) - given] for ids, given in rows])
    length = {"answer_tokens": mean_answer_tokens(rows)}
    return Scores(
        scaled=grace(found.projected * factors).model_copy(update=length),
        plain=grace(found.projected).model_copy(update=length),
        loss=float(found.losses.mean()),
    )


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Rank correlation, ties at their mean rank (Spearman 1904); zero where one side does not vary."""
    first, second = _ranks(one), _ranks(other)
    at, to = mean(first), mean(second)
    spread = sum((x - at) ** 2 for x in first) * sum((y - to) ** 2 for y in second)
    return sum((x - at) * (y - to) for x, y in zip(first, second, strict=True)) / spread**0.5 if spread else 0.0


def _ranks(figures: Sequence[float]) -> list[float]:
    return [sum(other < one for other in figures) + (sum(other == one for other in figures) - 1) / 2 for one in figures]


def regret(prediction: Figures, gained: Figures) -> float:
    """What is lost by taking the teacher with the highest prediction, the mean over those that share it."""
    best = max(prediction.values())
    return max(gained.values()) - mean(gained[name] for name, value in prediction.items() if value == best)


def predictions(
    models: Mapping[str, Any], probe: Mapping[str, Sequence[Example]]
) -> tuple[dict[str, dict[str, float]], dict[str, GraceScore]]:
    """Every score by its name, turned so that higher promises more, and GRACE of the warmed student."""
    found: dict[str, dict[str, float]] = {
        "teacher accuracy, exact": {},
        "teacher accuracy, answer": {},
        "longer answers": {},
    }
    kept: dict[str, GraceScore] = {}
    for name, answers in probe.items():
        exact, answer = accuracy(answers)
        found["teacher accuracy, exact"][name], found["teacher accuracy, answer"][name] = exact.value, answer.value
        found["longer answers"][name] = mean(len(one.rationale.split()) for one in answers)
        for when, model in models.items():
            scores = scored(model, answers)
            kept[name] = scores.scaled  # the last model's, which is the warmed one
            for what, value in (
                ("GRACE", -scores.scaled.score),
                ("GRACE, variance alone", -scores.scaled.variance),
                ("GRACE, no length factor", -scores.plain.score),
                ("G-Norm", -scores.scaled.g_norm),
                ("G-Vendi", scores.scaled.g_vendi),
                ("student's loss", -scores.loss),
            ):
                found.setdefault(f"{what}, {when}", {})[name] = value
    return found, kept


def ranked(
    probe: Mapping[str, Sequence[Example]], scores: Mapping[str, GraceScore], *, by_answer: bool = False
) -> dict[str, float]:
    """What `rank_pairs` makes of it: minus the rank, so that higher promises more. `by_answer` judges final answers alone."""
    values = {
        "roles": ("teacher",),
        "family": "",
        "instruct": True,
        "licence": "none",
        "released": "2026-11",
        "source": "",
    }
    student = Side(facts=ModelFacts.model_validate({**values, "name": STUDENT, "kind": "open"}))
    pairs: list[PairEvidence] = []
    for name, answers in probe.items():
        teacher = Side(facts=ModelFacts.model_validate({**values, "name": name, "kind": "api"}))
        check = check_pair(teacher, student, terms=NoLicence())
        pairs.append(PairEvidence(check=check, teacher_accuracy=accuracy(answers)[by_answer]))
    ranking = rank_pairs(pairs, scores.get, shortlist_size=4)
    return {one.evidence.check.teacher: -float(one.rank) for one in ranking.ranked}
