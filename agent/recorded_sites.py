"""What a run's rows say of its sites at last, and their models' folders with weights as they were measured."""

from collections.abc import Sequence
from pathlib import Path

from ..state.canonical import Row
from ..state.errors import Correctable, JournalError, OutputError
from ..state.sites import Family, SiteResult, SitesAttempt
from ..state.workspace import Workspace
from ..tools.weights import weights_sha256
from .audit_page.reading import at, mapping, parsed


def last_attempt(rows: Sequence[Row]) -> SitesAttempt | None:
    """The newest loop over sites; None where the run had none."""
    found = [at(parsed(row.output_json), "attempt") for row in rows if row.name == "tool customize"]
    made = [mapping(attempt) for attempt in found if attempt]
    return SitesAttempt.model_validate(made[-1]) if made else None


def family_of(rows: Sequence[Row]) -> Family | None:
    """The family of models that the run made; None where it made none."""
    found = [at(parsed(row.output_json), "family") for row in rows if row.name == "tool build_family"]
    made = [mapping(family) for family in found if family]
    return Family.model_validate(made[-1]) if made else None


def result_of(attempt: SitesAttempt, site: str, run_id: str) -> SiteResult:
    """One site's. Raises Correctable for a site that the run does not have, or that has no model."""
    names = [result.site for result in attempt.results]
    result = next((result for result in attempt.results if result.site == site), None)
    if result is None:
        raise Correctable(f"run {run_id} has no site {site!r}; there are: {', '.join(names)}")
    if result.failed:
        raise Correctable(f"site {site} has no model: {result.failed}")
    return result


def model_folder(workspace: Workspace, run_id: str, result: SiteResult) -> Path:
    """Where the site's model lies. Raises Correctable where it is on the site's own machine, OutputError where it is gone, JournalError
    where its weights are others than were measured."""
    if not result.folder:
        raise Correctable(
            f"the model of site {result.site} is on its own machine, where it joined: `stratos site ask` asks it there"
        )
    folder = workspace.run_folder(run_id) / result.folder
    if not (found := weights_sha256(folder) if folder.is_dir() else ""):
        raise OutputError(f"{folder} holds no weights: the model of site {result.site} was moved or deleted")
    if found != result.weights_sha256:
        raise JournalError(
            f"{folder} is not the model that was measured: its weights have sha256 {found}, recorded is {result.weights_sha256}"
        )
    return folder
