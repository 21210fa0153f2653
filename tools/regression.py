"""What tuning did to texts that have nothing to do with the task: a model's perplexity of them before and after.

Twelve short texts tell whether a model fell apart, not whether some ability of it got a little worse: no benchmark is run, and
nothing is generated. A student built from scratch has no before.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import Field

from ..state.evidence import ProbeText, Regression
from ..state.plan import Offer
from .jobs import TimedJob, main, progress
from .likelihood import Likelihood
from .waiting import JobRequest

WORSE_NATS = 0.1
"""assumption: a text is clearly worse when a token costs so much more, a perplexity 10 % higher."""

PROBES: Mapping[str, str] = MappingProxyType(
    {
        "a morning": "The rain had stopped before dawn, and by seven o'clock the street was full of people walking to work.",
        "a voyage": "We left the harbour with a fair wind, and for nine days saw nothing but water, sky and a few gulls.",
        "advice": "If you want to grow tomatoes, give them sun, water them at the root, and tie the stems to a stick.",
        "physics": "Water boils at a lower temperature on a mountain, because the pressure of the air is lower there.",
        "history": "Before there were railways, a letter from one end of the country to the other took more than a week.",
        "a dialogue": '"Have you seen my keys?" she asked. "They are on the table," he said, "where you left them last night."',
        "sums": "2 + 2 = 4. 10 - 3 = 7. 6 x 7 = 42. 100 / 4 = 25. 15 + 27 = 42. 9 x 9 = 81.",
        "counting": "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen.",
        "dates": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday. January, February, March, April, May, June.",
        "JSON": '{"name": "Ada", "age": 36, "languages": ["English", "French"], "address": {"city": "London", "number": 12}}',
        "code": "def add(a, b):\n    return a + b\n\nfor i in range(10):\n    print(add(i, 1))\n",
        "a list": "Shopping list:\n- bread\n- milk\n- eggs\n- butter\n\nTo do:\n1. Call the bank.\n2. Pay the rent.\n",
    }
)
"""Written for this purpose, by name; the same for every model, so that two runs compare."""


class RegressionJob(TimedJob):
    """Scores the probe texts with a model as it was and as it is now; both read texts by the same tokenizer."""

    before: Path
    after: Path
    threads: int = Field(default=1, gt=0)


def regression_request(job: RegressionJob, folder: Path, offer: Offer | None = None) -> JobRequest:
    """The job as `waiting.run` takes it; `Regression.model_validate` reads its result without the `seconds`."""
    return JobRequest(module="stratos.tools.regression", job=job, folder=folder, threads=job.threads, offer=offer)


def regress(job: RegressionJob, folder: Path) -> dict[str, object]:
    """Runs the job. Raises ValueError when the two models read a text as different tokens: their perplexities do not compare."""
    before, after = (_scores(job, model, what) for model, what in ((job.before, "before"), (job.after, "after")))
    if differing := [name for name in PROBES if before[name][0] != after[name][0]]:
        raise ValueError(
            f"{job.before} and {job.after} read {differing[0]!r} as different tokens: their perplexities do not compare"
        )
    texts = [
        ProbeText(name=name, tokens=len(before[name][0]) - 1, nats_before=before[name][1], nats_after=after[name][1])
        for name in PROBES
    ]
    return regression(texts).model_dump()


def regression(texts: Sequence[ProbeText]) -> Regression:
    """The perplexities of all texts together, each token counted once, and the texts that got clearly worse."""
    tokens = sum(text.tokens for text in texts)
    worse = [text for text in texts if text.nats_after - text.nats_before > WORSE_NATS]
    worse.sort(key=lambda text: text.nats_before - text.nats_after)
    return Regression(
        tokens=tokens,
        perplexity_before=math.exp(sum(text.tokens * text.nats_before for text in texts) / tokens),
        perplexity_after=math.exp(sum(text.tokens * text.nats_after for text in texts) / tokens),
        texts=tuple(texts),
        worse=tuple(text.name for text in worse),
    )


def _scores(job: RegressionJob, folder: Path, what: str) -> dict[str, tuple[list[int], float]]:
    """The tokens of each text, and the mean negative log-likelihood of those behind the first, nats."""
    model = Likelihood(folder, job.threads)
    found: dict[str, tuple[list[int], float]] = {}
    for done, (name, text) in enumerate(PROBES.items(), 1):
        ids = model.tokens(text)
        found[name] = ids, model.nats(ids)
        progress(done, len(PROBES), "texts", what=f"unrelated texts {what}")
    return found


if __name__ == "__main__":
    main(RegressionJob, regress)
