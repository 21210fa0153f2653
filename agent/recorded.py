"""What a run's rows say of its request: as it was read at last, and as it was judged. Rows of any version, or damaged ones, will do."""

from collections.abc import Sequence

from ..state.canonical import Json, Row
from .audit_page.reading import at, mapping, parsed


def last_reading(rows: Sequence[Row]) -> Row | None:
    """The last step that gave a brief; before it the user of a chat may have been asked for what was missing."""
    readings = (row for row in reversed(rows) if row.name == "intake")
    return next((row for row in readings if isinstance(at(parsed(row.output_json), "brief"), dict)), None)


def judged_brief(rows: Sequence[Row]) -> Json:
    """The brief a run ended with or stands at, every word that changed it heeded; None where there is none."""
    if (read := last_reading(rows)) is None:
        return None
    brief = at(parsed(read.output_json), "brief")
    for row in rows:
        if row.name == "user" and row.seq > read.seq:
            brief = _heeded(brief, parsed(row.output_json))
    return (mapping(parsed(rows[-1].output_json), "brief") if rows[-1].kind == "outcome" else None) or brief


def _heeded(brief: Json, heard: Json) -> Json:
    """The brief after a word."""
    if at(heard, "problem"):
        return brief
    changed = {part: mapping(brief, part) | mapping(heard, "word", part) for part in ("targets", "limits")}
    return {**mapping(brief), **changed}
