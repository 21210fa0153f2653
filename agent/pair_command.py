"""`stratos pair`: which teachers fit a student, and in one line each why the others do not."""

# pyright: reportUnknownMemberType=false

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, At
from .terminal import USAGE, errors, fail, print_json, say, workspace_at


def pair(
    student: Annotated[str, typer.Argument(help="The student: a name of the catalogue, or a model's folder.")],
    teachers: Annotated[list[str], typer.Argument(help="The teachers, as the student is named.")],
    answers: Annotated[
        list[Path] | None,
        typer.Option(
            "--answers",
            metavar="FILE",
            help="A teacher's answers to your probe set, once for each teacher in the same order: JSON lines with prompt, "
            "answer and, where judged, right.",
        ),
    ] = None,
    licence: Annotated[
        list[str] | None, typer.Option(help="Only teachers under this licence; may be repeated.")
    ] = None,
    commercial: Annotated[
        bool | None, typer.Option("--commercial/--not-commercial", help="What the student will be used for.")
    ] = None,
    memory_gib: Annotated[
        float | None, typer.Option("--memory-gib", min=0.1, help="Memory of the accelerator that trains it, GiB.")
    ] = None,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Check teachers against a student (tokenizer, padding, chat, strength, licence, memory) and rank them by what is known."""
    from ..tools.models.catalogue import known_models
    from ..tools.models.licences import licence_facts
    from ..tools.pairing.compare import compare, read_answers
    from ..tools.pairing.licences import Use
    from ..tools.pairing.memory import Setup

    if answers and len(answers) != len(teachers):
        fail(
            f"{len(answers)} files of answers for {len(teachers)} teachers: give one for each, or none", USAGE, as_json
        )
    with errors(as_json):
        allowed = tuple(licence_facts(name).name for name in licence or ())
        given = {name: read_answers(path) for name, path in zip(teachers, answers or (), strict=False)}
        found = compare(
            student,
            teachers,
            given,
            catalogue=known_models(workspace_at(workspace).path),
            use=Use(licences=allowed, commercial=commercial),
            setup=Setup(memory_gib=memory_gib),
        )
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for one in found.ranked:
        say(f"{one.rank}. {one.why}")
        say(f"   {one.evidence.check.why}")
        for note in one.evidence.check.notes:
            say(f"   · {note}")
        for point in one.evidence.check.open_points:
            say(f"   open: {point}")
    if found.rejected:
        say("not the first:" if found.ranked else "none may teach it:")
    for line in found.rejected:
        say(f"  {line}")
