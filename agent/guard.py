"""The guard: code, not prompt, between what a planner proposes and what happens.

It checks, in this order, that the tool exists, its arguments are typed right, the call is in order, and the money fits
the brief's limit and what the user approved. It does not judge whether a call is wise; that is the planner's and the
judge's part.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from ..state.brief import Record
from ..state.errors import Correctable
from ..state.numbers import dollars
from ..state.run import RunState
from ..tools.base import Context, Cost, Tool
from ..tools.costs import fits

UNAPPROVED = "must be approved first"
"""What a ruling says where nothing but the user's word is missing."""


class Ruling(Record):
    """What the guard decided about one call. `problem` is for the planner to correct; None means go."""

    tool: str
    arguments: dict[str, Any]
    problem: str | None
    reserved_usd: float
    basis: str
    server_usd: float = Field(
        default=0.0, exclude_if=lambda usd: usd == 0, description="of what is reserved, for a rented server"
    )


def rule(tools: Mapping[str, Tool[Any, Any]], context: Context, name: str, arguments: Mapping[str, Any]) -> Ruling:
    """Decides one proposed call; pure in its arguments."""
    try:
        tool, parsed = _typed(tools, name, arguments)
        if tool.for_sites != (context.brief.sites is not None):
            right = ", ".join(each for each, one in tools.items() if one.for_sites != tool.for_sites)
            raise Correctable(
                f"{name} is not for a brief {'without' if tool.for_sites else 'with'} sites; valid: {right}"
            )
        if call_text(name, parsed) == context.state.last_call:
            raise Correctable(f"{name} was just called with the same arguments; again would change nothing")
        if problem := tool.needs(context.state, parsed):
            raise Correctable(f"{name} is out of order: {problem}")
        cost = tool.estimate(context, parsed)
        _check_money(context.state, cost, name)
    except Correctable as error:
        return Ruling(tool=name, arguments=dict(arguments), problem=str(error), reserved_usd=0.0, basis="")
    return Ruling(
        tool=name,
        arguments=parsed.model_dump(mode="json"),
        problem=None,
        reserved_usd=cost.usd,
        basis=cost.basis,
        server_usd=cost.server_usd,
    )


def call_text(name: str, arguments: BaseModel) -> str:
    """One call as text, the same for the same call."""
    return f"{name} {arguments.model_dump_json()}"


def _typed(
    tools: Mapping[str, Tool[Any, Any]], name: str, arguments: Mapping[str, Any]
) -> tuple[Tool[Any, Any], BaseModel]:
    if name not in tools:
        raise Correctable(f"there is no tool {name!r}; valid: {', '.join(tools)}")
    try:
        return tools[name], tools[name].args.model_validate(dict(arguments))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'arguments'}: {item['msg']}" for item in error.errors())
        valid = ", ".join(tools[name].args.model_fields) or "none"
        raise Correctable(f"wrong arguments for {name}: {wrong}; valid arguments: {valid}") from error


def _check_money(state: RunState, cost: Cost, name: str) -> None:
    if cost.usd <= 0:
        return
    limit = state.known_brief.limits.usd or 0.0
    kept_usd = state.spent_usd - state.unkept_usd if cost.server_usd else 0.0  # reserved anew with the call
    spent_usd, billed_usd = state.spent_usd - kept_usd, state.billed_usd - kept_usd
    if not fits(spent_usd + cost.usd, limit):
        raise Correctable(
            f"{name} would cost up to ${cost.usd:,.4f} ({cost.basis}); ${spent_usd:,.4f} of the limit of "
            f"{dollars(limit)} is spent or reserved, so it does not fit"
        )
    approval = state.approval
    if approval is None or approval.plan_sha256 != state.payable_sha256:
        what = "this plan" if state.has_plan else "that"
        raise Correctable(f"{name} would cost up to ${cost.usd:,.4f}, and {what} {UNAPPROVED}")
    if not fits(billed_usd + cost.usd, approval.usd):
        raise Correctable(
            f"{name} would cost up to ${cost.usd:,.4f}; ${approval.usd:,.4f} is approved and ${billed_usd:,.4f} of it is "
            f"spent or reserved: it {UNAPPROVED}"
        )
