"""Puts the facts into the template, every text escaped; the page needs no script and loads nothing."""

import os
from collections.abc import Sequence
from pathlib import Path

from ...state.canonical import Row
from ...state.errors import OutputError
from ...state.numbers import shown
from . import charts
from .facts import gather
from .records import Band, Facts


def page(rows: Sequence[Row], version: str) -> str:
    """The page of one run's rows; `version` is that of the Stratos that makes it."""
    return render(gather(rows), version)


def render(facts: Facts, version: str) -> str:
    """The page of these facts."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(usd=_usd, percent=_percent, count=_count, figure=_figure, duration=_duration)
    template = environment.get_template("page.html.j2")
    return template.render(facts=facts, version=version, charts=charts, band=_band, as_band=_as_band)


def write(path: Path, html: str) -> None:
    """The page in a file, whole or not at all; raises OutputError where it cannot be written."""
    path = path.absolute()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # Half a surrogate pair, which a request may hold, has no UTF-8.
        temporary.write_bytes(html.encode("utf-8", errors="replace"))
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def _usd(value: float | None) -> str:
    if value is None:
        return "–"
    return f"${value:,.2f}" if value == 0 or value >= 1 else f"${value:.4f}" if value >= 1e-4 else f"${shown(value)}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _figure(value: float | None) -> str:
    return "–" if value is None else shown(value)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.1f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def _band(value: Band | None, scale: float = 1.0) -> str:
    """A prediction with its band."""
    if value is None:
        return "unknown"
    return f"{shown(scale * value.value)} ({shown(scale * value.low)}–{shown(scale * value.high)})"


def _as_band(value: float, low: float | None, high: float | None) -> Band:
    return Band(value=value, low=value if low is None else low, high=value if high is None else high)
