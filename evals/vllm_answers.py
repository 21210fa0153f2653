"""Whether vLLM gives exported students' greedy answers as transformers gives them: from scratch, LoRA merged, and in 8 bits.

`python -m stratos.evals.vllm_answers --vllm PYTHON` names the Python of an environment with vLLM, or with its build for CPUs. Each
student is trained here on a real skill, served as a deployment is, and asked 200 questions that it did not learn from; the same are
answered by transformers. Those in 8 bits are answered from the same file, where that environment has torchao, and from its rounded
weights written out in float32. What differs is told with the first token that does, and by how much of a logit it lost there.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..skills import load as load_skill
from ..skills.protocol import Example
from ..state.errors import ToolFailed
from ..state.evidence import wilson
from ..tools.executor import LocalExecutor
from ..tools.serving.conversion import converted
from ..tools.serving.deployments import TemporaryServer, temporary_server
from ..tools.serving.int8_weights import PACKAGE, write_int8, written_out
from ..tools.serving.vllm import PROGRAM_VARIABLE, gpu_present
from ..tools.training.batches import read_examples
from ..tools.training.students import TrainJob, shape_named
from ..tools.tuning.specs import TuneJob
from ..tools.waiting import JobRequest, run
from .mahjong import SKILL, make_data
from .reporting import Claim, Report, arguments
from .tuning import checkpoint, examples

TASK = "win"
SCRATCH, LORA = "from scratch", "LoRA merged"
PROMPTS, QUICK_PROMPTS = 200, 60
TOKENS, QUICK_TOKENS = 1_200_000, 200_000
PIECES_LIMIT = 384
"""Tokens of an answer in pieces of words: with its question they fit the checkpoint's context of 512."""
TIE = 1e-3
"""A logit: in float32, where two engines part over less, the order of their sums decides."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Who answers for a student by transformers."""

    name: str
    folder: Path
    python: str = sys.executable
    goal: bool = True
    """Whether its answers are to be the same; else what is found is told."""


@dataclass(frozen=True, kw_only=True)
class Student:
    """A model that is exported, and by whom its answers are checked."""

    name: str
    folder: Path
    references: tuple[Reference, ...]


def from_scratch(folder: Path, tokens: int, seed: int) -> Path:
    """A student as runs train them, in the form that `stratos export --model` copies."""
    job = TrainJob(
        skill=SKILL,
        task=TASK,
        student=shape_named("scratch-0.35M"),
        target="rationale",
        shards=tuple(sorted((folder / "data").glob("train-*.jsonl"))),
        tokens=tokens,
        seed=seed,
    )
    at = folder / f"scratch-{seed}"
    run(LocalExecutor(), JobRequest(module="stratos.tools.training", job=job, folder=at, threads=1))
    return at / "model"


def lora_merged(folder: Path, tokens: int, seed: int) -> Path:
    """A checkpoint with a byte-level tokenizer, tuned fully first, since random weights say nothing, then by adapters, merged."""
    made = folder / "given"
    made.mkdir()
    shard, texts = examples(made, 4000, seed)
    model = made / "model"
    checkpoint(model, texts, seed, hidden=96, layers=3)
    for method, share in (("full", 0.8), ("lora", 0.2)):
        job = TuneJob.model_validate(
            {
                "model": model,
                "shards": (shard,),
                "method": method,
                "learning_rate": 2e-3 if method == "full" else 1e-3,
                "batch_tokens": 2048,
                "max_sequence_tokens": 512,
                "max_tokens": round(share * tokens),
                "seed": seed,
            }
        )
        run(LocalExecutor(), JobRequest(module="stratos.tools.tuning", job=job, folder=made / method, threads=1))
        model = made / method / "model"
    return model


def vllm_answers(server: TemporaryServer, prompts: Sequence[str], max_tokens: int) -> list[dict[str, Any]]:
    """Text and token ids of each greedy answer, one after another, by the chat endpoint."""
    import httpx

    found: list[dict[str, Any]] = []
    headers = {"Authorization": f"Bearer {server.api_key}"}
    with httpx.Client(headers=headers, timeout=300, trust_env=False) as client:
        for prompt in prompts:
            messages = [{"role": "user", "content": prompt}]
            body = {"model": server.model, "messages": messages, "max_tokens": max_tokens, "return_token_ids": True}
            reply = client.post(f"{server.base_url}/chat/completions", json=body)
            if reply.status_code != 200:
                raise ToolFailed(f"vLLM answered {reply.status_code}: {reply.text[:300]}")
            answer = reply.json()
            choice = answer["choices"][0]
            text = choice["message"]["content"] or ""
            found.append({"text": text, "ids": choice["token_ids"], "prompt_ids": answer["prompt_token_ids"]})
    return found


def by_transformers(
    reference: Reference, prompts: Sequence[str], theirs: Sequence[Mapping[str, Any]], limit: int
) -> list[Any]:
    """The same questions by transformers, held against vLLM's answers."""
    task = {
        "model_dir": str(reference.folder),
        "prompts": prompts,
        "others": [one["ids"] for one in theirs],
        "max_tokens": limit,
    }
    script = Path(__file__).with_name("greedy_reference.py")
    done = subprocess.run(
        [reference.python, "-P", str(script)],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    if done.returncode:
        raise ToolFailed(f"transformers did not answer: {done.stderr[-1500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _compared(report: Report, student: Student, items: Sequence[Example], folder: Path, limit: int) -> None:
    prompts = [item.prompt for item in items]
    with temporary_server(student.folder, folder / f"server-{student.name}", engine="vllm") as server:
        theirs = vllm_answers(server, prompts, limit)
        report.details[f"{student.name}: seconds until ready"] = round(server.ready_s, 1)
    skill = load_skill(SKILL)
    right = sum(skill.verify(TASK, p, one["text"].strip()).exact for p, one in zip(prompts, theirs, strict=True))
    _count(report, f"{student.name}: exact by the skill's verifier", right, len(prompts), None)
    for reference in student.references:
        ours = by_transformers(reference, prompts, theirs, limit)
        _held_against(report, reference, prompts, ours, theirs)


def _held_against(
    report: Report, reference: Reference, prompts: Sequence[str], ours: Sequence[Any], theirs: Sequence[Any]
) -> None:
    pairs, name, goal = list(zip(ours, theirs, strict=True)), reference.name, True if reference.goal else None
    parted: list[dict[str, Any]] = [
        {"prompt": p, **one["parted"]} for p, one in zip(prompts, ours, strict=True) if one["parted"]
    ]
    report.details[f"{name}: parted"] = parted
    n = len(pairs)
    _count(report, f"{name}: same prompt tokens", sum(a["prompt_ids"] == b["prompt_ids"] for a, b in pairs), n, True)
    _count(report, f"{name}: same greedy answer, by tokens", sum(a["ids"] == b["ids"] for a, b in pairs), n, goal)
    stripped = sum(a["text"].strip() == b["text"].strip() for a, b in pairs)
    _count(report, f"{name}: same greedy answer, white space at its ends aside", stripped, n, goal)
    _count(report, f"{name}: same greedy answer, as text", sum(a["text"] == b["text"] for a, b in pairs), n, None)
    if parted:
        gap = max(float(one["logit_gap"]) for one in parted)
        report.add(
            Claim(
                name=f"{name}: largest logit gap where they part",
                value=gap,
                unit="logit",
                n=len(parted),
                goal=f"< {TIE:g}: a tie" if goal else "none",
                met=gap < TIE if goal else None,
            )
        )


def _count(report: Report, name: str, value: int, n: int, goal: bool | None) -> None:
    found = wilson(value, n)
    report.add(
        Claim(
            name=name,
            value=found.value,
            interval=(found.low, found.high),
            unit="share",
            n=n,
            goal="1" if goal else "none",
            met=value == n if goal else None,
        )
    )


def in_8_bits(name: str, model: Path, folder: Path, python: str) -> Student:
    """A student's weights rounded as `stratos export --quantise int8-vllm` does, and who reads the same numbers."""
    int8 = write_int8(model, folder / f"{name}-int8")
    plain = written_out(int8, folder / f"{name}-int8-written-out")
    return Student(
        name=f"{name}, int8",
        folder=int8,
        references=(
            Reference(name=f"{name}, int8, by torchao", folder=int8, python=python),
            Reference(name=f"{name}, int8, written out in float32", folder=plain),
            Reference(name=f"{name}, int8, by the float model", folder=model, goal=False),
        ),
    )


def has_torchao(python: str) -> bool:
    """Whether an environment can load them."""
    return subprocess.run([python, "-c", f"import {PACKAGE}"], capture_output=True, check=False).returncode == 0


def _refused(report: Report, model: Path, folder: Path) -> None:
    """Our int8 for ctranslate2, as `--quantise int8` leaves it: vLLM cannot load it, and says so."""
    import shutil

    at = folder / "ctranslate2-int8"
    shutil.copytree(converted(model, precision="int8"), at)
    for path in model.glob("*token*"):
        shutil.copy(path, at / path.name)
    try:
        with temporary_server(at, folder / "server-ctranslate2", engine="vllm"):
            loads, said = 1, "it started"
    except ToolFailed as error:
        loads, said = 0, str(error)[-400:]
    report.details["ctranslate2 int8: what vLLM said"] = said
    report.add(Claim(name="ctranslate2 int8: loads in vLLM", value=loads, unit="of 1", n=1, goal="none", met=None))


def main() -> None:
    """Runs the eval."""
    options = arguments(
        __doc__ or "",
        (("--vllm", {"required": True, "metavar": "PYTHON", "help": "Python of an environment that has vLLM"}),),
    )
    os.environ[PROGRAM_VARIABLE] = options.vllm
    report = Report(eval="vllm_answers", seed=options.seed, quick=options.quick)
    prompts, tokens = (QUICK_PROMPTS, QUICK_TOKENS) if options.quick else (PROMPTS, TOKENS)
    if options.quick:
        shorter = f"students trained for {tokens:,} tokens, not {TOKENS:,}"
        report.left_out = f"{PROMPTS - prompts} of {PROMPTS} prompts; {shorter}; what vLLM refuses"
    report.details["device"] = "GPU" if gpu_present() else "CPU"
    limit = load_skill(SKILL).tasks[TASK].max_completion_tokens + 1
    with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
        folder = Path(scratch)
        make_data(TASK, options.seed, tokens // 30, folder)
        items = read_examples(folder / "data" / "dev.jsonl")[:prompts]
        scratch_model = from_scratch(folder, tokens, options.seed)
        lora = lora_merged(folder, tokens, options.seed)
        students = [
            Student(name=name, folder=model, references=(Reference(name=name, folder=model),))
            for name, model in ((SCRATCH, scratch_model), (LORA, lora))
        ]
        if has_torchao(options.vllm):
            students += [in_8_bits(one.name, one.folder, folder, options.vllm) for one in students]
        else:
            report.left_out += f"{'; ' if report.left_out else ''}int8: that Python has no {PACKAGE}"
        for student in students:
            _compared(report, student, items, folder, PIECES_LIMIT if LORA in student.name else limit)
        if not options.quick:
            _refused(report, scratch_model, folder)
    report.print(options.json)


if __name__ == "__main__":
    main()
