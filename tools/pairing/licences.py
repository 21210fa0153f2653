"""Whether a teacher's outputs may train this student: the licence's word against the brief's. It is no legal advice."""

from typing import Literal, Protocol

from pydantic import Field

from ...state.brief import Record


class OutputTerms(Protocol):
    """What must be known of a licence; `tools.models.licences.LicenceFacts` has it, and more."""

    @property
    def name(self) -> str:
        """The licence's own name."""
        ...

    @property
    def spdx(self) -> str | None:
        """Its SPDX identifier, where there is one."""
        ...

    @property
    def commercial(self) -> object:
        """True or 'yes': commercial use is free; 'with_conditions': under some; False or 'no': it is not allowed."""
        ...

    @property
    def outputs_may_train(self) -> Literal["yes", "with_conditions", "no"]:
        """Whether other models may be trained on the outputs."""
        ...

    @property
    def condition(self) -> str | None:
        """What must be done, or what the clause forbids, in a sentence."""
        ...


class Use(Record):
    """What the brief says of licences."""

    licences: tuple[str, ...] = Field(default=(), description="only models under these; empty: any")
    commercial: bool | None = Field(default=None, description="the student will be used commercially; null: not said")


class LicenceRuling(Record):
    """Whether the teacher may teach, and what goes with it."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def rule_on_licence(terms: OutputTerms | None, use: Use) -> LicenceRuling:
    """Judges the teacher's licence; None is a teacher of which no terms are known."""
    if terms is None:
        if use.licences:
            return LicenceRuling(problems=(f"its licence is not known, and only {', '.join(use.licences)} is allowed",))
        return LicenceRuling(notes=("nothing is known of its licence: read it before its outputs are used",))
    gist = f": {terms.condition}" if terms.condition else ""
    problems: list[str] = []
    notes: list[str] = []
    allowed = {name.casefold() for name in use.licences}
    if allowed and not allowed & {terms.name.casefold(), (terms.spdx or terms.name).casefold()}:
        problems.append(f"licence {terms.name} is not among those allowed ({', '.join(use.licences)})")
    if terms.outputs_may_train == "no":
        problems.append(f"licence {terms.name} does not let its outputs train another model{gist}")
    elif terms.outputs_may_train == "with_conditions":
        notes.append(f"licence {terms.name} lets its outputs train a student on a condition{gist}")
    if terms.commercial in (False, "no"):
        if use.commercial:
            problems.append(f"licence {terms.name} does not allow commercial use{gist}")
        elif use.commercial is None:
            notes.append(
                f"licence {terms.name} does not allow commercial use; the brief does not say whether there is any"
            )
    elif terms.commercial == "with_conditions" and use.commercial is not False:
        notes.append(f"licence {terms.name} allows commercial use on conditions{gist}")
    return LicenceRuling(problems=tuple(problems), notes=tuple(dict.fromkeys(notes)))
