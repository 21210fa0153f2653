"""Ten thousand random histories of proposals, approvals, failures and crashes, driven through the graph's own guarded call
and a real recorder: none overspends, none pays for a step twice.

The journal is held in memory, because ten thousand DuckDB files would take an hour; its rows are the real ones. That a real
run continues a killed job instead of paying for another is shown in test_kill.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st
from stratos.agent.carrying_out import RunContext, guarded_call
from stratos.agent.planners import rules_planner
from stratos.agent.session import Silent
from stratos.state.brief import Record
from stratos.state.canonical import GENESIS, Kind, Row, canonical, masked, plain
from stratos.state.errors import Correctable, ToolFailed
from stratos.state.journal import Journal, Recorder
from stratos.state.plan import Plan
from stratos.state.run import Approval, RunState
from stratos.state.workspace import Workspace
from stratos.tools.base import Context, Cost, Settings, Tool
from stratos.tools.executor import LocalExecutor

from ..building import brief, candidate, choice, offer, state

PLANS = tuple(
    Plan(candidate=candidate(id=name), offer=offer(price), reason="", runners_up=())
    for name, price in (("a", 1.0), ("b", 1.0), ("a", 2.0))
)


class Crash(BaseException):
    """The process ends here, as by SIGKILL: nothing of the program's own runs any more."""


@dataclass
class MemoryJournal:
    """The journal's rows in a list; `on_append` may end the process before or after a row is written."""

    workspace: Workspace
    rows: list[Row] = field(default_factory=list[Row])
    on_append: Callable[[str], None] = lambda when: None

    def clean(self, value: object, where: str = "value") -> Any:
        return masked(plain(value, where), ())

    def verified_rows(self, run_id: str) -> list[Row]:
        return list(self.rows)

    def known_rows(self, run_id: str) -> list[Row]:
        return list(self.rows)

    def append(
        self,
        run_id: str,
        kind: Kind,
        name: str,
        input: object,
        output: object,
        *,
        seconds: float = 0.0,
        after: Row | None = None,
    ) -> Row:
        assert after == (self.rows[-1] if self.rows else None)
        self.on_append("before")
        texts = canonical(self.clean(input)), canonical(self.clean(output))
        previous = self.rows[-1].hash if self.rows else GENESIS
        row = Row(run_id, len(self.rows), kind, name, *texts, "now", seconds, previous, "")
        assert len(fields(row)) == 10
        self.rows.append(replace(row, hash=row.derived_hash()))
        self.on_append("after")
        return self.rows[-1]


class NoLock(Workspace):
    """A workspace whose runs need no lock, since one thread alone drives them."""

    def lock_run(self, run_id: str) -> Any:
        return None


@dataclass
class Till:
    """Does what is paid for, once per step folder as an executor does, and counts the money that really went."""

    spent: dict[Path, float] = field(default_factory=dict[Path, float])
    starts: int = 0

    def pay(self, folder: Path, usd: float) -> None:
        if folder not in self.spent:
            self.spent[folder] = usd
            self.starts += 1


class Pay(Record):
    """A paid call: what it says it may cost, the share it takes of that, and how it ends."""

    usd: float
    share: float
    ends: str


class Paid(Record):
    """What it took."""

    usd: float


def paying(till: Till, crash: Callable[[str], None]) -> dict[str, Tool[Any, Any]]:
    def run(given: Context, args: Pay) -> Paid:
        if args.ends == "objects":
            raise Correctable("not now")
        crash("before paying")
        till.pay(given.step_folder, args.usd * args.share)
        crash("after paying")
        if args.ends == "fails once" and till.starts % 2:
            till.starts += 1
            raise ToolFailed("its machine is gone")
        return Paid(usd=args.usd * args.share)

    return {
        name: Tool(
            name=name,
            args=Pay,
            result=Paid,
            kind="effect",
            needs=lambda run, args: None,
            run=run,
            apply=lambda run, result: run,
            estimate=lambda given, args: Cost(usd=args.usd, basis="as it says"),
            settle=lambda given, result: result.usd,
        )
        for name in ("train", "label", "serve")
    }


AMOUNTS = st.sampled_from([0.0, 1e-9, 0.1, 0.3, 1.0, 2.5, 10.0]) | st.floats(0, 12)
CALLS = st.tuples(
    st.just("call"),
    st.sampled_from(["train", "label", "serve", "rm"]),
    AMOUNTS,
    st.floats(0, 1),
    st.sampled_from(["well", "objects", "fails once"]),
)
OPERATIONS = st.lists(
    CALLS | st.tuples(st.just("approve"), AMOUNTS) | st.tuples(st.just("plan"), st.sampled_from(PLANS)),
    min_size=1,
    max_size=10,
)
CRASHES = st.lists(st.integers(0, 60), max_size=4)
"""After how many chances to crash the process ends, life by life."""


def live(
    operations: list[Any],
    journal: MemoryJournal,
    tools: dict[str, Tool[Any, Any]],
    limit: float,
    check: Callable[[RunState], None],
) -> RunState:
    """One life of the agent: from the start of the run, recorded steps answering at once."""
    settings = Settings()
    with Recorder(cast("Journal", journal), "run") as recorder:
        context = RunContext(
            recorder=recorder,
            settings=settings,
            tools=tools,
            planner=rules_planner(),
            workspace=journal.workspace,
            executor=LocalExecutor(),
            shown=Silent(),
        )
        run = state(run_id="run", brief=brief(usd=limit), choice=choice().model_copy(update={"plan": PLANS[0]}))
        for what, *of in operations:
            if what == "approve":
                run = run.model_copy(
                    update={"approval": Approval(plan_sha256=run.known_plan.sha256, usd=of[0], by="user")}
                )
            elif what == "plan":
                run = run.model_copy(update={"choice": choice().model_copy(update={"plan": of[0]})})
            else:
                name, usd, share, ends = of
                before = run
                run, problem = guarded_call(context, run, name, {"usd": usd, "share": share, "ends": ends})
                if not problem and usd > 0:
                    approval = before.approval
                    assert approval is not None
                    assert approval.plan_sha256 == before.known_plan.sha256
                    assert before.billed_usd + usd <= approval.usd + 1e-9
            check(run)
        return run


@given(limit=st.sampled_from([0.0, 0.5, 3.0, 20.0]), operations=OPERATIONS, crashes=CRASHES)
@checked(max_examples=10_000)
def test_no_history_overspends_or_pays_for_a_step_twice(
    limit: float, operations: list[Any], crashes: list[int]
) -> None:
    journal, till = MemoryJournal(workspace=NoLock(Path("/unused"))), Till()
    journal.append("run", "run", "run", {}, None)
    lives, chances = list(crashes), [0]

    def crash(where: str) -> None:
        if lives:
            chances[0] += 1
            if chances[0] > lives[0]:
                lives.pop(0)
                chances[0] = 0
                raise Crash

    journal.on_append = crash
    tools = paying(till, crash)

    def check(run: RunState) -> None:
        assert run.spent_usd <= limit + 1e-9
        assert sum(till.spent.values()) <= limit + 1e-9

    for _ in range(len(crashes) + len(operations) + 1):
        try:
            ended = live(operations, journal, tools, limit, check)
            break
        except (Crash, ToolFailed):
            assert sum(till.spent.values()) <= limit + 1e-9
    else:
        raise AssertionError("the run never came to its end")
    assert ended.spent_usd == sum(entry.settled_usd for entry in ended.bill if entry.settled_usd is not None)
    assert abs(sum(till.spent.values()) - ended.spent_usd) < 1e-9
    rows = [row.name for row in journal.rows]
    assert rows.count("settle") == len(ended.bill)
