"""What kind of task this is, found out on a probe set before anything is trained."""

from statistics import NormalDist, fmean

from pydantic import Field

from ..skills.protocol import Example, Skill
from ..state.brief import Record
from ..state.evidence import wilson
from ..state.run import Complexity, RunState
from .accuracy import measured_points
from .base import Context, Tool
from .controls import guesses_of, right_answers
from .training.tokenizer import text_encoders

PROBE_BLOCK = 3_000_000
"""First block number of probe examples; training and held-out blocks lie far below."""

FIT_ITEMS = 600
GIVEN_FIT_ITEMS = 20_000
"""Of given examples: the guesses may learn from as many as a student does."""


GUESSABLE = "plain fine-tuning suffices"
"""The verdict where a guess or one cheap feature is as good as the target."""


class ClassifyComplexity(Record):
    """Finds out how hard the task is: whether its answers can be guessed or told from a shortcut, and whether the teacher
    and the verifier agree. Says which way of teaching fits: injection, plain fine-tuning, or none needed."""

    probe_items: int = Field(default=100, ge=20, le=100, description="items the verdict is based on")


def _run(context: Context, args: ClassifyComplexity) -> Complexity:
    skill, task = context.load_skill(), context.brief.task
    fit, probe = _looked_at(skill, task, context.settings.seed, args.probe_items)
    guesses = guesses_of(skill, task, fit)
    right = [right_answers(skill, task, guess, probe) for guess in guesses]
    best = max(range(len(guesses)), key=lambda index: (right[index], -index))
    teacher_right = len(probe) if skill.given else _teacher_right(skill, task, probe)
    target = context.brief.targets.accuracy or 1.0
    reach = _chance_of_reaching(right[best], len(probe), target)
    verdict, probability, why = _verdict(guesses[best].name, reach, teacher_right / len(probe))
    shares = wilson(right[best], len(probe))
    prompts, completions = text_encoders(skill)
    lengths = sorted(map(len, completions([skill.completion(example, rationale=True) for example in fit])))
    return Complexity(
        verdict=verdict,
        probability=round(probability, 4),
        evidence=(
            f"the most frequent answer is right on {right[0]} of {len(probe)} probe items",
            f"best cheap guess ({guesses[best].name}): {shares.value:.0%}, 95 % interval {shares.low:.0%} to {shares.high:.0%}",
            "the right answers were given with the data; no teacher was asked"
            if skill.given
            else f"the teacher (the skill's solver) is right on {teacher_right} of {len(probe)} by the independent verifier",
            why,
        ),
        probe_items=len(probe),
        teacher_accuracy=teacher_right / len(probe),
        most_frequent_share=right[0] / len(probe),
        best_shortcut=guesses[best].name,
        best_shortcut_share=right[best] / len(probe),
        distinct_answers=len({example.answer for example in fit}),
        rationale_tokens=fmean(lengths),
        rationale_tokens_p95=lengths[len(lengths) * 95 // 100],
        answer_tokens=fmean(map(len, completions([skill.completion(example, rationale=False) for example in fit]))),
        prompt_tokens=fmean(map(len, prompts([example.prompt for example in fit]))),
        curve=measured_points(skill.name, task),
    )


def _looked_at(skill: Skill, task: str, seed: int, probe_items: int) -> tuple[list[Example], list[Example]]:
    """What the guesses are fitted on, and the probe; of given examples, both from those for training."""
    if skill.given is None:
        fit = skill.make(task, seed=seed, block=PROBE_BLOCK, count=FIT_ITEMS)
        return fit, skill.make(task, seed=seed, block=PROBE_BLOCK + 1, count=probe_items)
    drawn = skill.make(task, seed=seed, block=PROBE_BLOCK, count=GIVEN_FIT_ITEMS)
    probe_items = min(probe_items, len(drawn) // 3)
    return drawn[probe_items:], drawn[:probe_items]


def _teacher_right(skill: Skill, task: str, probe: list[Example]) -> int:
    solved = [(example.prompt, skill.solve(task, example.prompt)) for example in probe]
    return sum(skill.verify(task, prompt, skill.completion(answer, rationale=True)).exact for prompt, answer in solved)


def _chance_of_reaching(right: int, n: int, target: float) -> float:
    """Chance that the true share reaches the target: normal approximation of the Beta posterior under a uniform prior."""
    mean = (right + 1) / (n + 2)
    return 1 - NormalDist(mean, (mean * (1 - mean) / (n + 3)) ** 0.5).cdf(target)


def _verdict(best: str, reach: float, teacher_accuracy: float) -> tuple[str, float, str]:
    if reach > 0.5:
        return GUESSABLE, reach, f"{best} alone may reach the target: distilling would prove nothing"
    if teacher_accuracy > 0.5:
        why = "a student built from scratch knows nothing of the domain; right answers exist, so knowledge is injected"
        return "injection", 1 - reach, why
    return "out of reach", 1 - reach, "neither a guess nor the teacher gets the answers right"


def _apply(state: RunState, result: Complexity) -> RunState:
    return state.model_copy(update={"complexity": result})


CLASSIFY_COMPLEXITY = Tool(
    name="classify_complexity",
    args=ClassifyComplexity,
    result=Complexity,
    kind="effect",
    needs=lambda state, args: None,
    run=_run,
    apply=_apply,
)
