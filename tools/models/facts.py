"""The types of the catalogue, which live in `state` because a run remembers the models it saw."""

from ...state.model_facts import Benchmark, Kind, ModelFacts, Role, Score

__all__ = ["Benchmark", "Kind", "ModelFacts", "Role", "Score"]
