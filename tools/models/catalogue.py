"""The model catalogue: the built-in models and those that users add, found by name and filtered."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from ...state.errors import Correctable
from ...state.model_facts import Kind, ModelFacts, Role
from .licences import known_licence
from .records import read_models, read_scores
from .rows import SUFFIXES

MODELS_CSV = Path(__file__).with_name("models.csv")
SCORES_CSV = Path(__file__).with_name("scores.csv")
MODELS_VARIABLE = "STRATOS_MODELS"


class Catalogue(Mapping[str, ModelFacts]):
    """Models by name, in the order of their files."""

    def __init__(self, models: Mapping[str, ModelFacts]) -> None:
        self._models = dict(models)

    def __getitem__(self, name: str) -> ModelFacts:
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def find(self, name: str) -> ModelFacts:
        """The model of that name, in any case, or the one model whose name ends in it behind a slash.

        Raises Correctable with the nearest names when there is none, or with all that it could mean.
        """
        folded = name.strip().casefold()
        by_name = {known.casefold(): known for known in self}
        ends = [known for whole, known in by_name.items() if whole.endswith(f"/{folded}")]
        if folded in by_name:
            return self[by_name[folded]]
        if len(ends) == 1:
            return self[ends[0]]
        if ends:
            raise Correctable(f"{name!r} could be any of {', '.join(ends)}")
        raise Correctable(f"no model {name!r} in the catalogue.{self._nearest(folded, by_name)}")

    def _nearest(self, folded: str, by_name: Mapping[str, str]) -> str:
        short = {whole.rpartition("/")[2]: known for whole, known in by_name.items()}
        close = difflib.get_close_matches(folded, [*by_name, *short], n=8, cutoff=0.5)
        names = list(dict.fromkeys(by_name.get(match) or short[match] for match in close))[:4]
        return f" Nearest: {', '.join(names)}." if names else " `stratos models` lists all."

    def where(
        self,
        *,
        role: Role | None = None,
        kind: Kind | None = None,
        min_parameters: int | None = None,
        max_parameters: int | None = None,
        licences: Sequence[str] = (),
        families: Sequence[str] = (),
        min_context_tokens: int | None = None,
        max_context_tokens: int | None = None,
        instruct: bool | None = None,
    ) -> tuple[ModelFacts, ...]:
        """The models that pass every filter, in order; a figure that is not published passes none about it.

        Licences go by name, SPDX identifier or hub tag; a family matches those whose name starts with it. Raises Correctable for a
        licence or family that no model has.
        """
        wanted = [self._licence(name) for name in licences]
        starts = tuple(self._family(name) for name in families)
        return tuple(
            facts
            for facts in self.values()
            if (role is None or role in facts.roles)
            and (kind is None or kind == facts.kind)
            and (instruct is None or instruct == facts.instruct)
            and (not wanted or facts.licence.casefold() in wanted)
            and (not starts or facts.family.casefold().startswith(starts))
            and _within(facts.parameters, min_parameters, max_parameters)
            and _within(facts.context_tokens, min_context_tokens, max_context_tokens)
        )

    def _licence(self, name: str) -> str:
        known = known_licence(name)
        folded = (known.name if known else name).casefold()
        return self._one(folded, name, "licence", lambda facts: facts.licence, str.__eq__)

    def _family(self, name: str) -> str:
        return self._one(name.casefold(), name, "family", lambda facts: facts.family, str.startswith)

    def _one(
        self,
        folded: str,
        name: str,
        what: str,
        field: Callable[[ModelFacts], str],
        matches: Callable[[str, str], bool],
    ) -> str:
        valid = sorted({field(facts) for facts in self.values()})
        if not any(matches(value.casefold(), folded) for value in valid):
            raise Correctable(f"no model has the {what} {name!r}; valid: {', '.join(valid)}")
        return folded


def _within(value: int | None, low: int | None, high: int | None) -> bool:
    if value is None:
        return low is None and high is None
    return (low is None or value >= low) and (high is None or value <= high)


@cache
def _built_in() -> dict[str, ModelFacts]:
    models = read_models(MODELS_CSV, {})
    scores = read_scores(SCORES_CSV, list(models))
    return {
        name: facts.model_copy(update={"scores": scores[name]}) if name in scores else facts
        for name, facts in models.items()
    }


def load_catalogue(extra: Sequence[Path] = ()) -> Catalogue:
    """The built-in models and those of `extra` files; a later file's model replaces an earlier one of the same name.

    Raises Correctable with every problem of the first file that cannot be used.
    """
    models = dict(_built_in())
    for path in extra:
        models.update(read_models(path, models))
    return Catalogue(models)


def user_files(workspace: Path | None = None) -> tuple[Path, ...]:
    """The models files a user has: those that STRATOS_MODELS names, then `models.csv`, `.yaml`, `.yml`, `.json` in the workspace."""
    named = [Path(part).expanduser() for part in os.environ.get(MODELS_VARIABLE, "").split(os.pathsep) if part.strip()]
    beside = [workspace / f"models{suffix}" for suffix in SUFFIXES] if workspace else []
    return (*named, *(path for path in beside if path.is_file()))


def own_models(workspace: Path | None = None) -> tuple[ModelFacts, ...]:
    """The models that the user added, a built-in one of the same name replaced. Raises Correctable as `load_catalogue` does."""
    added: dict[str, ModelFacts] = {}
    for path in user_files(workspace):
        added.update(read_models(path, {**_built_in(), **added}))
    return tuple(added.values())


def with_own(models: Sequence[ModelFacts]) -> Catalogue:
    """The built-in models and these, which replace built-in ones of the same name."""
    return Catalogue({**_built_in(), **{facts.name: facts for facts in models}})


def known_models(workspace: Path | None = None, extra: Sequence[Path] = ()) -> Catalogue:
    """The built-in models and all that the user added: by STRATOS_MODELS, in the workspace, and in `extra`, in this order."""
    return load_catalogue((*user_files(workspace), *extra))
