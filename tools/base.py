"""What a tool is, what it is given, and what a call may cost: the types every tool module and the guard share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ..skills import load
from ..skills.protocol import Skill
from ..state.brief import Brief, DataSource, Record, Sites, TeacherSource
from ..state.errors import Correctable
from ..state.plan import Offer
from ..state.run import OwnNames, RunState
from .executor import Executor
from .tracking import Tracker

ArgsT = TypeVar("ArgsT", bound=BaseModel)
ResultT = TypeVar("ResultT", bound=BaseModel)

Event = Mapping[str, object]
"""A progress line of a job, or a note; shown, never stored."""


class Settings(Record):
    """How this run was started; part of its first journal row, so that a resumed run goes on the same way."""

    model_config = ConfigDict(allow_inf_nan=False)

    seed: int = 0
    executor: Literal["local", "sky"] = Field(
        default="local",
        exclude_if=lambda name: name == "local",
        description="what runs jobs: this machine, or SkyPilot on the servers that plans name",
    )
    spot: bool = Field(
        default=False,
        exclude_if=lambda spot: not spot,
        description="servers are priced and rented at spot prices: they may be taken away; those without one are left out",
    )
    planner: str = "rules"
    planner_usd_per_million: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = Field(
        default=(0.0, 0.0), description="what a million input and output tokens of the planner cost, US dollars"
    )
    local_usd_per_hour: float = Field(
        default=0.0, ge=0, description="what an hour of this machine costs its owner, US dollars"
    )
    threads: int = Field(default=1, gt=0, description="CPU threads of one training job")
    max_usd: float | None = Field(default=None, ge=0, description="limit on the run's money, beside the request's own")
    max_hours: float | None = Field(default=None, gt=0, description="limit on the run's time, beside the request's own")
    approved: bool = Field(
        default=False, description="the money of every plan within the limits is approved in advance"
    )
    plan_only: bool = Field(default=False, description="stop when there is a plan")
    deploy: bool = True
    serve_hours: float = Field(
        default=1.0,
        gt=0,
        description="hours the winner is served for where its server has a price; the server then stops",
    )
    serve_here: bool = Field(
        default=False,
        exclude_if=lambda here: not here,
        description="the winner is served on this machine, whatever server taught it",
    )
    data: DataSource | None = Field(default=None, description="the user's own examples, beside a request in words")
    teacher: TeacherSource | None = Field(default=None, description="a model that may teach, beside a request in words")
    student: str | None = Field(
        default=None, min_length=1, description="folder of the open model to be taught, beside a request in words"
    )
    tracker: Tracker | None = Field(
        default=None, description="where trainings draw their curves beside their logs; null: nowhere"
    )
    sites: Sites | None = Field(
        default=None,
        description="many sites with data of their own, beside a request in words",
        exclude_if=lambda sites: sites is None,
    )
    asks: bool = Field(default=False, description="what the request lacks is asked for instead of assumed")
    max_attempts: int = Field(default=4, gt=0)
    own_names: OwnNames = Field(
        default=OwnNames(),
        description="what a request may name beside the built-in tables; read when the run begins, so that a replay reads the same",
    )
    held_out_items: int = Field(
        default=2000, gt=0, description="size of the development split and of each sealed split"
    )


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything a tool may use. Tools read the run's state and never change it."""

    state: RunState
    settings: Settings
    workspace: Path
    run_folder: Path
    step_folder: Path
    executor: Executor
    emit: Callable[[Event], None]

    @property
    def brief(self) -> Brief:
        """The brief; a tool is never called before there is one."""
        return self.state.known_brief

    @property
    def skill_data(self) -> Path | None:
        """The folder of the user's examples, where the skill works on such."""
        return self.run_folder / self.state.given.folder if self.state.given else None

    def load_skill(self) -> Skill:
        """The brief's skill, opened over the user's examples where it works on such."""
        return load(self.brief.skill, self.skill_data)


class Cost(Record):
    """What a call is expected to cost at most, and how that was reckoned."""

    usd: float = 0.0
    basis: str = "costs nothing"
    server_usd: float = Field(default=0.0, description="of that for a server that is rented for it")


FREE = Cost()


def on_server(offer: Offer, usd: float, basis: str, beside_usd: float = 0.0) -> Cost:
    """What a call costs on an offer's server, and beside it."""
    return Cost(usd=usd + beside_usd, basis=basis, server_usd=usd if offer.held_minutes > 0 else 0.0)


@dataclass(frozen=True, kw_only=True)
class Tool(Generic[ArgsT, ResultT]):
    """A typed tool. `decision` tools are pure and recomputed on replay; `effect` tools touch the world and are recorded."""

    name: str
    args: type[ArgsT]
    result: type[ResultT]
    kind: Literal["decision", "effect"]
    needs: Callable[[RunState, ArgsT], str | None]
    """Why the call is out of order now, or None."""
    run: Callable[[Context, ArgsT], ResultT]
    apply: Callable[[RunState, ResultT], RunState]
    """The state after the call; pure."""
    estimate: Callable[[Context, ArgsT], Cost] = lambda context, args: FREE
    settle: Callable[[Context, ResultT], float] = lambda context, result: 0.0
    """What the call really cost, US dollars."""
    for_sites: bool = False
    """Whether it is for a brief with many sites, and for none without; others are for none with."""

    @property
    def description(self) -> str:
        """What the planner reads: the docstring of the arguments."""
        return (self.args.__doc__ or "").strip()


def require(value: "ResultT | None", missing: str) -> ResultT:
    """The value, or a correction that says which call is missing."""
    if value is None:
        raise Correctable(missing)
    return value
