"""Matching: what a licence limit means for students built from scratch."""

from pathlib import Path

from stratos.state.brief import Limits
from stratos.tools.match_models import MATCH_MODELS, MatchModels

from ..building import brief, context, state


def test_a_licence_limit_holds_for_students_built_from_scratch_and_is_told(tmp_path: Path) -> None:
    asked = brief().model_copy(update={"limits": Limits(licences=("MIT", "Apache-2.0"))})
    found = MATCH_MODELS.run(context(state(brief=asked), tmp_path), MatchModels())
    assert found.students
    assert "licences other than MIT, Apache-2.0" in found.rejected[-1]
    assert "students built from scratch carry none" in found.rejected[-1]
