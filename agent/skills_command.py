"""`stratos skills`: what can be taught, and a skeleton for a skill of the user's own."""

# pyright: reportUnknownMemberType=false

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import AsJson, At
from .plain_help import PlainTyper
from .terminal import errors, print_json, print_table, say, workspace_at

skills = PlainTyper(invoke_without_command=True, help="List the skills and their tasks; begin one of your own.")


@skills.callback()
def what_there_is(context: typer.Context, workspace: At = None, as_json: AsJson = False) -> None:
    """List the skills and their tasks."""
    if context.invoked_subcommand is None:
        _print(workspace, as_json)


@skills.command("list")
def list_skills(workspace: At = None, as_json: AsJson = False) -> None:
    """List the skills and their tasks, whether they need data of yours, and where your own ones lie."""
    _print(workspace, as_json)


@skills.command()
def new(
    name: Annotated[str, typer.Argument(help="What the skill is called: lower-case letters, digits and '_'.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", metavar="DIR", help="Where it is written [the workspace's skills, where runs find it]."
        ),
    ] = None,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Write a working skill to change: SKILL.md, code that makes and verifies examples of a toy task, and its test."""
    from ..skills import names
    from ..skills.skeleton.writing import write_skill
    from ..skills.users import SKILLS_VARIABLE, user_folders

    with errors(as_json):
        workspace_at(workspace)
        found_in = user_folders()
        at = (folder or found_in[0]).expanduser().absolute()
        files = write_skill(name, at, names())
        if as_json:
            print_json({"skill": name, "folder": str(at / name), "files": [path.name for path in files]})
            return
        say(f"{at / name}: {', '.join(path.name for path in files)}")
        say(f"its test (with pytest installed): python -m pytest {at / name}")
        if at in found_in:
            where = f" --workspace {workspace}" if workspace else ""
            say(f'try it: stratos run "{name}, at least 70 % exact"{where}')
        else:
            say(f"runs find it once {SKILLS_VARIABLE} names {at}")


def _print(workspace: Path | None, as_json: bool) -> None:
    from ..skills import built_in, load, names, skill_folder

    with errors(as_json):
        workspace_at(workspace)
        stratos_own = built_in()
        listed: list[dict[str, Any]] = [
            {
                "skill": name,
                "task": task.name,
                "needs_data": load(name).needs_data,
                "from": "Stratos" if name in stratos_own else str(skill_folder(name)),
                "description": task.description,
            }
            for name in names()
            for task in load(name).tasks.values()
        ]
        if as_json:
            print_json(listed)
            return
        rows = [(*row.values(),) for row in listed]
        shown = [(skill, task, "yours" if needed else "its own", *rest) for skill, task, needed, *rest in rows]
        print_table(("skill", "task", "data", "from", "what it does"), shown, empty="no skills")
