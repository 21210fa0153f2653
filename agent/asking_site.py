"""Asks the model of one site of a run; nothing of it is served."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..state.errors import Correctable
from ..state.journal import Journal
from ..state.workspace import Workspace
from .recorded_sites import last_attempt, model_folder, result_of

NAMED = 3
"""Labels that are told."""
TOLD = 12
"""Sites that are named where another was asked for."""


def ask_site(workspace: Workspace, site: str, question: str, run_id: str | None = None) -> dict[str, Any]:
    """What the site's model answers, with the likeliest labels, or the chance of what it wrote; of the newest run with such a
    site unless one is named.

    Raises Correctable where there is none.
    """
    from ..tools.sites.asking import answers

    journal = Journal(workspace)
    run = run_id or newest_with(workspace, site)
    if run is None:
        raise Correctable(f"no run here has a model for a site {site!r}{_there_are(workspace)}")
    attempt = last_attempt(journal.verified_rows(run))
    if attempt is None:
        raise Correctable(f"run {run} has no sites")
    folder = model_folder(workspace, run, result_of(attempt, site, run))
    found = answers(folder, question)
    return {
        "site": site,
        "run": run,
        "answer": found[0][0],
        "likeliest": likeliest(found),
    }


def likeliest(found: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    """The first labels, as they are told."""
    return [{"label": label, "probability": round(share, 4)} for label, share in found[:NAMED]]


def shares(likeliest: Sequence[Mapping[str, Any]]) -> str:
    """The likeliest labels with their probabilities, in a line; of a text that was written its chance alone."""
    said = [f"{one['probability']:.1%}" for one in likeliest]
    if len(said) == 1:
        return said[0]
    return "  ".join(f"{one['label']} {share}" for one, share in zip(likeliest, said, strict=True))


def newest_with(workspace: Workspace, site: str) -> str | None:
    """The newest run that has a model for such a site; None where there is none."""
    return next((run for run, sites in _with_models(workspace) if site in sites), None)


def _with_models(workspace: Workspace) -> Iterator[tuple[str, list[str]]]:
    """The runs over sites, the newest first, and the sites of each that have a model."""
    journal = Journal(workspace)
    for run in reversed(journal.runs()):
        attempt = last_attempt(journal.rows(run.run_id)) if run.status != "damaged" else None
        if attempt is not None:
            yield run.run_id, [result.site for result in attempt.results if not result.failed]


def _there_are(workspace: Workspace) -> str:
    """The sites that could be asked instead, as the end of a sentence."""
    found = next(((run, sites) for run, sites in _with_models(workspace) if sites), None)
    if found is None:
        return "; `stratos customize` makes them"
    run, sites = found
    more = f" and {len(sites) - TOLD} more" if len(sites) > TOLD else ""
    return f"; run {run} has: {', '.join(sites[:TOLD])}{more}"
