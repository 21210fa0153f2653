"""The state machine: intake -> plan <-> act -> judge -> { plan | deploy } -> report, with an approval before money.

Nodes are plain functions. Everything they decide or do, and everything the user says, passes through the recorder, so a
resumed run takes the recorded steps at once and a replay compares them.
"""

# pyright: reportUnknownMemberType=false

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from ..skills import load as load_skill
from ..state.brief import Brief
from ..state.errors import RequestError
from ..state.evidence import OutcomeStatus, Verdict
from ..state.journal import WAITING
from ..state.run import Approval, CheckpointFacts, GivenFacts, PlannerUse, ProposedCall, RunState
from ..state.talk import Answer, Question, Word
from ..tools.base import Settings
from ..tools.classify_complexity import NOT_WORTH_IT
from ..tools.given_data import take_data
from ..tools.given_model.taking import take_checkpoint
from ..tools.sites.checking import wrong_with_sites
from ..tools.sites.cloud.pictures import are_pictures, take_pictures
from .carrying_out import RunContext, guarded_call, money_parts, needs_a_word, released, take, to_approve
from .digest import digest
from .guard import UNAPPROVED
from .intake import NO_DOLLARS, read_request
from .judge import ENDPOINT, judge, judge_endpoint
from .judge_sites import judge_sites
from .model_intake import read_with_model
from .model_planner import FINISH, decide
from .planners import RULES, Decision, rules_planner
from .report import outcome
from .revising import after_word, back_to_trained, hear
from .together import wrong_with_files

ONLY_SHOWN = {"parts", "doubts"}
"""Fields of a question that explain it; the record is of what was asked."""

CHOOSING, JUDGED = ("solve_pareto", "choose_cuts"), ("evaluate", "customize")
"""Tools after which money needs a word, and after which the judge compares measured with wanted."""

MAX_CORRECTIONS = 5
"""Refused calls in a row after which the planner is taken to be stuck."""

STEPS_BY_MODEL_AN_ATTEMPT = 50
"""Recorded steps of a run, for each attempt allowed, after which a planner that is no rule is taken to go in circles; the rules
take 20."""

RECURSION_LIMIT = 500


class GraphState(TypedDict):
    """What flows between nodes."""

    run: RunState
    call: ProposedCall | None
    question: Question | None


def intake(state: GraphState, runtime: Runtime[RunContext]) -> Command[Literal["plan", "ask", "report"]]:
    """Turns the request into a brief; asks for what it lacks where there is somebody to ask, else refuses it."""
    context, run = runtime.context, state["run"]
    by_model = not context.planner.pure and run.planner == context.planner.name and context.given_brief is None
    kind = "effect" if by_model else "decision"
    result, replayed = take(
        context, "intake", {"request": run.request}, lambda: _read(context, run, by_model), kind=kind
    )
    if by_model:
        run = _used(run, Decision.model_validate(result["reading"]))
        if gave_up := result["reading"]["gave_up"]:
            run = _taken_over(context, run, gave_up)
    may_ask = context.settings.asks and context.given_brief is None and not run.asked
    if may_ask and (question := _question(run, result)) is not None:
        return Command(goto="ask", update={"run": run, "question": question})
    if "problems" in result:
        return _end(run, "refused", "\n".join([*result["problems"], *_wrong_beside(context)]))
    run = run.model_copy(update={"brief": Brief.model_validate(result["brief"])})
    context.shown.step("intake", run, replayed=replayed)
    if (sites := run.known_brief.sites) is not None:
        named = sites.model_dump(mode="json")
        found, _ = take(context, "look_at_sites", named, lambda: {"problems": wrong_with_sites(run.known_brief)})
        if found["problems"]:
            return _end(run, "refused", "\n".join(found["problems"]))
    if run.known_brief.data is not None:
        found, replayed = take(
            context, "take_data", run.known_brief.data.model_dump(mode="json"), lambda: _taken_data(context, run)
        )
        if "problems" in found:
            return _end(run, "refused", "\n".join(found["problems"]))
        run = run.model_copy(update={"given": GivenFacts.model_validate(found["given"])})
        context.shown.step("take_data", run, replayed=replayed)
    if run.known_brief.student is not None and run.known_brief.sites is None:
        found, replayed = take(
            context, "take_checkpoint", {"student": run.known_brief.student}, lambda: _taken_checkpoint(context, run)
        )
        if "problems" in found:
            return _end(run, "refused", "\n".join(found["problems"]))
        run = run.model_copy(update={"checkpoint": CheckpointFacts.model_validate(found["checkpoint"])})
        context.shown.step("take_checkpoint", run, replayed=replayed)
    return Command(goto="plan", update={"run": run})


def _wrong_beside(context: RunContext) -> list[str]:
    """What is wrong with the files named beside a request that cannot be used; as recorded, since files change."""
    data, student = context.settings.data, context.settings.student
    if data is None and student is None:
        return []
    named = {"data": data.model_dump(mode="json") if data else None, "student": student}
    found, _ = take(context, "look_at_files", named, lambda: {"problems": wrong_with_files(data, student)})
    return found["problems"]


def _taken_data(context: RunContext, run: RunState) -> dict[str, Any]:
    """The user's examples as they were split and sealed, or everything that is wrong with them."""
    try:
        given = _taken(run.known_brief, context.workspace.run_folder(run.run_id), context.settings)
    except RequestError as error:
        student = None if run.known_brief.sites else run.known_brief.student
        return {"problems": [*error.problems, *wrong_with_files(None, student)]}
    return {"given": given.model_dump(mode="json")}


def _taken(brief: Brief, run_folder: Path, settings: Settings) -> GivenFacts:
    assert brief.data is not None
    if brief.sites is not None and are_pictures(brief.data.path):
        path = Path(brief.data.path).expanduser()
        return take_pictures(path, run_folder, seed=settings.seed, held_out_items=settings.held_out_items)
    return take_data(brief, run_folder, settings)


def _taken_checkpoint(context: RunContext, run: RunState) -> dict[str, Any]:
    """The open model that is to be taught, or everything that keeps it from that."""
    folder = context.workspace.run_folder(run.run_id)
    brief = run.known_brief
    skill = load_skill(brief.skill, folder / run.given.folder if run.given else None)
    try:
        found = take_checkpoint(brief, folder, skill, context.settings.seed)
    except RequestError as error:
        return {"problems": error.problems}
    return {"checkpoint": found.model_dump(mode="json")}


def _read(context: RunContext, run: RunState, by_model: bool) -> dict[str, Any]:
    """The brief of the run's request, with the models named beside it, or its problems; beside it what asking a model took."""
    found, settings = _read_words(context, run, by_model), context.settings
    if "brief" not in found or context.given_brief is not None:
        return found
    beside = {
        "teacher": settings.teacher.model_dump(mode="json") if settings.teacher else None,
        "student": settings.student,
    }
    if settings.sites is not None and "sites" not in found["brief"]:
        beside["sites"] = settings.sites.model_dump(mode="json")
    return {**found, "brief": {**found["brief"], **beside}}


def _read_words(context: RunContext, run: RunState, by_model: bool) -> dict[str, Any]:
    limits = {"max_usd": context.settings.max_usd, "max_hours": context.settings.max_hours}
    own, data = context.settings.own_names, context.settings.data
    if context.given_brief is not None:
        return {"brief": context.given_brief.model_dump(mode="json")}
    if by_model:
        found, decision = read_with_model(
            context.planner,
            run.request,
            data=data,
            sites=context.settings.sites,
            spent_usd=run.planner_use.usd,
            own=own,
            **limits,
        )
        return {**found, "reading": decision.model_dump(mode="json")}
    try:
        sites = context.settings.sites
        return {"brief": read_request(run.request, data=data, sites=sites, own=own, **limits).model_dump(mode="json")}
    except RequestError as error:
        return {"problems": error.problems}


def _question(run: RunState, result: Mapping[str, Any]) -> Question | None:
    """What a person should be asked: problems, or what matters and was not said; None when nothing lacks."""
    if "problems" in result:
        return Question(run_id=run.run_id, about="brief", problems=tuple(result["problems"]), missing=run.still_open)
    brief = Brief.model_validate(result["brief"])
    missing = [] if brief.targets.accuracy is not None else ["how often must it be right, in percent?"]
    if NO_DOLLARS in brief.assumptions:
        missing.append("how much may it cost at most? Without an answer nothing is spent.")
    return Question(run_id=run.run_id, about="brief", missing=tuple(missing)) if missing else None


def ask(state: GraphState, runtime: Runtime[RunContext]) -> Command[Literal["intake", "report"]]:
    """Asks the user for what the brief lacks; an empty answer leaves it to the assumptions, or gives up what cannot be used."""
    context, run = runtime.context, state["run"]
    question = state["question"]
    assert question is not None
    answer = _answer(context, question)
    said, _ = take(context, "user", question.model_dump(mode="json"), lambda: {"text": answer.text.strip()})
    good = run.request_before if question.problems else run.request
    if not said["text"] and not good:
        return _end(run, "refused", "\n".join(question.problems))
    request = _joined(good, said["text"], question.missing)
    changes = {"asked": not said["text"], "request": request, "request_before": good, "still_open": question.missing}
    return Command(goto="intake", update={"run": run.model_copy(update=changes)})


def _joined(good: str, said: str, missing: tuple[str, ...]) -> str:
    """What could be used of the request so far, with an answer."""
    if missing and re.fullmatch(r"\d+(\.\d+)?", said):  # the question named the unit
        percent = 100 * float(said) if float(said) < 1 else float(said)
        said = f"at least {percent:g} %" if "percent" in missing[0] else f"at most ${said}"
    return "; ".join(part for part in (good, said) if part)


def _answer(context: RunContext, question: Question) -> Answer:
    """The user's answer; on replay and resume the recorded one is taken by the step itself."""
    if not (context.recorder.replayed_all and context.recorder.mode == "live"):
        return Answer()
    # No step is taken before the interrupt: the node starts again from its top when the answer is there.
    context.recorder.note(WAITING, question.model_dump(mode="json"))
    return Answer.model_validate(interrupt(question.model_dump(mode="json")))


def plan(state: GraphState, runtime: Runtime[RunContext]) -> Command[Literal["plan", "act", "judge", "report"]]:
    """Asks the planner for the next call; what it asked for beside an earlier one comes first."""
    context, run = runtime.context, state["run"]
    if (heard := _heard(context, run)) is not None:
        return Command(goto="judge" if _to_be_judged_anew(run, heard) else "plan", update={"run": heard})
    planner = context.planner if run.planner == context.planner.name else rules_planner()
    most_steps = STEPS_BY_MODEL_AN_ATTEMPT * context.settings.max_attempts
    if not planner.pure and context.recorder.position > most_steps:
        return _take_over(context, run, f"after {most_steps} steps the run is not at its end")
    if run.pending:
        call, *rest = run.pending
        return _called(context, run.model_copy(update={"pending": tuple(rest)}), call)
    if run.corrections >= MAX_CORRECTIONS:
        problem = f"{run.corrections} of its calls in a row were refused, the last because {run.last_problem}"
        return _take_over(context, run, problem) if not planner.pure else _end(run, "failed", problem)
    seen = digest(run)
    found, replayed = take(
        context,
        "plan",
        seen.model_dump(mode="json"),
        lambda: decide(planner, seen, context.tools).model_dump(mode="json"),
        kind="decision" if planner.pure else "effect",
    )
    decision = Decision.model_validate(found)
    run = _used(run, decision)
    if decision.call is None:
        return _take_over(context, run, decision.gave_up)
    context.shown.step("plan", run, replayed=replayed, decision=decision)
    return _called(context, run.model_copy(update={"pending": decision.also}), decision.call)


def _called(context: RunContext, run: RunState, call: ProposedCall) -> Command[Any]:
    """What follows a planner's call: it is carried out, or the run ends; another planner's end is looked at by the rules."""
    if call.name != FINISH:
        return Command(goto="act", update={"run": run, "call": call})
    if context.planner.name != RULES and not run.end_checked:
        return _take_over(context, _looking_again(run), "it would end the run, and the rules look for themselves")
    tried = run.attempts or run.site_attempts
    return _end(run, "missed" if tried else "infeasible", str(call.args.get("reason", "")))


def _heard(context: RunContext, run: RunState) -> RunState | None:
    """The state after the user's next word, or None when nothing was said."""
    word: Word | None = None
    if context.recorder.replayed_all:
        word = context.heard() if context.recorder.mode == "live" else None
        if word is None:
            return None
    elif context.recorder.next_name != "user":
        return None
    return _heed(context, run, word)


def _to_be_judged_anew(run: RunState, heard: RunState) -> bool:
    """Whether a word changed what the newest attempt was measured for."""
    return heard.brief != run.brief and bool(heard.attempts and heard.attempts[-1].evaluations)


def _heed(context: RunContext, run: RunState, word: Word | None) -> RunState:
    """The state after one word; a recorded one when `word` is None."""
    folder = context.workspace.run_folder(run.run_id)
    heard, replayed = take(
        context,
        "user",
        {"attempts": len(run.attempts)},
        lambda: hear(run, word or Word(text=""), folder, context.settings),
    )
    run = after_word(run, heard)
    context.shown.step("user", run, replayed=replayed, heard=heard)
    return run


def _used(run: RunState, decision: Decision) -> RunState:
    """The run with what this decision took."""
    so_far = run.planner_use
    use = PlannerUse(
        decisions=so_far.decisions + 1,
        input_tokens=so_far.input_tokens + decision.input_tokens,
        output_tokens=so_far.output_tokens + decision.output_tokens,
        largest_input_tokens=max(so_far.largest_input_tokens, decision.largest_input_tokens),
        usd=so_far.usd + decision.usd,
    )
    return run.model_copy(update={"planner_use": use})


def _take_over(context: RunContext, run: RunState, problem: str) -> Command[Any]:
    """The rules plan from here on, from the same state."""
    return Command(goto="plan", update={"run": _taken_over(context, run, problem)})


def _looking_again(run: RunState) -> RunState:
    """The state without what a planner may have narrowed by its arguments, so that an end is what the brief's limits make it."""
    return run.model_copy(update={"offers": None, "match": None, "choice": None, "end_checked": True})


def _taken_over(context: RunContext, run: RunState, problem: str) -> RunState:
    changes = {"planner": RULES, "pending": (), "corrections": 0, "last_problem": "", "last_call": ""}
    run = run.model_copy(update=changes)
    context.shown.step("take_over", run, replayed=not context.recorder.replayed_all, problem=problem)
    return run


def act(state: GraphState, runtime: Runtime[RunContext]) -> Command[Literal["plan", "approve", "judge", "report"]]:
    """Has the guard rule on the call, runs the tool, settles what it cost."""
    context, run, call = runtime.context, state["run"], state["call"]
    assert call is not None
    run, problem = guarded_call(context, run, call.name, call.args)
    if problem:
        asked = UNAPPROVED in problem and needs_a_word(context, run)
        return Command(goto="approve" if asked else "plan", update={"run": run})
    if context.settings.plan_only and run.has_plan:
        return _end(run, "planned", run.known_plan.reason)
    if context.settings.plan_only and run.sites_plan is not None:
        return _end(run, "planned", run.sites_plan.reason)
    if call.name in CHOOSING and needs_a_word(context, run):
        return Command(goto="approve", update={"run": run})
    return Command(goto="judge" if call.name in JUDGED else "plan", update={"run": run})


def approve(
    state: GraphState, runtime: Runtime[RunContext]
) -> Command[Literal["plan", "approve", "judge", "deploy", "report"]]:
    """Waits for the user's word on the money; what was approved in advance is not asked again."""
    context, run = runtime.context, state["run"]
    wanted = to_approve(context, run)
    question = Question(
        run_id=run.run_id,
        about="plan",
        plan=_to_be_paid(run),
        plan_sha256=run.payable_sha256,
        usd=wanted,
        reason=run.known_plan.reason if run.has_plan else _why_paid(run),
        parts=_money_parts(context, run, wanted),
        doubts=_doubts(run),
    )
    by_hand = not context.settings.approved
    answer = _answer(context, question) if by_hand else Answer(approved=True)
    said, replayed = take(
        context,
        "approve",
        question.model_dump(mode="json", exclude=ONLY_SHOWN),
        lambda: {
            "approved": answer.approved,
            "by": "user" if by_hand else "in advance",
            "instead": answer.word.model_dump(mode="json") if answer.word is not None else None,
        },
    )
    if said["instead"]:
        heard = _heed(context, run, Word.model_validate(said["instead"]))
        if _to_be_judged_anew(run, heard):
            return Command(goto="judge", update={"run": heard})
        return Command(goto="approve" if heard.has_plan else "plan", update={"run": heard})
    if not said["approved"]:
        return _end(
            run,
            "cancelled",
            f"{'the plan' if run.has_plan else _to_be_paid(run)} was not approved: up to ${wanted:,.4f}",
        )
    approval = Approval(plan_sha256=run.payable_sha256, usd=wanted, by=said["by"])
    run = run.model_copy(update={"approval": approval, "last_problem": "", "refused": None})
    context.shown.step("approve", run, replayed=replayed)
    won = run.attempt_is_made and bool(run.verdicts) and run.verdicts[-1].next == "deploy"
    return Command(goto="deploy" if won else "plan", update={"run": run})


def _to_be_paid(run: RunState) -> str:
    """What the money is for."""
    brief = run.known_brief
    if run.has_plan:
        return run.known_plan.candidate.id
    if brief.sites is not None:
        return f"customize {len(brief.sites.each)} sites" if run.sites_plan else "build a family of models"
    return f"ask teacher {brief.teacher.name}" if brief.teacher else ""


def _why_paid(run: RunState) -> str:
    if run.known_brief.sites is not None:
        return run.sites_plan.reason if run.sites_plan else "every site's model is cut out of one backbone"
    return "what it knows of the task tells how a student is taught"


def _money_parts(context: RunContext, run: RunState, wanted: float) -> tuple[str, ...]:
    """What the money asked for is made of, each part at its most."""
    so_far = {"spent or reserved so far": run.billed_usd} if run.billed_usd > 0 else {}
    parts = {**so_far, **money_parts(run, context.settings)}
    capped = ("all together no more than the limit",) if sum(parts.values()) > wanted > 0 else ()
    return (*(f"{what} ${usd:,.4f}" for what, usd in parts.items()), *capped)


def _doubts(run: RunState) -> tuple[str, ...]:
    """Why the plan may not be worth its money."""
    complexity = run.complexity
    guessable = complexity.evidence[-1:] if complexity is not None and complexity.verdict in NOT_WORTH_IT else ()
    return (*guessable, *(run.known_plan.offer.warnings if run.has_plan else ()))


def judge_node(
    state: GraphState, runtime: Runtime[RunContext]
) -> Command[Literal["plan", "approve", "judge", "deploy", "report"]]:
    """Compares measured with wanted, as the user says it now, and sends the run on."""
    context, run = runtime.context, state["run"]
    while (heard := _heard(context, run)) is not None:
        run = heard
    if run.site_attempts:
        return _judged_sites(context, run)
    attempt = run.attempts[-1]
    given = {"attempt": attempt.number, "split": attempt.evaluations[-1].split}
    run, verdict = _judged(context, run, given, judge)
    run = run.model_copy(update={"price_note": ""})
    if verdict.next == "stop":
        return _end(run, "missed", verdict.reason)
    if verdict.next == "replan":
        return Command(goto="plan", update={"run": run})
    if not run.attempt_is_made:  # another plan was made meanwhile
        run = back_to_trained(run)
    if verdict.next == "deploy" and not context.settings.deploy:
        return _end(run, "met", verdict.reason)
    if needs_a_word(context, run):
        return Command(goto="approve", update={"run": run})
    return Command(goto="deploy" if verdict.next == "deploy" else "plan", update={"run": run})


def _judged(
    context: RunContext,
    run: RunState,
    given: Mapping[str, Any],
    decide: Callable[[RunState, int], Verdict],
    shown: str = "judge",
) -> tuple[RunState, Verdict]:
    """The state with a judge's verdict, recorded and shown."""
    found, replayed = take(
        context,
        "judge",
        given,
        lambda: decide(run, context.settings.max_attempts).model_dump(mode="json"),
        kind="decision",
    )
    verdict = Verdict.model_validate(found)
    run = run.model_copy(update={"verdicts": (*run.verdicts, verdict)})
    context.shown.step(shown, run, replayed=replayed)
    return run, verdict


def _judged_sites(context: RunContext, run: RunState) -> Command[Any]:
    """What follows the newest attempt over many sites. Their models are where they are used: nothing is served."""
    given = {"attempt": run.site_attempts[-1].number, "verdicts": len(run.verdicts)}
    run, verdict = _judged(context, run, given, judge_sites, shown="judge_sites")
    if verdict.next == "open_sealed":
        return Command(goto="judge", update={"run": run})
    if verdict.next == "replan":
        return Command(goto="plan", update={"run": run})
    return _end(run, "met" if verdict.next == "deploy" else "missed", verdict.reason)


def deploy(state: GraphState, runtime: Runtime[RunContext]) -> Command[Literal["plan", "report"]]:
    """Serves the winner; the same guard and record as any other call. An endpoint too slow for the brief is judged as a miss is."""
    context, run = runtime.context, state["run"]
    brief = run.known_brief
    run, problem = guarded_call(context, run, "deploy", {"name": f"{brief.skill}-{brief.task}"})
    if problem:
        here = f"`stratos deployments start NAME --run {run.run_id}` serves it on this machine"
        return _end(run, "failed", f"the model met its targets but was not served: {problem}; {here}")
    assert run.deployment is not None
    if not run.deployment.withdrawn:
        return _end(run, "met", run.verdicts[-1].reason)
    given = {"attempt": run.attempts[-1].number, "split": ENDPOINT}
    run, verdict = _judged(context, run, given, judge_endpoint)
    if verdict.next == "stop":
        return _end(run, "missed", verdict.reason)
    return Command(goto="plan", update={"run": run})


def report(state: GraphState, runtime: Runtime[RunContext]) -> GraphState:
    """Writes the run's last row."""
    context, run = runtime.context, state["run"]
    run = released(context, run)
    assert run.outcome is not None
    context.recorder.finish(run.outcome.status, run.outcome.model_dump(mode="json"))
    context.shown.step("report", run, replayed=False)
    return {**state, "run": run}


def build_graph() -> CompiledStateGraph[GraphState, RunContext, GraphState, GraphState]:
    """The compiled graph; its memory holds one run's interrupts, the journal holds everything else."""
    graph = StateGraph(GraphState, context_schema=RunContext)
    for name, node in NODES.items():
        graph.add_node(name, node)
    graph.add_edge(START, "intake")
    graph.add_edge("report", END)
    kept = [(kind.__module__, kind.__name__) for kind in (RunState, ProposedCall, Question)]
    return graph.compile(checkpointer=InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=kept)))


class Node(Protocol):
    """A node: it says what changes and what follows."""

    def __call__(self, state: GraphState, runtime: Runtime[RunContext]) -> Command[Any] | GraphState: ...


NODES: Mapping[str, Node] = {
    "intake": intake,
    "ask": ask,
    "plan": plan,
    "act": act,
    "approve": approve,
    "judge": judge_node,
    "deploy": deploy,
    "report": report,
}
"""The graph's nodes by name; their return types say which follow."""


def _end(run: RunState, status: OutcomeStatus, reason: str) -> Command[Any]:
    return Command(goto="report", update={"run": run.model_copy(update={"outcome": outcome(run, status, reason)})})
