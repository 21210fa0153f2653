"""From a teacher's name in a job file to a teacher that may be asked: key, prices, and what its licence says of its outputs."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import Field

from ...skills.protocol import Skill
from ...state.brief import TeacherSource
from ...state.errors import Correctable, NotAvailable, RequestError, ToolFailed
from ..jobs import TimedJob
from ..models.catalogue import Catalogue, known_models
from ..models.licences import known_licence
from ..pairing.licences import Use, rule_on_licence
from ..serving.job import read_key
from ..tuning.source import lacking
from .asking import Asker
from .cache import AnswerCache
from .endpoint import IN_FLIGHT, TIMEOUT_S, EndpointTeacher
from .local import FolderTeacher, SolverTeacher
from .money import Purse, TokenPrices, token_prices
from .teachers import Teacher

OPENAI = "openai:"
SOLVER = "solver"
OPENAI_URL = "https://api.openai.com/v1"


class TeacherChoice(TeacherSource):
    """A teacher as a job file names it; a key is only ever in the environment or in a file of mode 0600."""

    api_key_file: Path | None = Field(default=None, description="null: OPENAI_API_KEY")
    in_flight: int = Field(default=IN_FLIGHT, gt=0, le=256, description="requests at once")
    timeout_s: float = Field(default=TIMEOUT_S, gt=0)
    sends_temperature: bool = Field(default=True, description="false for models that take no temperature")


class WritingJob(TimedJob):
    """Base of the jobs in which a teacher writes a file of examples: who writes and checks, for how much money, and where to."""

    teacher: TeacherChoice
    checker: TeacherChoice | None = Field(
        default=None, description="an independent teacher; null: other samples of the first"
    )
    max_tokens: int = Field(default=1024, gt=0)
    seed: int = 0
    usd_limit: float = Field(ge=0, description="for all of the job's calls, US dollars")
    cache_folder: Path
    shard: Path = Field(description="the file to write; its provenance lies beside it")
    use: Use = Use()


def open_teacher(
    choice: TeacherChoice, skill: Skill | None, task: str, environ: Mapping[str, str] = os.environ
) -> Teacher:
    """The teacher. Raises NotAvailable, saying what is missing, where it cannot be asked here."""
    if choice.name.startswith(OPENAI) and choice.name != OPENAI:
        return _endpoint(choice, environ)
    solving = None if skill is None or skill.needs_data else skill
    if choice.name == SOLVER and solving is not None:
        return SolverTeacher(solving, task)
    folder = Path(choice.name).expanduser()
    if folder.is_dir():
        refuse_unfit_folder(folder)
        return FolderTeacher(folder)
    why = " here: only a skill that solves its own questions has one" if choice.name == SOLVER else ""
    folders = "the folder of a Hugging Face model (config.json, safetensors, tokenizer, chat template)"
    raise NotAvailable(
        f"teacher {choice.name!r} is not available{why}; valid: {OPENAI}MODEL with a model's name on any OpenAI-compatible endpoint"
        + (f", {folders}, or {SOLVER}" if solving else f", or {folders}")
    )


def refuse_unfit_folder(folder: Path) -> None:
    """Raises NotAvailable with everything that keeps the model in a folder from being asked; loads none of it."""
    if problems := lacking(folder):
        raise NotAvailable(f"teacher {str(folder)!r} cannot be asked: {'; '.join(problems)}")


def _endpoint(choice: TeacherChoice, environ: Mapping[str, str]) -> Teacher:
    key = read_key(choice.api_key_file) if choice.api_key_file else environ.get("OPENAI_API_KEY")
    base_url = choice.base_url or environ.get("OPENAI_BASE_URL")
    if not (key or base_url):
        raise NotAvailable(
            f"teacher {choice.name!r} needs an endpoint: set OPENAI_API_KEY (OpenAI's own), or OPENAI_BASE_URL for "
            "another (vLLM, Ollama, llama.cpp), with OPENAI_API_KEY where it asks for one"
        )
    return EndpointTeacher(
        choice.name.removeprefix(OPENAI),
        base_url or OPENAI_URL,
        key,
        in_flight=choice.in_flight,
        timeout_s=choice.timeout_s,
        sends_temperature=choice.sends_temperature,
    )


def open_asker(
    choice: TeacherChoice, skill: Skill | None, task: str, *, purse: Purse, cache: AnswerCache, use: Use
) -> tuple[Asker, list[str]]:
    """A teacher ready to be asked, and notes on its licence.

    Raises NotAvailable, RequestError (its prices are not known), ToolFailed where its outputs may train no student.
    """
    teacher = open_teacher(choice, skill, task)
    notes = [] if choice.name == SOLVER else _ruled(choice.name.removeprefix(OPENAI), known_models(), use)
    return Asker(teacher=teacher, prices=prices_of(choice), purse=purse, cache=cache), notes


def prices_of(source: TeacherSource) -> TokenPrices:
    """What a teacher's tokens cost; nothing where no endpoint is asked. Raises RequestError where that is not known."""
    if not source.name.startswith(OPENAI):
        return TokenPrices()
    return token_prices(source.name.removeprefix(OPENAI), known_models(), source.usd_per_million)


def _ruled(model: str, catalogue: Catalogue, use: Use) -> list[str]:
    terms = None
    with suppress(Correctable):  # a model that is not in the catalogue: nothing is known of its terms
        terms = known_licence(catalogue.find(model).licence)
    ruling = rule_on_licence(terms, use)
    if ruling.problems:
        raise ToolFailed(f"teacher {model!r} may not teach: {'; '.join(ruling.problems)}")
    return [f"teacher {model!r}: {note}" for note in ruling.notes]


def check_choices(*choices: TeacherChoice | None) -> None:
    """Raises RequestError where a teacher would check itself under two names."""
    names = [choice.name for choice in choices if choice is not None]
    if len(names) != len(set(names)):
        raise RequestError([f"the checker is the teacher {names[0]!r} itself: leave it out, or name another"])
