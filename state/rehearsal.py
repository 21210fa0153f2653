"""A recorded run taken again under other conditions, to see what would have been decided: nothing is done and nothing written.

Decisions are computed anew. What touched the world is answered from the record where the record holds the same step with
the same input, and the first step that it does not hold ends the rehearsal: what would have come of it is unknown. The
user's words are heard where they were said; once something differs there is no such place, and those still to come are heard
at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .canonical import Json, Row, canonical, first_difference
from .journal import Journal, Mode

APPROVE, USER = "approve", "user"
TRAINING = "tool distill"
"""What is measured after one training does not hold after another."""


class Unknown(Exception):
    """The record does not say what would come of this step."""

    def __init__(self, name: str, given: Json) -> None:
        self.name, self.given = name, given
        super().__init__(name)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first step that comes out otherwise: where, and both sides; a side that has no such step is null."""

    seq: int
    step: str
    where: str
    recorded: Json
    now: Json


class Rehearsal:
    """Answers a graph's steps as a Recorder does, from a run's verified rows, of which it begins with the row `first`.

    `live` names the steps that are done anew although they are effects.
    """

    mode: Mode = "replay"

    def __init__(
        self, journal: Journal, rows: Sequence[Row], *, first: int, live: frozenset[str] = frozenset()
    ) -> None:
        self._journal, self._live = journal, live
        self._recorded = [row for row in rows if row.kind not in ("run", "note")]
        self._taken = self._effects = sum(row.seq < first for row in self._recorded)
        self._to_hear: list[Row] = []
        self.difference: Difference | None = None
        self.approvals_assumed: list[Json] = []

    @property
    def position(self) -> int:
        """Number of the next step, counted from 1."""
        return self._taken + 1

    @property
    def replayed_all(self) -> bool:
        """Never: no step goes live as in a run."""
        return False

    @property
    def next_name(self) -> str | None:
        """Name of the next recorded step; once something differs that of a word of the user's, while one is to come."""
        if self.difference is not None:
            return USER if self._to_hear else None
        return self._recorded[self._taken].name if self._same_place() else None

    def step(
        self, name: str, input: object, do: Callable[[], object], *, kind: Literal["decision", "effect"] = "effect"
    ) -> Json:
        """The step's output; raises Unknown for an effect that the record does not hold."""
        given = self._journal.clean(input, f"input of {name}")
        anew = kind == "decision" or name in self._live
        output = self._journal.clean(do(), f"output of {name}") if anew else self._effect(name, given)
        self._compare(name, given, output)
        self._taken += 1
        return output

    def finish(self, outcome: str, output: object = None) -> Json:
        """The last step."""
        found = self._journal.clean(output, f"output of {outcome}")
        self._compare(outcome, None, found)
        self._taken += 1
        return found

    def note(self, name: str, value: object) -> None:
        """Nothing: what is no step is not rehearsed."""

    def _same_place(self) -> bool:
        return self._taken < len(self._recorded)

    def _effect(self, name: str, given: Json) -> Json:
        if name == USER and self._to_hear:
            return self._to_hear.pop(0).output
        for at in range(self._effects, len(self._recorded)):
            row = self._recorded[at]
            if row.kind == "effect" and row.name == name and _same(row.input, given) and not self._is_heard(row):
                self._effects = at + 1
                return row.output
            if row.name == TRAINING and name != TRAINING:
                break
        if name == APPROVE:
            self.approvals_assumed.append(given)
            return {"approved": True, "by": "in advance", "instead": False}
        raise Unknown(name, given)

    def _is_heard(self, row: Row) -> bool:
        """Whether a row is an approval in whose place a word was said that is heard already: it is asked for again."""
        heard = self.difference is not None and not self._to_hear
        return heard and row.name == APPROVE and row.output.get("instead", False)

    def _compare(self, name: str, given: Json, output: Json) -> None:
        if self.difference is not None:
            return
        row: Row | None = self._recorded[self._taken] if self._same_place() else None
        if row is None:
            self.difference = Difference(seq=-1, step=name, where="", recorded=None, now=output)
        elif row.name != name:
            self.difference = Difference(seq=row.seq, step=row.name, where="", recorded=row.name, now=name)
        elif found := first_difference(row.output, output) or first_difference(row.input, given):
            where, recorded, now = found
            self.difference = Difference(seq=row.seq, step=name, where=where.lstrip("."), recorded=recorded, now=now)
        if self.difference is not None:
            self._to_hear = [row for row in self._recorded[self._taken :] if row.name == USER]


def _same(left: Any, right: Any) -> bool:
    return canonical(left) == canonical(right)
