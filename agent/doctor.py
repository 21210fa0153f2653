"""Looks at what this machine has and says how to add what is missing; changes nothing."""

import importlib.metadata
import os
import shutil
import sys

from ..state.brief import Record
from ..state.workspace import Workspace

NEEDED_FREE_GIB = 2.0


class Check(Record):
    """One thing looked at."""

    name: str
    ok: bool
    required: bool
    state: str
    to_add: str = ""


def checks(workspace: Workspace) -> list[Check]:
    """All of them, the required ones first."""
    return [
        _python(),
        *(
            _package(name)
            for name in ("torch", "transformers", "langgraph", "duckdb", "pymoo", "ctranslate2", "mahjong")
        ),
        _disk(workspace),
        _journal(workspace),
        _prices(workspace),
        _program("GPU", "nvidia-smi", "not needed; with one, larger students become practical"),
        _program("vLLM", "vllm", "not needed; install vllm in an environment of its own and put its program on PATH"),
        _program(
            "SkyPilot",
            "sky",
            "not needed; cloud servers are priced and shown, `--executor sky` would run jobs on them; see `stratos doctor --cloud`",
        ),
    ]


def _python() -> Check:
    version = sys.version.split()[0]
    return Check(
        name="Python", ok=sys.version_info >= (3, 11), required=True, state=version, to_add="Python 3.11 or newer"
    )


def _package(name: str) -> Check:
    try:
        return Check(name=name, ok=True, required=True, state=importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name=name, ok=False, required=True, state="missing", to_add="make setup")


def _disk(workspace: Workspace) -> Check:
    folder = workspace.path
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    writable = os.access(folder, os.W_OK)
    state = f"{free:.0f} GiB free in {workspace.path}" + ("" if writable else ", not writable")
    return Check(
        name="workspace",
        ok=free >= NEEDED_FREE_GIB and writable,
        required=True,
        state=state,
        to_add=f"{NEEDED_FREE_GIB:g} GiB free and the right to write; --workspace chooses another folder",
    )


def _journal(workspace: Workspace) -> Check:
    from ..state.errors import JournalError
    from ..state.journal import Journal

    try:
        count = len(Journal(workspace).runs())
        return Check(name="journal", ok=True, required=True, state=f"{count} runs")
    except JournalError as error:
        return Check(name="journal", ok=False, required=True, state=str(error), to_add="restore the file from a backup")


def _prices(workspace: Workspace) -> Check:
    """Where prices come from; what is in the files is looked at when they are asked."""
    from ..state.errors import UnusablePrices
    from ..tools.pricing.configured import VALID, VARIABLE, WORKSPACE_FILE, configured_sources

    try:
        sources = configured_sources(workspace.path)
    except UnusablePrices as error:
        return Check(
            name="prices", ok=False, required=True, state="; ".join(error.problems), to_add=f"{VARIABLE}: {VALID}"
        )
    own = f"not needed; {WORKSPACE_FILE} in the workspace or {VARIABLE} add your own, `stratos prices --refresh` newer ones"
    state = ", ".join(("the built-in snapshot", *(source.name for source in sources)))
    return Check(name="prices", ok=True, required=True, state=state, to_add="" if sources else own)


def _program(name: str, program: str, to_add: str) -> Check:
    found = shutil.which(program)
    return Check(
        name=name, ok=found is not None, required=False, state=found or "not found", to_add="" if found else to_add
    )
