"""Blue-green under constant load: 16 clients ask a deployment while it is replaced, refuses a version, and is rolled back.

`python -m stratos.evals.replacing [--vllm PYTHON] [--guidellm PROGRAM]`. On the CPU engine always, on vLLM where its Python is named. It
also says what the front costs a request, and whether GuideLLM and our own measuring agree, where its program is named.
"""

import os
import tempfile
import time
from pathlib import Path

from ..skills import load as load_skill
from ..state.errors import ToolFailed
from ..tools.serving.deployments import Deployment, measure_latency, measure_throughput, start, stop
from ..tools.serving.guidellm import PROGRAM_VARIABLE as GUIDELLM
from ..tools.serving.guidellm import measure_load
from ..tools.serving.job import read_key
from ..tools.serving.processes import KEY_FILE
from ..tools.serving.records import server_folder, traffic
from ..tools.serving.replacing import replace, rollback
from ..tools.serving.smoke import SmokeTest, fewest_right
from ..tools.serving.vllm import PROGRAM_VARIABLE as VLLM
from ..tools.serving.vllm import EngineChoice
from ..tools.training.batches import read_examples
from .asking import Counts, asked_all_the_while
from .mahjong import SKILL, judged, make_data
from .reporting import Claim, Report, arguments
from .vllm_answers import TASK, from_scratch

CLIENTS, SMOKE_ITEMS, REQUESTS = 16, 20, 400
TOKENS = 300_000
BETWEEN_S = 5.0
"""Of load on each version, before and after everything."""
NAME = "replaced"
FRONT_GOAL_MS = 5.0


def smoke_of(model: Path, prompts: list[str], right: float, limit: int) -> SmokeTest:
    """As `stratos deployments replace` makes it."""
    skill = load_skill(SKILL)
    return SmokeTest(
        prompts=prompts[:SMOKE_ITEMS],
        is_right=lambda prompt, answer: skill.verify(TASK, prompt, answer).exact,
        least_right=fewest_right(right, SMOKE_ITEMS),
        max_tokens=limit,
    )


class Replacing:
    """One engine's turn, with two students that were trained alike from different seeds."""

    def __init__(
        self, report: Report, engine: EngineChoice, models: list[Path], folder: Path, prompts: list[str]
    ) -> None:
        self.engine: EngineChoice = engine
        self.report, self.models = report, models
        self.workspace, self.prompts = folder / f"workspace-{engine}", prompts
        self.limit = load_skill(SKILL).tasks[TASK].max_completion_tokens + 1

    def run(self, shares: list[float]) -> Deployment:
        """Takes over, refuses, takes back; returns the deployment, which still runs."""
        first, second = (smoke_of(m, self.prompts, s, self.limit) for m, s in zip(self.models, shares, strict=True))
        impossible = SmokeTest(
            prompts=self.prompts[:SMOKE_ITEMS],
            is_right=lambda prompt, answer: False,
            least_right=1,
            max_tokens=self.limit,
        )
        made = start(self.workspace, NAME, self.models[0], "run-a", engine=self.engine)
        seconds: list[float] = []
        with asked_all_the_while(made, self.prompts[0], clients=CLIENTS, max_tokens=self.limit) as counts:
            time.sleep(BETWEEN_S)
            begun = time.monotonic()
            new = replace(self.workspace, NAME, self.models[1], "run-b", second, engine=self.engine)
            seconds.append(time.monotonic() - begun)
            time.sleep(BETWEEN_S)
            refused = self._refused(impossible)
            begun = time.monotonic()
            back = rollback(self.workspace, NAME, first)
            seconds.append(time.monotonic() - begun)
            time.sleep(BETWEEN_S)
        assert (made.base_url, new.version, back.version) == (back.base_url, 2, 3)
        self._told(counts, seconds, refused, back)
        return back

    def _refused(self, impossible: SmokeTest) -> bool:
        """Whether a version that fails its smoke evaluation was given up: the first one again, judged by nobody's measure."""
        try:
            replace(self.workspace, NAME, self.models[0], "run-c", impossible, engine=self.engine)
        except ToolFailed:
            return True
        return False

    def _told(self, counts: Counts, seconds: list[float], refused: bool, back: Deployment) -> None:
        failed, n = counts.failures.total(), counts.total
        self._claim("failed requests, 16 clients, replaced and rolled back", failed, "requests", n, "0", failed == 0)
        self._claim("of them streamed", counts.streamed, "requests", n, "none", None)
        self._claim("a version that fails its smoke evaluation is given up", refused, "of 1", 1, "1", refused)
        for what, took in zip(("replacement", "rollback"), seconds, strict=True):
            self._claim(f"{what}, start to the old one's end, under that load", took, "s", 1, "none", None)
        found = traffic(back)
        versions = {number: one.model_dump() for number, one in found.versions.items()} if found else {}
        self.report.details[self.engine] = {
            "versions": versions,
            "failures": dict(counts.failures),
            "answers": len(counts.answers),
        }

    def front_costs(self, made: Deployment) -> None:
        """The median of single requests through the front, less that past it, one after the other."""
        direct_key = read_key(server_folder(made) / KEY_FILE)
        assert made.server_url is not None
        asked = self.prompts[:100]
        past = measure_latency(made.server_url, direct_key, NAME, asked, max_tokens=self.limit)
        through = measure_latency(made.base_url, read_key(made.api_key_file), NAME, asked, max_tokens=self.limit)
        cost = through.p50_ms - past.p50_ms
        met = cost < FRONT_GOAL_MS
        self._claim("median latency past the front", past.p50_ms, "ms", past.n, "none", None)
        self._claim("the front's cost, of the median", cost, "ms", past.n, f"< {FRONT_GOAL_MS:g}", met)

    def generators_agree(self, made: Deployment) -> None:
        """GuideLLM's figures beside ours, on the same questions."""
        key = read_key(made.api_key_file)
        single = measure_latency(made.base_url, key, NAME, self.prompts[:200], max_tokens=self.limit)
        many = measure_throughput(
            made.base_url, key, NAME, self.prompts, clients=CLIENTS, requests=REQUESTS, max_tokens=self.limit
        )
        one, sixteen = measure_load(
            made.base_url,
            key,
            NAME,
            made.model_dir,
            self.prompts,
            clients=(1, CLIENTS),
            requests=REQUESTS,
            max_tokens=self.limit,
        )
        for what, ours, theirs, unit, n in (
            ("1 client, p50", single.p50_ms, one.p50_ms, "ms", single.n),
            ("1 client, p95", single.p95_ms, one.p95_ms, "ms", single.n),
            ("16 clients, p50", many.p50_ms, sixteen.p50_ms, "ms", many.n),
            ("16 clients, p95", many.p95_ms, sixteen.p95_ms, "ms", many.n),
            ("16 clients, requests a second", many.rps, sixteen.rps, "1/s", many.n),
        ):
            self._claim(f"{what}, ours", ours, unit, n, "none", None)
            self._claim(f"{what}, {one.tool} over ours", theirs / ours, "times", n, "none", None)
        self._claim(
            "requests that GuideLLM saw fail", one.failed + sixteen.failed, "requests", one.n + sixteen.n, "none", None
        )

    def _claim(self, name: str, value: float, unit: str, n: int, goal: str, met: bool | None) -> None:
        self.report.add(Claim(name=f"{self.engine}: {name}", value=float(value), unit=unit, n=n, goal=goal, met=met))


def main() -> None:
    """Runs the eval."""
    options = arguments(
        __doc__ or "",
        (
            ("--vllm", {"metavar": "PYTHON", "help": "Python of an environment that has vLLM"}),
            ("--guidellm", {"metavar": "PROGRAM", "help": "the program guidellm of an environment that has it"}),
        ),
    )
    report = Report(eval="replacing", seed=options.seed, quick=options.quick)
    engines: list[EngineChoice] = ["ctranslate2", *(["vllm"] if options.vllm and not options.quick else [])]  # pyright: ignore[reportAssignmentType]
    report.left_out = "" if len(engines) > 1 else "vLLM" + ("" if options.quick else ": no --vllm")
    os.environ |= {VLLM: options.vllm} if options.vllm else {}
    os.environ |= {GUIDELLM: options.guidellm} if options.guidellm else {}
    with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
        folder = Path(scratch)
        make_data(TASK, options.seed, TOKENS // 30, folder)
        items = read_examples(folder / "data" / "dev.jsonl")
        models = [from_scratch(folder, TOKENS, options.seed + number) for number in range(2)]
        shares = [sum(c.exact for c in judged(TASK, model, items[:200])) / 200 for model in models]
        for engine in engines:
            turn = Replacing(report, engine, models, folder, [item.prompt for item in items])
            try:
                made = turn.run(shares)
                turn.front_costs(made)
                if options.guidellm:
                    turn.generators_agree(made)
            finally:
                stop(turn.workspace, NAME)
    report.print(options.json)


if __name__ == "__main__":
    main()
