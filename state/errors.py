"""The one exception tree of Stratos; the command line turns each into exit text and an exit code.

StratosError
├── RequestError          the user's request or brief cannot be used; `problems` lists everything wrong with it
├── ToolError
│   ├── Correctable       the planner can correct the call: it is told what was wrong and what is valid
│   │   ├── PriceChanged  a server no longer costs what the plan reckoned with: the run takes the new price and chooses again
│   │   ├── ServerUnavailable  a server cannot be had: the run chooses among the others
│   │   └── OutOfTime     a paid job reached the end of the time reserved for it: what it cost is charged
│   └── ToolFailed        final but shown: no server fits, a job failed, a limit would be passed
│       └── JobLost       a job's process or machine is gone without a word of its own: it is started once more
├── JournalError
│   ├── UnknownRun        the journal holds no run of that name
│   ├── Divergence        a resumed or replayed run decided something other than its record
│   └── Tampered          a recorded row no longer matches its hash
├── UnusablePrices        a file or folder of prices cannot be used; `problems` lists everything wrong with all of them
├── OutputError           what was asked for cannot be written to where it was asked for
├── ApprovalNeeded        the plan costs money that nobody approved
├── Cancelled             the user stopped the run
└── NotAvailable          an optional part (package, program, device) is missing; the text says how to add it
"""

from collections.abc import Sequence

from .numbers import AS_SAID, shown


class StratosError(Exception):
    """Base of every error Stratos raises on purpose."""


class RequestError(StratosError):
    """The request or brief cannot be used; all problems are reported together."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class ToolError(StratosError):
    """A tool could not do what was asked."""


class Correctable(ToolError):
    """The planner can correct this call."""


class PriceChanged(Correctable):
    """A server no longer costs what the plan reckoned with; nothing was started on it."""

    def __init__(self, offer_id: str, usd_per_hour: float) -> None:
        self.offer_id, self.usd_per_hour = offer_id, usd_per_hour
        super().__init__(f"{offer_id} now costs ${shown(usd_per_hour, AS_SAID)} an hour")


class ServerUnavailable(Correctable):
    """A server that was asked for cannot be had; nothing was started on it."""

    def __init__(self, offer_id: str, why: str) -> None:
        self.offer_id = offer_id
        super().__init__(f"{offer_id} cannot be had: {why}")


class OutOfTime(Correctable):
    """A paid job was stopped when the time reserved for it was up; what it finished is kept, and its cost is charged."""

    def __init__(self, message: str, seconds: float, usd: float) -> None:
        self.seconds, self.usd = seconds, usd
        super().__init__(message)


class ToolFailed(ToolError):
    """The call was right and still cannot succeed."""


class JobLost(ToolFailed):
    """A job's process or machine is gone and left no error of its own."""


class JournalError(StratosError):
    """The record of a run cannot be read or continued."""


class UnknownRun(JournalError):
    """The journal holds no run of that name."""


class Divergence(JournalError):
    """Today's code decided something other than the record, at one step."""

    def __init__(self, seq: int, name: str, what: str, recorded: object, actual: object) -> None:
        self.seq, self.name, self.what, self.recorded, self.actual = seq, name, what, recorded, actual
        super().__init__(f"step {seq} ({name}) differs in its {what}: recorded {recorded!r}, now {actual!r}")


class Tampered(JournalError):
    """A row of the journal was changed, removed or reordered after it was written."""


class UnusablePrices(StratosError):
    """Files of the user's that a plan reads (prices, models, corrections) cannot be used: all problems of all of them together;
    nothing of them was taken."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        listed = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"files of yours cannot be used, and none of these were taken:{listed}")


class OutputError(StratosError):
    """A file or folder cannot be written: something is there already, or the disk refuses."""


class ApprovalNeeded(StratosError):
    """A plan waits for the user's approval before any money is spent; `run_id` names the run to resume."""

    def __init__(self, message: str, run_id: str = "") -> None:
        self.run_id = run_id
        super().__init__(message)


class Cancelled(StratosError):
    """The user stopped the run."""


class NotAvailable(StratosError):
    """An optional part is missing."""
