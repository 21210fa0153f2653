"""Which teacher and which students fit the brief."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from ..skills import load as load_skill
from ..skills.protocol import SPECIAL_TOKENS
from ..state.brief import Record
from ..state.errors import Correctable
from ..state.model_facts import ModelFacts
from ..state.run import Match, RunState
from .base import Context, Tool
from .estimating.architecture import architecture_of
from .models.catalogue import Catalogue, with_own
from .models.licences import known_licence
from .training.students import SHAPES

GIVEN_ANSWERS = "the given answers"
"""In the place of a teacher's name where the user's data hold the answers."""


class MatchModels(Record):
    """Matches a teacher with students that fit the brief's size and licence limits; says why others were rejected."""

    max_parameters: int | None = Field(
        default=None, gt=0, description="a tighter size limit than the brief's, parameters"
    )


def _run(context: Context, args: MatchModels) -> Match:
    caps = [cap for cap in (args.max_parameters, context.brief.limits.max_parameters) if cap is not None]
    cap = min(caps, default=None)
    given, teacher = context.state.given, _teacher(context)
    if context.state.checkpoint is not None:
        return Match(
            teacher=teacher,
            students=(),
            parameters=(),
            rejected=(
                f"every student but {context.state.checkpoint.model.name}: the brief names the one to be taught",
            ),
        )
    words = given.vocabulary if given else len(load_skill(context.brief.skill).vocabulary)
    vocabulary = words + len(SPECIAL_TOKENS)
    sized = [(shape, shape.parameters(vocabulary)) for shape in SHAPES]
    fitting = [(shape, size) for shape, size in sized if cap is None or size <= cap]
    licences = context.brief.limits.licences
    catalogue = with_own(context.state.own_models)
    why = {facts.name: why_no_student(facts, cap, licences) for facts in catalogue.values() if "student" in facts.roles}
    rejected = [
        *(
            f"{shape.name}: {size:,} parameters, over the limit of {cap:,}"
            for shape, size in sized
            if cap and size > cap
        ),
        *_grouped({name: reason for name, reason in why.items() if reason}),
    ]
    if licences:
        rejected.append(
            f"licences other than {', '.join(licences)}: the limit holds, for students built from scratch carry none"
        )
    return Match(
        teacher=teacher,
        students=tuple(shape for shape, _ in fitting),
        parameters=tuple(size for _, size in fitting),
        hub_students=tuple(name for name, reason in why.items() if not reason),
        rejected=tuple(rejected),
    )


def _teacher(context: Context) -> str:
    if context.brief.teacher is not None and context.state.given is not None:
        return context.brief.teacher.name
    return GIVEN_ANSWERS if context.state.given else f"solver:{context.brief.skill}"


def hub_facts(state: RunState) -> list[ModelFacts]:
    """What is known of the matched students of the catalogue, in order."""
    catalogue: Catalogue = with_own(state.own_models)
    return [catalogue[name] for name in (state.match.hub_students if state.match else ()) if name in catalogue]


def why_no_student(facts: ModelFacts, cap: int | None, licences: Sequence[str]) -> str:
    """Why a model of the catalogue is no student for this brief; empty where it is."""
    if cap is not None and (facts.parameters or 0) > cap:
        return f"over the limit of {cap:,} parameters"
    if licences:
        allowed = {found.name if (found := known_licence(name)) else name.strip().casefold() for name in licences}
        known = known_licence(facts.licence)
        if (known.name if known else facts.licence.casefold()) not in allowed:
            return f"licence {facts.licence!r} is none of {', '.join(licences)}"
    try:
        architecture_of(facts)
    except Correctable as error:
        return str(error).split(": ", 1)[-1].split(";")[0]
    return ""


def _grouped(why: dict[str, str]) -> Iterator[str]:
    """One line for every reason, with the models it holds for."""
    for reason in dict.fromkeys(why.values()):
        names = [name for name, one in why.items() if one == reason]
        yield f"{', '.join(names)}: {reason}"


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
