"""NVIDIA's aiconfigurator beside our own predictions, where it is installed; it decides nothing.

It runs in a process of its own, with the Python it is installed in: the package needs neighbours that Stratos does not.
As a program this file reads points as JSON from standard input and imports nothing of Stratos.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..tools.estimating.points import ServingPoint

SYSTEMS: Mapping[str, str] = {
    "A100-80GB-SXM": "a100_sxm",
    "H100-80GB-SXM": "h100_sxm",
    "H200-141GB-SXM": "h200_sxm",
    "B200": "b200_sxm",
    "GB200": "gb200",
    "L40S": "l40s",
}
MODELS: Mapping[str, str] = {
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Meta-Llama-3.1-8B",
    "meta-llama/Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
    "Qwen/Qwen3-32B": "Qwen/Qwen3-32B",
    "nvidia/Qwen3-32B-NVFP4": "Qwen/Qwen3-32B",
}
"""Models whose config.json it brings along; others it would download."""
QUANTISATION: Mapping[str, str] = {"bf16": "bfloat16", "fp8": "fp8", "fp4": "nvfp4"}
PATIENCE_S = 900


def aiconfigurator(
    points: "Sequence[ServingPoint]", python: Path | None
) -> tuple[list[tuple[float, float] | None], str]:
    """(TTFT, TPOT) in ms of each point by aiconfigurator, None where it gave none; and a line on how it went.

    `python` is the interpreter it is installed in; None: this one, when it has it.
    """
    if python is None and find_spec("aiconfigurator") is None:
        return [None] * len(points), (
            "aiconfigurator is not installed here; pip install aiconfigurator==0.12.0 into an environment of its own and "
            "name that environment's Python with --aiconfigurator"
        )
    asked = [_asked(point) for point in points]
    try:
        done = subprocess.run(
            [str(python or sys.executable), "-W", "ignore", __file__],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        answers: list[Any] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        said = getattr(error, "stderr", None)
        return [None] * len(points), f"aiconfigurator gave no answer: {said.strip()[-300:] if said else error}"
    found = [(one["ttft"], one["tpot"]) if "tpot" in one else None for one in answers]
    reasons = sorted({str(one["problem"]) for one in answers if "problem" in one})
    known = sum(one is not None for one in found)
    line = f"aiconfigurator answered {known} of {len(points)} points"
    return found, line + (f"; the others: {'; '.join(reasons[:4])}" if reasons else "")


def _asked(point: "ServingPoint") -> dict[str, object]:
    return {
        "model": MODELS.get(point.model),
        "system": SYSTEMS.get(point.accelerator),
        "engine": point.engine,
        "quantisation": QUANTISATION.get(point.precision),
        "gpus": point.gpus,
        "concurrency": point.concurrency,
        "input_tokens": point.input_tokens,
        "output_tokens": point.output_tokens,
    }


def _answer(asked: Mapping[str, Any]) -> dict[str, object]:
    if missing := [name for name in ("model", "system", "quantisation") if asked[name] is None]:
        return {"problem": f"no {' or '.join(missing)} of ours is among its own"}
    estimate: Any = import_module("aiconfigurator.cli.api").cli_estimate
    try:
        found: Any = estimate(
            asked["model"],
            asked["system"],
            backend_name=asked["engine"],
            isl=asked["input_tokens"],
            osl=asked["output_tokens"],
            batch_size=asked["concurrency"],
            tp_size=asked["gpus"],
            gemm_quant_mode=asked["quantisation"],
        )
    except Exception as error:  # whatever it raises, its message is the answer
        return {"problem": f"{type(error).__name__}: {str(error)[:120]}"}
    ttft, tpot = float(found.ttft), float(found.tpot)
    return {"ttft": ttft, "tpot": tpot} if ttft > 0 and tpot > 0 else {"problem": "it answered no positive time"}


if __name__ == "__main__":
    import contextlib
    import logging

    logging.disable(logging.CRITICAL)
    with contextlib.redirect_stdout(sys.stderr):  # its own words are not the answer
        answers = [_answer(one) for one in json.loads(sys.stdin.read())]
    print(json.dumps(answers))
