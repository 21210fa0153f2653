"""Teaches a model's cuts to do what the whole model does, all in the same weights.

Each step teaches the whole, the smallest cut and some drawn between them (the sandwich rule of Yu and Huang, arXiv 1903.05134). The
loss of a cut is that of DynaBERT (arXiv 2004.04037, section 3), whose weighting ACME keeps: soft cross-entropy of its answers plus a
tenth of the mean squared differences of its hidden states, summed over its layers. The teacher is the model as it was.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .cutting import CUTS, Cut, Kept, kept, skeleton, take
from .importance import Importance
from .units import Layout

Inputs = Mapping[str, Any]
"""What a model is called with: `input_ids` (texts, tokens) and its `attention_mask`, or `pixel_values`; no labels."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How cuts are taught."""

    steps: int
    rate: float = 1e-3
    drawn: int = 2
    """Cuts a step beside the whole and the smallest."""
    hidden_weight: float = 0.1
    """ACME's constant, as DynaBERT's."""
    temperature: float = 1.0
    warm_up_share: float = 0.1
    clip: float = 1.0
    seed: int = 0


def teach(
    model: Any,
    layout: Layout,
    importance: Importance,
    batches: Iterator[Inputs],
    recipe: Recipe,
    *,
    head: Any = None,
    cuts: Sequence[Cut] = CUTS,
    reached: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Teaches the cuts in the model's own weights for so many steps, a batch each; `reached` hears of every step and its loss.

    `head` is a module that makes logits of the model's output and its inputs, where the model makes none, and is taught with it. The
    largest and the smallest of the cuts are in every step. Raises ValueError where a loss is no number: the weights are then
    those of the step before.
    """
    import torch

    cutter = _Cutter(model, layout, importance)
    head = head or _OwnLogits()
    teacher, teachers_head = (copy.deepcopy(each).eval().requires_grad_(False) for each in (model, head))
    taught_weights = [*model.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(taught_weights, lr=recipe.rate, weight_decay=0.0)
    drawing = random.Random(recipe.seed)
    for step in range(recipe.steps):
        inputs = next(batches)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _rate_share(step, recipe)
        with torch.no_grad():
            output = teacher(**inputs, output_hidden_states=True)
            goal = _Answer(logits=teachers_head(output, inputs), hidden_states=output.hidden_states)
        optimiser.zero_grad(set_to_none=True)
        total = 0.0
        taught = sandwich(cuts, recipe.drawn, drawing)
        for cut in taught:
            what, output = cutter.call(cut, inputs)
            answer = _Answer(logits=head(output, inputs), hidden_states=output.hidden_states)
            loss = _loss(what, answer, goal, inputs, recipe) / len(taught)
            loss.backward()
            total += loss.item()
        if total != total or total in (float("inf"), float("-inf")):
            raise ValueError(f"the loss of step {step} is {total!r}: a lower rate than {recipe.rate:g} may help")
        torch.nn.utils.clip_grad_norm_(taught_weights, recipe.clip)
        optimiser.step()
        reached(step + 1, total)


def sandwich(cuts: Sequence[Cut], drawn: int, drawing: random.Random) -> list[Cut]:
    """The largest and the smallest cut, and so many different ones between them."""
    ordered = sorted(cuts, reverse=True)
    ends = [ordered[0], ordered[-1]] if len(ordered) > 1 else ordered
    between = ordered[1:-1]
    return [*ends, *drawing.sample(between, min(drawn, len(between)))]


def soft_cross_entropy(student: Any, teacher: Any, counted: Any, temperature: float) -> Any:
    """Mean over the counted places of -sum(p teacher x log p student), nats times temperature squared; logits (..., classes)."""
    import torch

    own = torch.log_softmax(student[counted] / temperature, dim=-1)
    others = torch.softmax(teacher[counted] / temperature, dim=-1)
    return -(others * own).sum(-1).mean() * temperature**2


def hidden_difference(student: Sequence[Any], teacher: Sequence[Any], layers: Sequence[int], counted: Any) -> Any:
    """Sum over the student's layers of the mean squared difference from the teacher's layer that each stands for.

    Both are as transformers gives them: the embeddings, then each layer's output, (texts, tokens, width). The student's last
    stands for the teacher's last, whichever layer it was: the same head reads it.
    """
    stands_for = [*(layer + 1 for layer in layers[:-1]), len(teacher) - 1]
    pairs = [(student[number + 1], teacher[other]) for number, other in enumerate(stands_for)]
    return sum(((own - other)[counted] ** 2).mean() for own, other in pairs)


class _Cutter:
    """The cuts of one model that is being taught: their shapes are made once, their tensors anew from the weights of now."""

    def __init__(self, model: Any, layout: Layout, importance: Importance) -> None:
        self.model, self.layout, self.importance = model, layout, importance
        self._made: dict[Cut, tuple[Kept, Any]] = {}

    def call(self, cut: Cut, inputs: Inputs) -> tuple[Kept, Any]:
        """What the cut keeps, and its answer with hidden states."""
        from torch.func import functional_call

        if cut not in self._made:
            what = kept(self.layout, cut, self.importance)
            self._made[cut] = what, skeleton(self.model, self.layout, what)
        what, shape = self._made[cut]
        tensors = take(dict(self.model.named_parameters()), self.layout, what) | dict(self.model.named_buffers())
        return what, functional_call(shape, tensors, kwargs={**inputs, "output_hidden_states": True})


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """Of a model or a cut: logits (texts, classes), or (texts, tokens, tokens of the vocabulary), or of chosen tokens alone (chosen,
    tokens of the vocabulary); hidden states as of transformers."""

    logits: Any
    hidden_states: Sequence[Any]


class _OwnLogits:
    """The head of a model that makes logits itself."""

    def __call__(self, output: Any, inputs: Inputs) -> Any:
        return output.logits

    def parameters(self) -> tuple[()]:
        """None of its own."""
        return ()

    def eval(self) -> "_OwnLogits":
        """As of torch's modules."""
        return self

    def requires_grad_(self, wanted: bool) -> "_OwnLogits":
        """As of torch's modules."""
        return self


def _loss(what: Kept, answer: _Answer, goal: _Answer, inputs: Inputs, recipe: Recipe) -> Any:
    import torch

    first = answer.hidden_states[0]
    tokens = inputs.get("attention_mask")
    counted = torch.ones(first.shape[:2], dtype=torch.bool) if tokens is None else tokens.bool()
    answers = counted if answer.logits.dim() == 3 else torch.ones(len(answer.logits), dtype=torch.bool)
    soft = soft_cross_entropy(answer.logits, goal.logits, answers, recipe.temperature)
    if not recipe.hidden_weight:
        return soft
    return soft + recipe.hidden_weight * hidden_difference(
        answer.hidden_states, goal.hidden_states, what.layers, counted
    )


def _rate_share(step: int, recipe: Recipe) -> float:
    """Up over the warm-up, then linearly down to zero."""
    warm = max(1, round(recipe.steps * recipe.warm_up_share))
    return min((step + 1) / warm, (recipe.steps - step) / max(1, recipe.steps - warm), 1.0)
