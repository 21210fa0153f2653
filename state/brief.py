"""The brief: a request, typed. Targets, limits and every assumption made while reading it."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SECONDS_PER_DAY = 86_400
HOURS_PER_MONTH = 730
PEAK_OVER_MEAN = 3.0
"""assumption: requests in the busiest second over the day's mean; every use is written into the brief."""

AccuracyRule = Literal["lower_bound", "point_estimate"]
ChoiceRule = Literal["cheapest", "weighted", "knee"]


Metric = Literal["exact", "choice", "numeric", "math", "f1", "regex", "python"]
"""When an answer of given data is right: the same text; the same choice; the same number; the same by mathematics; enough words
in common; the pattern that the right answer is fits; a function of the user's says so."""


class Record(BaseModel):
    """A frozen, closed model: unknown fields are errors and values never change after they were read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Figure = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A number as such: no text, no yes or no, and finite."""


class Targets(Record):
    """What must be reached."""

    accuracy: Figure | None = Field(
        default=None, gt=0, le=1, description="share of test items answered exactly right, 0 to 1"
    )
    accuracy_rule: AccuracyRule = Field(
        default="lower_bound",
        description="what must reach the target: the lower end of the 95 % interval, or the measured value",
    )
    latency_p95_ms: Figure | None = Field(
        default=None, gt=0, description="95th percentile of one request's time, milliseconds"
    )
    throughput_rps: Figure | None = Field(default=None, gt=0, description="requests per second at 16 clients")
    requests_per_day: Figure | None = Field(
        default=None, gt=0, description="expected traffic; the server must carry PEAK_OVER_MEAN times its mean"
    )
    serving_months: Figure | None = Field(
        default=None,
        gt=0,
        description="how long the model is to be served, months of 730 hours; counts towards the dollars",
    )

    @property
    def needed_rps(self) -> float | None:
        """Requests a second that the server must carry at its busiest; null where nothing was said."""
        said = [self.throughput_rps, self.requests_per_day and self.requests_per_day / SECONDS_PER_DAY * PEAK_OVER_MEAN]
        return max((rate for rate in said if rate), default=None)


class Limits(Record):
    """What must not be passed."""

    usd: Figure | None = Field(default=None, ge=0, description="all the money of the run, US dollars; null: none")
    usd_per_month: Figure | None = Field(default=None, ge=0, description="serving, US dollars for 730 hours")
    hours: Figure | None = Field(
        default=None, gt=0, description="hours the run's jobs may work, the waits between them not counted"
    )
    accelerators: tuple[str, ...] = Field(
        default=(), description="only servers with one of these accelerators; empty: any or none"
    )
    regions: tuple[str, ...] = Field(
        default=(), description="only servers whose region starts with one of these; empty: any"
    )
    clouds: tuple[str, ...] = Field(
        default=(), description="only servers of these clouds; empty: any, and this machine"
    )
    licences: tuple[str, ...] = Field(
        default=(), description="only models under these licences; students built from scratch carry none"
    )
    max_parameters: int | None = Field(default=None, gt=0, description="largest student, parameters")


class Weights(Record):
    """How much each aim counts where several candidates meet every target; only their ratios matter, what is not named counts 0."""

    accuracy: Figure = Field(default=0.0, ge=0)
    latency: Figure = Field(default=0.0, ge=0)
    hours: Figure = Field(default=0.0, ge=0)
    usd: Figure = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _some_count(self) -> Self:
        if not (self.accuracy or self.latency or self.hours or self.usd):
            raise ValueError("no aim counts: give at least one of accuracy, latency, hours, usd a weight above 0")
        return self


EVEN = Weights(accuracy=1, latency=1, hours=1, usd=1)
"""What a score reckons with where a brief has no weights."""


class DataSource(Record):
    """The user's own examples: where they are and how they are read and judged."""

    path: str = Field(
        min_length=1, description="a JSONL, JSON, CSV, TSV or Parquet file, a folder, or the name of a data set"
    )
    test: str | None = Field(
        default=None, description="examples to be judged by, alike; null: some of the others are kept apart"
    )
    question: str | None = Field(default=None, description="the column of the questions; null: of a usual name")
    answer: str | None = Field(default=None, description="the column of the right answers; null: of a usual name")
    rationale: str | None = Field(default=None, description="the column of worked ways to the answers, if any")
    metric: Metric | None = Field(default=None, description="when an answer is right; null: told from the answers")
    verifier: str | None = Field(
        default=None, description="FILE.py:FUNCTION of (question, right answer, given answer), for the metric python"
    )
    skip_bad_rows: bool = Field(default=False, description="leave out rows that cannot be used instead of refusing all")
    unlabelled: str | None = Field(
        default=None, description="further questions, in a column of the same name, that a teacher may answer"
    )


class TeacherSource(Record):
    """A model that teaches: where it is and what its tokens cost. Its key is only ever in the environment."""

    name: str = Field(
        min_length=1, description="openai:MODEL on any OpenAI-compatible endpoint, a model's folder, or solver"
    )
    base_url: str | None = Field(default=None, description="null: OPENAI_BASE_URL, else OpenAI's own")
    usd_per_million: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] | None = Field(
        default=None, description="price of input and output tokens, US dollars; null: the catalogue's"
    )


SITE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""A site's name is also that of its folder."""
ADDRESS = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}$"
"""A name or an IPv4 number, and a port."""


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(Path(path).expanduser().absolute())


class SiteSource(Record):
    """One site: its own examples, which stay there, and what its box allows. It works on this machine, or joins from its own."""

    name: str = Field(pattern=SITE_NAME, description="letters, digits, _ . and -, unique")
    data: str | None = Field(
        default=None,
        min_length=1,
        description="its file of examples on this machine: CSV or JSON lines of texts and labels, or .npz of pixels and labels; read at "
        "the site alone",
    )
    key: str | None = Field(
        default=None,
        min_length=1,
        description="in place of data, of a site that joins from a machine of its own: its public key, as `stratos site key` made it there",
    )
    max_mib: Figure | None = Field(default=None, gt=0, description="the most its backbone may have in 32 bits, MiB")
    max_latency_ms: Figure | None = Field(default=None, gt=0, description="of one example, milliseconds")
    usd_per_hour: Figure = Field(default=0.0, ge=0, description="what an hour of its processor costs, US dollars")
    usd_per_gib: Figure = Field(default=0.0, ge=0, description="what a GiB to or from it costs, US dollars")


class FamilyOrders(Record):
    """How large the family of models for many sites is, and how long it and the sites learn."""

    hidden: int = Field(default=128, ge=8, multiple_of=8, description="width of the backbone")
    layers: int = Field(default=4, ge=1)
    vocabulary: int = Field(default=1500, ge=258, description="of the texts' tokenizer")
    epochs: int = Field(default=20, ge=1, description="of the backbone over the public examples")
    cut_steps: int = Field(default=500, ge=0, description="of the lessons of the smaller sizes, a batch each")
    fit_epochs: int = Field(default=8, ge=1, description="at a site, of the model as it was sent")
    tune_epochs: int = Field(default=16, ge=0, description="at a site, of what was kept of it")


Answers = Literal["labels", "texts"]
"""What a site's model says: one of the labels that it has examples of, or a text."""


class Sites(Record):
    """Many sites whose data stay where they are; each gets a model of its own. `data` holds what is public."""

    each: tuple[SiteSource, ...] = Field(min_length=1)
    answers: Answers = Field(
        default="labels",
        description="labels: one of each site's own; texts: written by a decoder, right when exactly equal",
    )
    engine: Literal["flower", "simulation", "here"] = Field(
        default="flower",
        description="flower: a process for each site, over Flower; simulation: Flower's, in a few workers; here: one after the other",
    )
    judged: Literal["together", "each"] = Field(
        default="together", description="whose accuracy must reach the target: of all sites' test examples, or of each"
    )
    secure: bool = Field(default=False, description="TLS, and only sites with registered keys, by Flower's own means")
    robust: bool = Field(default=False, description="importances of sites that contradict the others are left out")
    epsilon: Figure | None = Field(
        default=None, gt=0, description="of differential privacy of what sites send; null: a little noise, no promise"
    )
    search_header: bool = Field(
        default=False,
        description="a header (of labels) or an adapter (of texts) is searched for each size, on the public examples",
    )
    control: bool = Field(
        default=True,
        description="each site also trains a model of its size from nothing, as long: what it is held against",
    )
    family: FamilyOrders = FamilyOrders()
    bits: Literal[4, 5, 6, 8] = Field(default=4, description="of each weight on its way to a site")
    address: str | None = Field(
        default=None,
        pattern=ADDRESS,
        description="HOST:PORT under which sites that join reach this machine; null: all sites work here",
    )
    certificates: str | None = Field(
        default=None,
        min_length=1,
        description="folder of the server's certificates, as `stratos site authority HOST` makes it; for sites that join",
    )
    wait_minutes: Figure = Field(default=10.0, gt=0, description="how long sites that join are waited for")

    @property
    def joining(self) -> tuple[SiteSource, ...]:
        """The sites that come from machines of their own."""
        return tuple(site for site in self.each if site.key is not None)

    def absolute(self) -> Self:
        """With every path as it is from here: a run may be continued from another folder."""
        each = tuple(
            site.model_copy(update={"data": _absolute(site.data), "key": _absolute(site.key)}) for site in self.each
        )
        return self.model_copy(update={"each": each, "certificates": _absolute(self.certificates)})

    @model_validator(mode="before")
    @classmethod
    def _listed_alone(cls, given: object) -> object:
        return {"each": given} if isinstance(given, (list, tuple)) else given  # pyright: ignore[reportUnknownVariableType]

    @field_validator("each")
    @classmethod
    def _named_apart(cls, each: tuple[SiteSource, ...]) -> tuple[SiteSource, ...]:
        names = [site.name for site in each]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"sites of one name: {', '.join(twice)}")
        wrong = [
            f"site {site.name} names {'data and a key' if site.data else 'neither data nor a key'}"
            for site in each
            if (site.data is None) == (site.key is None)
        ]
        if wrong:
            raise ValueError(
                f"{'; '.join(wrong)}: `data` is of a site on this machine, `key` of one that joins from its own"
            )
        return each

    @model_validator(mode="after")
    def _can_be_joined(self) -> Self:
        if not self.joining:
            return self
        names = ", ".join(site.name for site in self.joining)
        missing = [name for name in ("address", "certificates") if getattr(self, name) is None]
        if missing:
            raise ValueError(f"sites that join ({names}) need {' and '.join(missing)} under `sites`")
        if self.engine != "flower":
            raise ValueError(f"sites that join ({names}) need engine: flower, not {self.engine}")
        return self


class Brief(Record):
    """A request that tools can work from."""

    request: str = Field(description="what the user wrote")
    skill: str = Field(description="name of a skill in skills/")
    task: str = Field(description="one of the skill's tasks")
    data: DataSource | None = Field(default=None, description="the user's own examples, where the skill needs them")
    teacher: TeacherSource | None = Field(
        default=None, description="a model that may teach beside what the skill or the data know; null: none is asked"
    )
    student: str | None = Field(
        default=None,
        min_length=1,
        description="the folder of an open model's checkpoint that is to be taught, of many sites the backbone; null: from scratch",
    )
    sites: Sites | None = Field(
        default=None,
        description="many sites that each get a model of their own from data that stay there; null: one model",
        exclude_if=lambda sites: sites is None,
    )
    targets: Targets
    limits: Limits
    weights: Weights | None = Field(
        default=None, description="chooses by weighted score among what meets the targets; null: all alike"
    )
    choose: ChoiceRule | None = Field(
        default=None,
        description="what is chosen among what meets the targets; null: by the weights where there are any, else the cheapest",
    )
    assumptions: tuple[str, ...] = Field(
        default=(), description="what was missing and how it was filled, one sentence each"
    )

    @field_validator("teacher", mode="before")
    @classmethod
    def _named_alone(cls, given: object) -> object:
        return {"name": given} if isinstance(given, str) else given
