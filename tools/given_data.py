"""The user's own examples at the start of a run: taken once, split and sealed before anything looks at them."""

from pathlib import Path
from typing import cast

from ..skills import load as load_skill
from ..skills.given.skill import GivenSkill
from ..state.brief import Brief, DataSource
from ..state.errors import RequestError
from ..state.run import GivenFacts
from .base import Settings

GIVEN_FOLDER = "given"


def unreadable(source: DataSource) -> list[str]:
    """What keeps the files of examples from being read at all; data sets by name are not looked up."""
    from ..skills.given.rows import is_of_a_hub, read_table

    problems: list[str] = []
    for name in (source.path, source.test, source.unlabelled):
        if name is not None and not is_of_a_hub(name):
            try:
                read_table(name)
            except RequestError as error:
                problems += error.problems
    return problems


def take_data(brief: Brief, run_folder: Path, settings: Settings) -> GivenFacts:
    """Reads the files that the brief names into the run's folder. Raises RequestError, keeping nothing, with all that is wrong."""
    from ..skills.given.freezing import freeze

    assert brief.data is not None
    form = cast(GivenSkill, load_skill(brief.skill)).form
    folder = run_folder / GIVEN_FOLDER
    return freeze(brief.data, form, folder, seed=settings.seed, held_out_items=settings.held_out_items)
