"""The data tool: what it records of the held-out splits holds for the whole run."""

from dataclasses import replace
from pathlib import Path

import pytest
from stratos.state.errors import ToolFailed
from stratos.tools.generate_data import GENERATE_DATA, GenerateData

from ..building import choice, context, state


def test_a_held_out_split_that_changed_after_it_was_sealed_ends_the_call(tmp_path: Path) -> None:
    given = context(state(choice=choice()), tmp_path, held_out_items=50, max_attempts=1)
    sealed = GENERATE_DATA.run(given, GenerateData(examples=100))
    assert [split.n for split in sealed.splits] == [50, 50]
    path = tmp_path / "run" / sealed.splits[1].path
    path.write_text(path.read_text().replace("yes", "no"))
    later = replace(given, state=state(choice=choice(), data=sealed), step_folder=tmp_path / "run" / "002-step")
    with pytest.raises(ToolFailed, match="sealed-1"):
        GENERATE_DATA.run(later, GenerateData(examples=200))
