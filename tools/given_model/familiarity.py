"""How foreign a task is to a model before it is taught: the perplexity of the task's questions and right answers, ordinary text beside.

It tells what accuracy cannot while all answers are wrong: a model that expects the words of the domain has less to learn. One that was
never trained finds everything equally foreign.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from ...state.teaching import Familiarity
from ..jobs import TimedJob, main, progress
from ..likelihood import Likelihood
from ..regression import PROBES
from ..tuning.loading import load_tokenizer
from ..tuning.rows import IGNORE, encode, read_lines


class FamiliarityJob(TimedJob):
    """Lets a model read prompts and completions through its own chat template."""

    model: Path
    shard: Path = Field(description="JSON-lines file, each line with prompt and completion")
    seconds: float = Field(gt=0, description="of reading; begun with, and always one line of each kind is read")
    threads: int = Field(default=1, gt=0)


def look(job: FamiliarityJob, folder: Path) -> dict[str, object]:
    """Runs the job. Raises Correctable for a template or a line that cannot be used."""
    model = Likelihood(job.model, job.threads)
    tokenizer, stops = load_tokenizer(job.model, None)
    rows = encode([job.shard], tokenizer, stops, max_tokens=10**9).rows
    questions = [model.tokens(line["prompt"]) for _, line in read_lines([job.shard])]
    answers = [(list(map(int, row.ids)), _known(row.labels)) for row in rows]
    end, said, asked = time.monotonic() + job.seconds, _Mean(), _Mean()
    for done, ((ids, known), question) in enumerate(zip(answers, questions, strict=True)):
        if done and time.monotonic() > end:
            break
        said.add(model, ids, known)
        asked.add(model, question, 1)
        progress(done + 1, len(rows), "texts", what="the task's own texts")
    ordinary = _Mean()
    for text in PROBES.values():
        ordinary.add(model, model.tokens(text), 1)
    return Familiarity(
        items=said.texts,
        question_perplexity=asked.perplexity,
        answer_perplexity=said.perplexity,
        ordinary_perplexity=ordinary.perplexity,
    ).model_dump()


def _known(labels: Sequence[int]) -> int:
    """Tokens before the first that is to be said."""
    return next(at for at, label in enumerate(labels) if label != IGNORE)


class _Mean:
    """Each token counted once."""

    def __init__(self) -> None:
        self.texts = self._tokens = 0
        self._nats = 0.0

    def add(self, model: Likelihood, ids: Sequence[int], known: int) -> None:
        """One text; of one that is a single token nothing is foretold."""
        if len(ids) > known:
            self._tokens += len(ids) - known
            self._nats += (len(ids) - known) * model.nats(ids, known)
        self.texts += 1

    @property
    def perplexity(self) -> float:
        """exp of the mean; 1 where no token was foretold."""
        return math.exp(self._nats / self._tokens) if self._tokens else 1.0


if __name__ == "__main__":
    main(FamiliarityJob, look)
