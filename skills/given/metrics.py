"""When a final answer counts as right: the metrics a brief can name, each a yes or no for one item."""

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from ...state.brief import Metric
from ...state.errors import NotAvailable, RequestError

METRICS: tuple[Metric, ...] = get_args(Metric)

F1_RIGHT = 0.8
"""assumption: an item counts as right from this share of common words on; a brief that names `f1` is told so."""

RELATIVE_TOLERANCE = 1e-6
"""Of two numbers that are the same but for their rounding."""

_NUMBER = re.compile(r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d{1,3})?(?:/\d+(?:\.\d+)?)?")
"""Exponents have three digits at most: as a fraction, 1e999999999 would fill the memory."""

_AROUND_A_NUMBER = re.compile(r"^[\s$€£¥]*|(?:[\s.%°]|\^?\{?\\circ\}?)*$")
MOST_CHOICES = 1000
FEWEST_A_CHOICE = 3
"""Answers that each occur less often than this, on average, are no choices."""

Judge = Callable[[str, str, str], bool]
"""(question, right answer, given answer) -> right."""


def judge_of(metric: Metric, verifier: str | None = None, folder: Path | None = None) -> Judge:
    """The metric as a function. Raises RequestError for a verifier that cannot be loaded, NotAvailable without its package."""
    if metric == "python":
        return _python_judge(verifier or "", folder)
    if metric == "math":
        return _math_judge()
    judges: dict[str, Judge] = {
        "exact": lambda question, wanted, given: given == wanted,
        "choice": lambda question, wanted, given: given.casefold() == wanted.casefold(),
        "numeric": lambda question, wanted, given: _same_number(wanted, given),
        "f1": lambda question, wanted, given: token_f1(wanted, given) >= F1_RIGHT,
        "regex": lambda question, wanted, given: re.fullmatch(wanted, given) is not None,
    }
    return judges[metric]


def told_metric(answers: Sequence[str]) -> Metric:
    """What the answers look like: numbers, a few that come again and again, or any text."""
    different = len({answer.casefold() for answer in answers})
    repeated = different * FEWEST_A_CHOICE <= len(answers) and different <= MOST_CHOICES
    if all(number_in(answer) is not None for answer in answers) and not repeated:
        return "numeric"
    return "choice" if repeated else "exact"


def wrong_answer_form(metric: Metric, answer: str) -> str:
    """Why a right answer cannot be one under the metric; empty where it can."""
    if metric == "numeric" and number_in(answer) is None:
        return f"answer {answer[:40]!r} is no number"
    if metric == "regex":
        try:
            re.compile(answer)
        except re.error as error:
            return f"answer {answer[:40]!r} is no regular expression ({error})"
    return ""


def number_in(text: str) -> Fraction | None:
    """The number that a text is, with or without a currency, thousands separators, a percent sign or a full stop behind it."""
    bare = _AROUND_A_NUMBER.sub("", text)
    if not bare or not _NUMBER.fullmatch(bare) or not any(letter.isdigit() for letter in bare):
        return None
    above, _, below = bare.replace(",", "").replace("−", "-").partition("/")
    try:
        return Fraction(above) / Fraction(below or 1)
    except (ValueError, ZeroDivisionError):
        return None


def token_f1(wanted: str, given: str) -> float:
    """Harmonic mean of precision and recall over words, case and punctuation aside (SQuAD, Rajpurkar et al. 2016)."""
    one, other = (Counter(re.findall(r"\w+", text.casefold())) for text in (wanted, given))
    common = (one & other).total()
    return 2 * common / (one.total() + other.total()) if common else float(one == other)


def _same_number(wanted: str, given: str) -> bool:
    one, other = number_in(wanted), number_in(given)
    return one is not None and other is not None and abs(one - other) <= RELATIVE_TOLERANCE * max(abs(one), abs(other))


def _math_judge() -> Judge:
    try:
        import math_verify
    except ImportError as error:
        raise NotAvailable("metric 'math' needs the package math-verify: pip install 'stratos-slm[math]'") from error
    library: Any = math_verify

    def same(question: str, wanted: str, given: str) -> bool:
        # No time limits of its own: they are alarms, and a job's clock is one.
        one, other = (library.parse(f"${text}$", parsing_timeout=None) for text in (wanted, given))
        return bool(library.verify(one, other, timeout_seconds=None))

    return same


def _python_judge(verifier: str, folder: Path | None) -> Judge:
    """The function of `FILE.py:FUNCTION`; a copy in the folder, where there is one, takes the file's place."""
    file, _, function = verifier.rpartition(":")
    path = folder / Path(file).name if folder else Path(file).expanduser()
    if not file.endswith(".py") or not function.isidentifier() or not path.is_file():
        raise RequestError(
            [f"data.verifier: {verifier!r} must be FILE.py:FUNCTION, a file that is there and a function in it"]
        )
    spec = importlib.util.spec_from_file_location(f"stratos_verifier_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code
        raise RequestError([f"data.verifier: {file} raises {type(error).__name__}: {error}"]) from error
    call: Any = getattr(module, function, None)
    if not callable(call):
        raise RequestError([f"data.verifier: {file} has no function {function!r}"])
    return lambda question, wanted, given: bool(call(question, wanted, given))
