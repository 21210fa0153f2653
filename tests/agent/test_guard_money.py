"""Ten thousand random histories of proposals, approvals and settlements: the guard lets none of them overspend.

A call that failed or was cut off is one that is never settled: its reservation counts. That none runs twice after a
crash is not shown here but in test_kill.py, on one real run.
"""

from pathlib import Path

from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st
from stratos.agent.guard import Ruling, call_text, rule
from stratos.state.brief import Record
from stratos.state.evidence import Entry
from stratos.state.run import RunState
from stratos.tools.base import Cost, Tool

from ..building import brief, choice, context, state


class Pay(Record):
    """A paid call that says itself what it may cost."""

    usd: float


class Nothing(Record):
    """No result."""


PAID = {
    name: Tool(
        name=name,
        args=Pay,
        result=Nothing,
        kind="effect",
        needs=lambda run, args: None,
        run=lambda given, args: Nothing(),
        apply=lambda run, result: run,
        estimate=lambda given, args: Cost(usd=args.usd, basis="as it says"),
    )
    for name in ("train", "label", "serve")
}
AMOUNTS = st.sampled_from([0.0, 1e-9, 0.1, 0.3, 1.0, 2.5, 10.0]) | st.floats(0, 12)
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["propose", "approve", "settle"]), st.sampled_from(sorted(PAID)), AMOUNTS, st.floats(0, 1)),
    min_size=1,
    max_size=14,
)  # fmt: skip


def proposed(run: RunState, tool: str, usd: float) -> Ruling:
    return rule(PAID, context(run, Path("unused")), tool, {"usd": usd})


def after(run: RunState, ruling: Ruling, settled: float | None) -> RunState:
    """The run once the call was let through: what it reserved stays reserved until it is settled."""
    entry = Entry(step=ruling.tool, reserved_usd=ruling.reserved_usd, settled_usd=settled, basis=ruling.basis)
    done = call_text(ruling.tool, Pay.model_validate(ruling.arguments))
    return run.model_copy(update={"bill": (*run.bill, entry), "last_call": done})


def settled(run: RunState, share: float) -> RunState:
    """The oldest open reservation settled at a share of itself."""
    bill = list(run.bill)
    at = next((index for index, entry in enumerate(bill) if entry.settled_usd is None), None)
    if at is None:
        return run
    bill[at] = bill[at].model_copy(update={"settled_usd": share * bill[at].reserved_usd})
    return run.model_copy(update={"bill": tuple(bill)})


@given(limit=st.sampled_from([0.0, 0.5, 3.0, 20.0]), operations=OPERATIONS)
@checked(max_examples=10_000, deadline=None)
def test_what_is_spent_and_reserved_never_passes_the_limit_or_the_approval(
    limit: float, operations: list[tuple[str, str, float, float]]
) -> None:
    run = state(brief=brief(usd=limit), choice=choice())
    for what, tool, usd, share in operations:
        if what == "approve":
            run = run.model_copy(update={"approved_usd": max(run.approved_usd or 0.0, usd)})
        elif what == "settle":
            run = settled(run, share)
        elif not (ruling := proposed(run, tool, usd)).problem:
            assert call_text(tool, Pay(usd=usd)) != run.last_call
            run = after(run, ruling, None)
        assert run.spent_usd <= limit + 1e-9
        assert run.spent_usd <= (run.approved_usd or 0.0) + 1e-9 or run.spent_usd == 0
