"""Which teacher and which students fit the brief."""

from pydantic import Field

from ..skills import load as load_skill
from ..state.brief import Record
from ..state.run import Match, RunState
from .base import Context, Tool
from .training.students import SHAPES, SPECIAL_TOKENS


class MatchModels(Record):
    """Matches a teacher with students that fit the brief's size and licence limits; says why others were rejected."""

    max_parameters: int | None = Field(
        default=None, gt=0, description="a tighter size limit than the brief's, parameters"
    )


def _run(context: Context, args: MatchModels) -> Match:
    skill = load_skill(context.brief.skill)
    caps = [cap for cap in (args.max_parameters, context.brief.limits.max_parameters) if cap is not None]
    vocabulary = len(skill.vocabulary) + len(SPECIAL_TOKENS)
    sized = [(shape, shape.parameters(vocabulary)) for shape in SHAPES]
    fitting = [(shape, size) for shape, size in sized if not caps or size <= min(caps)]
    rejected = [
        f"{shape.name}: {size:,} parameters, over the limit of {min(caps):,}"
        for shape, size in sized
        if caps and size > min(caps)
    ]
    rejected.append("hub models: none is configured on this machine; students are built from scratch")
    if licences := context.brief.limits.licences:
        rejected.append(
            f"licences other than {', '.join(licences)}: the limit holds, for students built from scratch carry none"
        )
    return Match(
        teacher=f"solver:{skill.name}",
        students=tuple(shape for shape, _ in fitting),
        parameters=tuple(size for _, size in fitting),
        rejected=tuple(rejected),
    )


def _apply(state: RunState, result: Match) -> RunState:
    return state.model_copy(update={"match": result})


MATCH_MODELS = Tool(
    name="match_models",
    args=MatchModels,
    result=Match,
    kind="decision",
    needs=lambda state, args: None,
    run=_run,
    apply=_apply,
)
