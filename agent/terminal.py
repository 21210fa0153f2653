"""What every command shares: who approves, where output goes, and how an error becomes exit text and an exit code."""

# pyright: reportUnknownMemberType=false

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from ..state.errors import (
    ApprovalNeeded,
    Cancelled,
    Correctable,
    JournalError,
    NotAvailable,
    OutputError,
    RequestError,
    StratosError,
    UnknownRun,
    UnusablePrices,
)

if TYPE_CHECKING:
    from ..state.evidence import Outcome
    from ..state.workspace import Workspace
    from .session import Ask

FAILED, USAGE, APPROVAL, INTERRUPTED = 1, 2, 5, 130


def workspace_at(path: Path | None) -> "Workspace":
    """The workspace in that folder, or the default one, whose skills are known from then on. Raises OutputError for what is no
    folder."""
    from ..skills.users import use_workspace
    from ..state.workspace import Workspace

    workspace = Workspace(path) if path else Workspace()
    if workspace.path.exists() and not workspace.path.is_dir():
        raise OutputError(f"the workspace {workspace.path} is no folder")
    use_workspace(workspace.path)
    return workspace


def asking(yes: bool, as_json: bool) -> "Ask":
    """Who is asked about money: --yes, the person at the terminal, or nobody."""
    from ..state.talk import Answer, Question
    from . import session
    from .printable import printable

    def at_the_terminal(question: Question) -> Answer:
        if question.about == "brief":  # only a chat's run asks this
            return session.nobody(question)
        asked = f"Approve up to ${question.usd:,.4f} for {printable(question.plan)}?"
        return Answer(approved=yes or typer.confirm(asked))

    if not yes and (as_json or not (sys.stdin.isatty() and sys.stdout.isatty())):
        return session.nobody
    return at_the_terminal


@contextmanager
def display(as_json: bool) -> Generator[Any]:
    """The display: on standard output, or on standard error when that is kept for JSON; a request's refusal always on the latter."""
    from .consoles import console
    from .display import RichDisplay

    shown = RichDisplay(console(stderr=as_json), refusals=console(stderr=True))
    try:
        yield shown
    finally:
        shown.close()


def leave(outcome: "Outcome", as_json: bool) -> NoReturn:
    """Ends the program with the outcome's exit code, and its document where asked for."""
    from . import session

    if as_json:
        print_json(outcome.model_dump(mode="json"))
    raise typer.Exit(session.EXIT_CODES[outcome.status])


@contextmanager
def errors(as_json: bool, started: Sequence[str] = ()) -> Generator[None]:
    """Turns the library's exceptions into exit text and exit codes; the last of `started` names the run that has begun."""
    try:
        yield
    except RequestError as error:
        fail(
            "the request cannot be used:\n" + "\n".join(f"  - {problem}" for problem in error.problems), USAGE, as_json
        )
    except ApprovalNeeded as error:
        fail(str(error), APPROVAL, as_json)
    except (KeyboardInterrupt, Cancelled):
        fail(
            f"stopped; the journal is whole and nothing is left running.{_how_to_resume(started)}", INTERRUPTED, as_json
        )
    except UnusablePrices as error:
        fail(f"{error}{_how_to_resume(started)}", USAGE, as_json)
    except (Correctable, NotAvailable, OutputError, UnknownRun) as error:
        fail(str(error), USAGE, as_json)
    except JournalError as error:  # a record that cannot be read or gone on with
        fail(str(error), FAILED, as_json)
    except StratosError as error:
        fail(f"{error}{_how_to_resume(started)}", FAILED, as_json)


def _how_to_resume(started: Sequence[str]) -> str:
    return f"\nContinue with: stratos resume {started[-1]}" if started else ""


def fail(text: str, code: int, as_json: bool) -> NoReturn:
    """Ends the program with a message on standard error, and as a document where asked for."""
    if as_json:
        print_json({"error": text, "exit_code": code})
    say(text.rstrip(), err=True)
    raise typer.Exit(code)


def print_json(value: object) -> None:
    """One JSON document on standard output, secrets masked."""
    from ..state.canonical import masked, secrets_from_environment

    document = json.loads(json.dumps(value, default=str))
    typer.echo(json.dumps(masked(document, secrets_from_environment()), indent=2))


def say(text: str, *, err: bool = False) -> None:
    """One line; nothing in it is a secret or steers the terminal."""
    from .printable import printable

    typer.echo(printable(text), err=err)


def say_on(piece: str) -> None:
    """A piece of a line, at once."""
    from .printable import printable

    typer.echo(printable(piece), nl=False)
    sys.stdout.flush()


def print_table(columns: tuple[str, ...], rows: list[Any], *, empty: str) -> None:
    """Rows under their columns, or what to say when there are none."""
    from rich.table import Table

    from .consoles import console
    from .printable import printable

    if not rows:
        say(empty)
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(printable(str(cell)) for cell in row))
    console().print(table)


def pairs(given: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE options as a dict. Raises RequestError."""
    wrong = [text for text in given if "=" not in text]
    if wrong:
        raise RequestError([f"{text!r} is not of the form NAME=VALUE" for text in wrong])
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in given)}
