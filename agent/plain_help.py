"""Help texts as they are written: typer 0.20 escapes brackets for rich and, under click 8.5, loses what an argument is."""

import inspect
from collections.abc import Callable
from typing import Any

import click
import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.models import ArgumentInfo


class PlainCommand(TyperCommand):
    """A command whose help has no backslashes and says what each argument is."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        told = _argument_helps(self.callback)
        for parameter in self.params:
            if isinstance(parameter, TyperArgument) and not parameter.help:
                parameter.help = told.get(parameter.name or "")

    def get_help(self, ctx: click.Context) -> str:
        return _unescaped(super().get_help(ctx))

    def format_arguments(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes nothing: typer lists arguments before the options, click 8.5 would list them once more."""


class PlainGroup(TyperGroup):
    """A group whose help has no backslashes."""

    def get_help(self, ctx: click.Context) -> str:
        return _unescaped(super().get_help(ctx))


class PlainTyper(typer.Typer):
    """A Typer whose commands are plain ones."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=PlainGroup, rich_markup_mode=None, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """As typer's own."""
        return super().command(name, cls=PlainCommand, **settings)


def _unescaped(text: str) -> str:
    return text.replace("\\[", "[")


def _argument_helps(callback: Callable[..., Any] | None) -> dict[str, str | None]:
    """What the function's own annotations say of its arguments."""
    if callback is None:
        return {}
    helps: dict[str, str | None] = {}
    for name, parameter in inspect.signature(callback).parameters.items():
        for told in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(told, ArgumentInfo):
                helps[name] = told.help
    return helps
