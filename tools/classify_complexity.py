"""What kind of task this is, found out on a probe set before anything is trained."""

from dataclasses import dataclass
from statistics import fmean

from pydantic import Field

from ..skills.protocol import Example, Skill
from ..state.brief import Record
from ..state.errors import Correctable
from ..state.evidence import Interval, wilson
from ..state.run import Complexity, RunState
from ..state.teaching import TeacherEvidence, Way
from .accuracy import measured_points
from .base import FREE, Context, Cost, Tool
from .controls import guesses_of, right_answers
from .costs import FRAMING_TOKENS
from .probing import asked_teacher, is_readable, student_before, teacher_lines
from .teaching.budget import PROBE_ITEMS, PROBE_SAMPLES, item_usd, probe_costs, probe_usd
from .teaching.ways import Probe, TeachingChoice, chance_above, choose_way
from .training.tokenizer import text_encoders

PROBE_BLOCK = 3_000_000
"""First block number of probe examples; training and held-out blocks lie far below."""

FIT_ITEMS = 600
GIVEN_FIT_ITEMS = 20_000
"""Of given examples: the guesses may learn from as many as a student does."""


GUESSABLE = "plain fine-tuning suffices"
"""The verdict where a guess or one cheap feature is as good as the target, or answers alone teach the task."""

PROMPTABLE = "prompting suffices"
"""The verdict where the checkpoint that is to be taught reaches the target as it is."""

NOT_WORTH_IT = (GUESSABLE, PROMPTABLE)
"""Verdicts after which distilling may not be worth its money."""

CHOSEN_FOR_TOKENS = 600_000
"""The length of training that a way of teaching is chosen for: a run's usual first one."""


class ClassifyComplexity(Record):
    """Finds out how hard the task is: whether its answers can be guessed or told from a shortcut, what a named teacher knows of it,
    and whether it and the verifier agree. Says which way of teaching fits: alignment with the teacher, injection of right answers
    and the ways to them, plain fine-tuning, or none needed."""

    probe_items: int = Field(default=100, ge=20, le=100, description="items the verdict is based on")


def _run(context: Context, args: ClassifyComplexity) -> Complexity:
    skill, task = context.load_skill(), context.brief.task
    fit, probe = _looked_at(skill, task, context.settings.seed, args.probe_items)
    guesses = guesses_of(skill, task, fit)
    right = [right_answers(skill, task, guess, probe) for guess in guesses]
    best = max(range(len(guesses)), key=lambda index: (right[index], -index))
    asked, before = asked_teacher(context, args.probe_items), student_before(context, probe)
    teacher_right = len(probe) if skill.given else _teacher_right(skill, task, probe)
    shares = wilson(right[best], len(probe))
    prompts, completions = text_encoders(skill)
    lengths = sorted(map(len, completions([skill.completion(example, rationale=True) for example in fit])))
    evidence = asked.evidence if asked else None
    answer_tokens = fmean(map(len, completions([skill.completion(example, rationale=False) for example in fit])))
    prompt_tokens = fmean(map(len, prompts([example.prompt for example in fit])))
    known = Known(
        guess=guesses[best].name,
        share=shares,
        chance=right[0] / len(probe),
        solver_accuracy=teacher_right / len(probe),
        teacher=evidence,
        before=before.score.exact if before else None,
        tokens_an_example=prompt_tokens + fmean(lengths) + FRAMING_TOKENS,
    )
    chosen = choice_of(context.state, known)
    return Complexity(
        verdict=chosen.verdict,
        probability=round(chosen.probability, 4),
        evidence=(
            f"the most frequent answer is right on {right[0]} of {len(probe)} probe items",
            f"best cheap guess ({guesses[best].name}): {_share(shares)}",
            *(() if skill.given else (_solver_line(teacher_right, len(probe)),)),
            *(teacher_lines(evidence) if evidence else _nobody_asked(context)),
            *(
                (f"the student before training: {_share(before.score.exact)}", before.familiarity.words)
                if before
                else ()
            ),
            chosen.why,
        ),
        probe_items=len(probe),
        teacher_accuracy=evidence.accuracy.value if evidence else teacher_right / len(probe),
        most_frequent_share=right[0] / len(probe),
        best_shortcut=guesses[best].name,
        best_shortcut_share=right[best] / len(probe),
        distinct_answers=len({example.answer for example in fit}),
        rationale_tokens=fmean(lengths),
        rationale_tokens_p95=lengths[len(lengths) * 95 // 100],
        answer_tokens=answer_tokens,
        prompt_tokens=prompt_tokens,
        way=chosen.way,
        teacher=evidence,
        student_before=before.score.exact if before else None,
        familiarity=before.familiarity if before else None,
        asking_seconds=(asked.seconds if asked else 0.0) + (before.seconds if before else 0.0),
        curve=measured_points(skill.name, task),
    )


def _nobody_asked(context: Context) -> tuple[str, ...]:
    """Why there is nothing of a teacher model."""
    if context.brief.teacher is not None:
        return (
            f"teacher {context.brief.teacher.name} was not asked: that costs money, and a plan alone spends nothing",
        )
    return ("the right answers were given with the data; no teacher was asked",) if context.state.given else ()


def _share(share: Interval) -> str:
    return f"{share.value:.0%} of {share.n} right, 95 % interval {share.low:.0%} to {share.high:.0%}"


def _solver_line(right: int, n: int) -> str:
    return f"the teacher (the skill's solver) is right on {right} of {n} by the independent verifier"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the probe found, beside the run's own facts."""

    guess: str
    share: Interval
    """Of its right answers."""
    chance: float
    solver_accuracy: float
    teacher: TeacherEvidence | None
    before: Interval | None
    """The checkpoint's right answers before it is taught."""
    tokens_an_example: float


def choice_of(state: RunState, known: Known) -> TeachingChoice:
    """What kind of task this is and how it should be taught."""
    target = state.known_brief.targets.accuracy
    chosen = _way(state, known)
    if target is None or known.before is None or known.before.low < target:
        return chosen
    why = f"the model is right on {known.before.value:.0%} of the probe as it is: asking it may be all that is needed"
    sure = chance_above(known.before, target)
    return TeachingChoice(way=chosen.way, verdict=PROMPTABLE, probability=sure, why=why)


def _way(state: RunState, known: Known) -> TeachingChoice:
    given = state.given
    reach = chance_above(known.share, state.known_brief.targets.accuracy or 1.0)
    if reach > 0.5:
        why = f"{known.guess} alone may reach the target: distilling would prove nothing"
        way: Way = "ways" if given is None or given.with_rationales else "answers"
        return TeachingChoice(way=way, verdict=GUESSABLE, probability=reach, why=why)
    if given is None:
        return _made(reach, known.solver_accuracy)
    teacher = known.teacher if known.teacher and is_readable(known.teacher) else None
    probe = Probe(
        chance=known.chance,
        guess=known.share,
        teacher=teacher.accuracy if teacher else None,
        hinted=teacher.hinted_accuracy if teacher else None,
        labelled=given.train,
        worked=given.with_rationales,
        unlabelled=given.unlabelled,
        tokens_an_example=known.tokens_an_example,
    )
    return choose_way(probe, CHOSEN_FOR_TOKENS)


def _made(reach: float, solver_accuracy: float) -> TeachingChoice:
    """Of a skill that makes its own examples."""
    if solver_accuracy > 0.5:
        why = "a student built from scratch knows nothing of the domain; right answers exist, so knowledge is injected"
        return TeachingChoice(way="ways", verdict="injection", probability=1 - reach, why=why)
    why = "neither a guess nor the teacher gets the answers right"
    return TeachingChoice(way="ways", verdict="out of reach", probability=1 - reach, why=why)


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


def _estimate(context: Context, args: ClassifyComplexity) -> Cost:
    """What asking the teacher may cost. Raises Correctable where its tokens cost money and nothing may be spent."""
    teacher, usd = context.brief.teacher, probe_usd(context.state)
    if teacher is None or context.settings.plan_only or not probe_costs(context.state):
        return FREE
    if usd <= 0:
        raise Correctable(
            f"asking teacher {teacher.name!r} costs money, and none may be spent: name a limit, or no teacher"
        )
    if usd < (least := item_usd(context.state)):
        raise Correctable(
            f"asking teacher {teacher.name!r} about one question may cost ${least:,.4f}, and a tenth of the money that is left is "
            f"${usd:,.4f}: raise the limit, or name a cheaper teacher or none"
        )
    return Cost(
        usd=usd, basis=f"up to {PROBE_ITEMS * (PROBE_SAMPLES + 2)} answers of {teacher.name}, bounded by its purse"
    )


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
    estimate=_estimate,
    settle=lambda context, result: result.teacher.spent.usd if result.teacher else 0.0,
)
