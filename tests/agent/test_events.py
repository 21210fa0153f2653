"""A job's lines as events: whatever they hold, none ends the run."""

from typing import Any

import pytest
from stratos.agent.events import Progress, progress_of


@pytest.mark.parametrize("nonsense", [None, "abc", [], {}, "nan", "inf", 10**400, True])
def test_a_figure_that_is_none_counts_as_nothing(nonsense: Any) -> None:
    line = {"event": "progress", "done": nonsense, "total": 7, "unit": "items", "loss": nonsense}
    event = progress_of("run", "distill", line)
    assert isinstance(event, Progress)
    assert (event.done, event.total) == (0, 7)
    assert event.loss in (None, 0)
