"""The built-in planner: a chat model that needs no network and follows one recipe.

It reads the newest digest among its messages and answers with tool calls, as a language model would, so that graph,
tools and guard are the same for both.
"""

import json
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult

from ..tools.generate_data import DEVELOPMENT
from .digest import Digest

PROBE_ITEMS = 100


class RulePlanner(BaseChatModel):
    """Deterministic: the same digest always gets the same call."""

    @property
    def _llm_type(self) -> str:
        return "stratos-rules"

    def bind_tools(self, tools: Any, **kwargs: Any) -> "RulePlanner":  # pyright: ignore[reportIncompatibleMethodOverride]
        """The rules know the tools by name; binding changes nothing."""
        return self

    def next_call(self, state: Digest) -> tuple[str, dict[str, Any], str]:
        """Tool, arguments and the reason in one sentence."""
        return next_call(state)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        state = Digest.model_validate(json.loads(str(messages[-1].content)))
        name, arguments, why = self.next_call(state)
        call = ToolCall(name=name, args=arguments, id=f"rules-{name}", type="tool_call")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=why, tool_calls=[call]))])


def next_call(state: Digest) -> tuple[str, dict[str, Any], str]:
    """Tool, arguments and the reason in one sentence."""
    name, arguments, why = due_call(state)
    refused = state.refused
    if refused is not None and (refused.name, refused.args) == (name, arguments):
        return "finish", {"reason": state.problem}, "what comes next was refused and there is no other"
    return name, arguments, why


def due_call(state: Digest) -> tuple[str, dict[str, Any], str]:
    """What the phase asks for, whatever was refused."""
    match state.phase:
        case "look_up_prices":
            limits = state.brief.limits
            wanted = {"regions": limits.regions, "accelerators": limits.accelerators, "clouds": limits.clouds}
            return state.phase, {key: list(value) for key, value in wanted.items() if value}, "prices come first"
        case "match_models":
            return state.phase, {}, "which students fit the limits"
        case "classify_complexity":
            return state.phase, {"probe_items": PROBE_ITEMS}, "how hard the task is, before anything is paid"
        case "choose" | "re-plan":
            return "solve_pareto", {}, "the front over all candidates, with everything measured so far"
        case "data":
            return "generate_data", {"examples": state.examples_needed}, "the plan's training data"
        case "distill":
            assert state.plan is not None
            return "distill", {"candidate_id": state.plan.id}, "carry out the plan"
        case "evaluate":
            return "evaluate", {"split": DEVELOPMENT}, "the development split tells whether to open the sealed one"
        case "sealed":
            return "evaluate", {"split": "sealed"}, "the targets are met in development; the sealed split decides"
        case "build_family":
            return state.phase, {}, "every site's model is cut out of one backbone"
        case "choose_cuts":
            return state.phase, {}, "the size that suits each site within its limits"
        case "customize":
            return state.phase, {}, "once down to the sites and once up; their data stay there"
        case "end":
            return "finish", {"reason": state.plan_reason}, "no candidate left can meet the targets"
