"""What one request costs the CPU engine: untrained students of every shape, answers of several lengths, one client and sixteen.

`python -m stratos.evals.cpu_engine` holds what `tools/estimating/cpu_serving.py` predicts against them; its constants were fitted to
such points (`--json` prints them).
Untrained students answer as long as they are asked to, because the end token's embedding is zero: it never has the largest logit.
"""

# pyright: reportUnknownMemberType=false

import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ..skills import load as load_skill
from ..state.plan import Machine
from ..tools.estimating.cpu_serving import RPS_AT_16_OVER_1, request_seconds
from ..tools.machine import measure_machine
from ..tools.serving.deployments import temporary_server
from ..tools.serving.measuring import measure_latency, measure_throughput
from ..tools.training.students import SHAPES, TrainJob
from ..tools.training.train import build_student
from .mahjong import SKILL
from .reporting import Claim, Report, arguments

ANSWER_TOKENS = (8, 32, 96)
CLIENTS = 16


@dataclass(frozen=True, kw_only=True)
class Point:
    """One measured student and answer length."""

    student: str
    layers: int
    weight_bytes: int
    prompt_tokens: int
    answer_tokens: float
    p50_ms: float
    p95_ms: float
    rps: float
    server_cpu_ms: float
    rps_at_16: float


def untrained(shape_name: str, folder: Path) -> int:
    """Saves an untrained student that never ends its answer; returns its parameters."""
    import torch

    shape = next(one for one in SHAPES if one.name == shape_name)
    job = TrainJob(skill=SKILL, task="waits", student=shape, target="rationale", shards=(), tokens=1, seed=0)
    torch.manual_seed(0)
    model, tokenizer = build_student(job)
    with torch.no_grad():
        model.model.embed_tokens.weight[tokenizer.eos_token_id] = 0.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return shape.parameters(model.config.vocab_size)


def measure(shape_name: str, requests: int, folder: Path) -> list[Point]:
    """Every answer length of one shape against one server."""
    import psutil

    parameters = untrained(shape_name, folder / "model")
    prompts = [one.prompt for one in load_skill(SKILL).make("win", seed=7, block=0, count=requests)]
    points: list[Point] = []
    with temporary_server(folder / "model", folder / "server") as server:
        process = psutil.Process(server.pid)
        where = (server.base_url, server.api_key, server.model, prompts)
        for tokens in ANSWER_TOKENS:
            measure_latency(*where, max_tokens=tokens, warm_up=0)
            before = process.cpu_times()
            alone = measure_latency(*where, max_tokens=tokens, warm_up=0)
            after = process.cpu_times()
            busy = after.user + after.system - before.user - before.system
            together = measure_throughput(*where, clients=CLIENTS, requests=2 * requests, max_tokens=tokens)
            points.append(
                Point(
                    student=shape_name,
                    layers=next(one.layers for one in SHAPES if one.name == shape_name),
                    weight_bytes=4 * parameters,
                    prompt_tokens=len(prompts[0].split()) + 2,
                    answer_tokens=alone.tokens_per_answer,
                    p50_ms=alone.p50_ms,
                    p95_ms=alone.p95_ms,
                    rps=alone.rps,
                    server_cpu_ms=1000 * busy / requests,
                    rps_at_16=together.rps,
                )
            )
    return points


def main() -> None:
    """Runs the eval."""
    options = arguments(__doc__ or "")
    report = Report(eval="cpu_engine", seed=options.seed, quick=options.quick)
    machine = measure_machine()
    report.details["machine"] = machine.model_dump(mode="json", exclude={"gpus", "notes"})
    requests = 60 if options.quick else 200
    points: list[Point] = []
    with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
        for shape in SHAPES:
            points += measure(shape.name, requests, Path(scratch) / shape.name)
    report.details["points"] = [asdict(point) for point in points]
    errors = [abs(_predicted_ms(point, machine) / point.p50_ms - 1) for point in points]
    gains = [point.rps_at_16 / point.rps for point in points]
    rates = [RPS_AT_16_OVER_1 / _predicted_ms(point, machine) * 1e3 for point in points]
    off = [abs(rate / point.rps_at_16 - 1) for rate, point in zip(rates, points, strict=True)]
    for name, value, unit in (
        ("median time of a request, predicted: median error", statistics.median(errors), "share"),
        ("the same, largest error", max(errors), "share"),
        ("requests a second of 16 clients over one's, median", statistics.median(gains), "times"),
        ("requests a second at 16 clients, predicted: median error", statistics.median(off), "share"),
    ):
        report.add(Claim(name=name, value=value, unit=unit, n=len(points), goal="none", met=None))
    report.print(options.json)


def _predicted_ms(point: Point, machine: Machine) -> float:
    """As a plan predicts the median time of one request on this machine."""
    return 1e3 * request_seconds(
        parameters=point.weight_bytes // 4,
        layers=point.layers,
        input_tokens=point.prompt_tokens,
        output_tokens=round(point.answer_tokens),
        machine=machine,
    )


if __name__ == "__main__":
    main()
