"""`stratos models`: the model catalogue as a table, or one model with all that is known of it."""

# pyright: reportUnknownMemberType=false

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..state.numbers import shown
from .options import AsJson
from .terminal import USAGE, errors, fail, print_json, print_table, say, workspace_at

if TYPE_CHECKING:
    from ..state.model_facts import Benchmark, ModelFacts
    from ..tools.models.catalogue import Catalogue

WEIGHT_BITS = {"bf16": 16.0, "int4": 4.0}
"""Bits of one weight at the precisions shown."""


class Order(StrEnum):
    """What the table is sorted by."""

    CATALOGUE = "catalogue"
    NAME = "name"
    PARAMETERS = "parameters"
    CONTEXT = "context"
    RELEASED = "released"
    PRICE = "price"
    GSM8K = "gsm8k"
    MATH = "math"
    MMLU = "mmlu"
    IFEVAL = "ifeval"


class RoleName(StrEnum):
    """What a model may be planned as."""

    STUDENT = "student"
    TEACHER = "teacher"


def models(
    name: Annotated[str, typer.Argument(help="One model in detail, by its name or the end of it.")] = "",
    role: Annotated[RoleName | None, typer.Option(help="Only what may be planned as this.")] = None,
    min_params: Annotated[
        str | None, typer.Option("--min-params", metavar="SIZE", help="At least this large, such as 0.1B.")
    ] = None,
    max_params: Annotated[
        str | None, typer.Option("--max-params", metavar="SIZE", help="At most this large, such as 14B or 500M.")
    ] = None,
    licence: Annotated[list[str] | None, typer.Option(help="Only under this licence; may be repeated.")] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="Only families that start so, such as Qwen2.5; may be repeated.")
    ] = None,
    api: Annotated[
        bool | None, typer.Option("--api/--open", help="Only models behind an API, or only open ones.")
    ] = None,
    sort: Annotated[Order, typer.Option(help="Order of the rows; scores and dates fall.")] = Order.CATALOGUE,
    file: Annotated[
        list[Path] | None,
        typer.Option(
            "--file", metavar="FILE", help="Your own models, CSV, YAML or JSON in the same columns; may be repeated."
        ),
    ] = None,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", help="Folder that may hold your models.csv or models.yaml [.stratos].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the models that can teach or be taught, with their facts; with a name, all that is known of one."""
    from ..tools.models.catalogue import known_models
    from ..tools.models.sizes import parse_size

    with errors(as_json):
        catalogue = known_models(workspace_at(workspace).path, file or ())
        if name:
            if role or min_params or max_params or licence or family or api is not None:
                fail("name a model or filter the list, not both", USAGE, as_json)
            _show(catalogue.find(name), as_json)
            return
        kind = None if api is None else "api" if api else "open"
        found = catalogue.where(
            role=role.value if role else None,
            kind=kind,
            min_parameters=None if min_params is None else parse_size(min_params),
            max_parameters=None if max_params is None else parse_size(max_params),
            licences=licence or (),
            families=family or (),
        )
        _list(_sorted(found, sort), catalogue, as_json)


def _sorted(found: "tuple[ModelFacts, ...]", order: Order) -> "list[ModelFacts]":
    """In that order; what has no figure to sort by comes last."""
    if order is Order.CATALOGUE:
        return list(found)
    falling = order in (Order.RELEASED, Order.GSM8K, Order.MATH, Order.MMLU, Order.IFEVAL)
    keys = {id(facts): _key(facts, order) for facts in found}
    with_key = [facts for facts in found if keys[id(facts)] is not None]
    rest = [facts for facts in found if keys[id(facts)] is None]
    return sorted(with_key, key=lambda facts: keys[id(facts)] or 0, reverse=falling) + rest


def _key(facts: "ModelFacts", order: Order) -> Any:
    if order is Order.PRICE:
        prices = (facts.usd_per_million_input, facts.usd_per_million_output)
        return None if None in prices else prices
    if order in (Order.NAME, Order.PARAMETERS):
        return facts.name.casefold() if order is Order.NAME else facts.parameters
    if order is Order.CONTEXT:
        return facts.context_tokens
    if order is Order.RELEASED:
        return facts.released or None
    return facts.scores[order.value].value if order.value in facts.scores else None


def _list(found: "list[ModelFacts]", catalogue: "Catalogue", as_json: bool) -> None:
    if as_json:
        print_json([facts.model_dump(mode="json") for facts in found])
        return
    from ..tools.models.sizes import size_text

    rows = [
        (
            facts.name,
            size_text(facts.parameters),
            facts.licence,
            _tokens(facts.context_tokens),
            facts.released,
            _percent(facts, "gsm8k"),
            _percent(facts, "mmlu"),
            _price(facts),
        )
        for facts in found
    ]
    columns = ("model", "size", "licence", "context", "released", "GSM8K", "MMLU", "$/M in, out")
    print_table(columns, rows, empty="no model fits")
    say(f"{len(found)} of {len(catalogue)} models; scores differ in set-up: `stratos models NAME` says how and where")


def _show(facts: "ModelFacts", as_json: bool) -> None:
    from ..tools.models.counting import weight_bytes
    from ..tools.models.licences import known_licence
    from ..tools.models.sizes import gigabytes

    counted, weights = _counted(facts), {name: weight_bytes(facts, bits) for name, bits in WEIGHT_BITS.items()}
    licence = known_licence(facts.licence)
    if as_json:
        print_json(
            {
                **facts.model_dump(mode="json"),
                "counted_parameters": counted,
                "weight_bytes": weights,
                "licence_facts": licence.model_dump(mode="json") if licence else None,
            }
        )
        return
    for label, value in _lines(facts, counted):
        say(f"{label:<18}{value}")
    sizes = [f"{gigabytes(size)} at {name}" for name, size in weights.items() if size]
    if sizes:
        say(f"{'weights':<18}{', '.join(sizes)}, scales and buffers left out")
    for benchmark, score in facts.scores.items():
        setup = f" ({score.setup})" if score.setup else ""
        say(f"{benchmark:<18}{score.value:.1%}{setup}, {score.source}")
    if licence is None:
        say(f"{'outputs':<18}nothing is known of what its licence says of them")
        return
    may = {
        "yes": "may train other models",
        "with_conditions": "may train other models, under conditions",
        "no": "must not",
    }
    say(f"{'outputs':<18}{may[licence.outputs_may_train]}{'; ' if licence.condition else ''}{licence.condition}")
    say(f"{'':<18}{'' if licence.commercial else 'no commercial use; '}read in {licence.source}")


def _lines(facts: "ModelFacts", counted: int | None) -> list[tuple[str, str]]:
    """Label and text of every fact there is, in reading order."""
    shape = {
        "layers": facts.layers,
        "hidden": facts.hidden,
        "heads": facts.heads,
        "key-value heads": facts.kv_heads,
        "head dimension": facts.head_dim,
        "feed-forward": facts.feed_forward,
        "embedding rows": facts.padded_vocabulary,
    }
    count = f"{facts.parameters:,}" if facts.parameters else "not published"
    if counted and facts.parameters:
        rest = facts.parameters - counted
        count += f"; a plain decoder of its shape has {f'{counted:,}' if rest else 'as many'}"
    if facts.active_parameters and facts.active_parameters != facts.parameters:
        count += f"; {facts.active_parameters:,} are read for a token"
    vocabulary = f"{facts.vocabulary:,} tokens" if facts.vocabulary else ""
    lines = [
        ("model", facts.name),
        ("kind", f"{facts.kind}, {'instruct' if facts.instruct else 'base'}, {' or '.join(facts.roles)}"),
        ("family", facts.family),
        ("parameters", count if facts.kind == "open" or facts.parameters else ""),
        ("shape", ", ".join(f"{label} {value:,}" for label, value in shape.items() if value)),
        ("tokenizer", ", ".join(filter(None, (facts.tokenizer, vocabulary)))),
        ("context", f"{facts.context_tokens:,} tokens" if facts.context_tokens else ""),
        (
            "price",
            f"{_price(facts)} dollars a million tokens, {facts.prices_as_of or 'undated'}" if _price(facts) else "",
        ),
        ("licence", facts.licence),
        ("released", facts.released),
        ("files", facts.path or ""),
        ("source", facts.source),
        ("notes", facts.notes),
    ]
    return [(label, text) for label, text in lines if text]


def _counted(facts: "ModelFacts") -> int | None:
    """What the shape of a dense model gives; None where that is not known or it is a mixture of experts."""
    from ..state.errors import Correctable
    from ..tools.models.counting import count_parameters, is_dense

    try:
        return count_parameters(facts) if is_dense(facts) else None
    except Correctable:
        return None


def _tokens(count: int | None) -> str:
    if count is None:
        return ""
    if count >= 1_000_000:
        return f"{count / 1_000_000:.3g}M"
    return f"{count // 1024}K" if count % 1024 == 0 else f"{count / 1000:.0f}K"


def _percent(facts: "ModelFacts", benchmark: "Benchmark") -> str:
    return f"{facts.scores[benchmark].value:.1%}" if benchmark in facts.scores else ""


def _price(facts: "ModelFacts") -> str:
    if facts.usd_per_million_input is None or facts.usd_per_million_output is None:
        return ""
    return f"{shown(facts.usd_per_million_input)}, {shown(facts.usd_per_million_output)}"
