"""From a teacher's name in a job file to a teacher that may be asked: key, prices, and what its licence says of its outputs."""

import os
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from pydantic import Field

from ...skills.protocol import Skill
from ...state.brief import TeacherSource
from ...state.errors import Correctable, NotAvailable, RequestError, ToolFailed
from ..jobs import TimedJob
from ..models.catalogue import Catalogue, known_models
from ..models.licences import known_licence
from ..pairing.licences import Use, rule_on_licence
from ..serving.deployments import EngineChoice
from ..serving.job import read_key
from ..serving.vllm import choose_engine
from ..tuning.source import lacking
from .asking import Asker
from .cache import AnswerCache
from .endpoint import IN_FLIGHT, TIMEOUT_S, EndpointTeacher
from .local import FolderTeacher, SolverTeacher
from .money import Purse, TokenPrices, token_prices
from .served import SHARED_GPU, ServedTeacher
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
    engine: EngineChoice = Field(default="auto", description="of a model folder; auto: vLLM where it serves here")


class AskingJob(TimedJob):
    """Base of the jobs that ask a teacher: which, how, and for how much money."""

    teacher: TeacherChoice
    max_tokens: int = Field(default=1024, gt=0)
    seed: int = 0
    usd_limit: float = Field(ge=0, description="for all of the job's calls, US dollars")
    cache_folder: Path
    use: Use = Use()


class WritingJob(AskingJob):
    """Base of the jobs in which a teacher writes a file of examples: who checks them, and where to."""

    checker: TeacherChoice | None = Field(
        default=None, description="an independent teacher; null: other samples of the first"
    )
    shard: Path = Field(description="the file to write; its provenance lies beside it")


def open_teacher(
    choice: TeacherChoice,
    skill: Skill | None,
    task: str,
    environ: Mapping[str, str] = os.environ,
    *,
    served_in: Path | None = None,
    gpu_memory_share: float | None = None,
) -> Teacher:
    """The teacher; of a model folder that vLLM may serve from the folder `served_in`, it must be closed.

    Raises NotAvailable, saying what is missing, where it cannot be asked here.
    """
    if choice.name.startswith(OPENAI) and choice.name != OPENAI:
        return _endpoint(choice, environ)
    solving = None if skill is None or skill.needs_data else skill
    if choice.name == SOLVER and solving is not None:
        return SolverTeacher(solving, task)
    if (folder := _model_folder(choice)) is not None:
        refuse_unfit_folder(folder)
        if served_in is not None and choose_engine(choice.engine) == "vllm":
            return ServedTeacher(folder, served_in, gpu_memory_share=gpu_memory_share)
        return FolderTeacher(folder)
    why = " here: only a skill that solves its own questions has one" if choice.name == SOLVER else ""
    folders = "the folder of a Hugging Face model (config.json, safetensors, tokenizer, chat template)"
    raise NotAvailable(
        f"teacher {choice.name!r} is not available{why}; valid: {OPENAI}MODEL with a model's name on any OpenAI-compatible endpoint"
        + (f", {folders}, or {SOLVER}" if solving else f", or {folders}")
    )


def _model_folder(choice: TeacherChoice) -> Path | None:
    folder = Path(choice.name).expanduser()
    return folder if folder.is_dir() and not choice.name.startswith(OPENAI) else None


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


@contextmanager
def open_askers(
    job: AskingJob, folder: Path, skill: Skill | None = None, task: str = "", checker: TeacherChoice | None = None
) -> Generator[tuple[Asker, Asker, list[str]]]:
    """A job's teacher and checker, which is the teacher where none is named, and notes on their licences; the job's purse and its
    answers are open, and what is served for it runs, until the block ends.

    Raises NotAvailable, RequestError (prices are not known), ToolFailed where a teacher's outputs may train no student.
    """
    with (
        closing(Purse(folder, job.usd_limit)) as purse,
        closing(AnswerCache(job.cache_folder)) as cache,
        ExitStack() as life,
    ):
        share = SHARED_GPU if checker and _model_folder(checker) and _model_folder(job.teacher) else None

        def opened(choice: TeacherChoice, server: str) -> tuple[Asker, list[str]]:
            teacher = open_teacher(choice, skill, task, served_in=folder / server, gpu_memory_share=share)
            if isinstance(teacher, ServedTeacher):
                life.enter_context(closing(teacher))
            notes = [] if choice.name == SOLVER else _ruled(choice.name.removeprefix(OPENAI), known_models(), job.use)
            return Asker(teacher=teacher, prices=prices_of(choice), purse=purse, cache=cache), notes

        first, notes = opened(job.teacher, "teacher-server")
        second, more = opened(checker, "checker-server") if checker else (first, [])
        yield first, second, [*notes, *more]


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
