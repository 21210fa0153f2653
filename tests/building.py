"""Builds valid states for tests; every figure here is made up and means nothing."""

from pathlib import Path
from typing import Any, Literal

from stratos.state.brief import Brief, Limits, Targets
from stratos.state.evidence import Attempt, Evaluation, Latency, Score, Verdict, wilson
from stratos.state.plan import Candidate, Offer, Plan, Prediction
from stratos.state.run import CheckpointFacts, Choice, Complexity, Data, RunState, Split, Tuning
from stratos.tools.base import Context, Settings
from stratos.tools.estimating.architecture import Architecture, architecture_of
from stratos.tools.executor import LocalExecutor
from stratos.tools.models.catalogue import load_catalogue
from stratos.tools.serving.records import Deployment
from stratos.tools.training.students import SHAPES


def architecture(name: str) -> Architecture:
    """Of a model of the catalogue."""
    return architecture_of(load_catalogue()[name])


def prediction(value: float) -> Prediction:
    return Prediction(value=value, low=value / 2, high=value * 2, source="test")


def offer(usd_per_hour: float = 0.0) -> Offer:
    return Offer(
        id="local/here",
        cloud="local",
        instance_type="here",
        region="local",
        accelerator=None,
        accelerator_count=0,
        accelerator_memory_gib=None,
        vcpus=2,
        memory_gib=8,
        usd_per_hour=usd_per_hour,
        spot_usd_per_hour=None,
        price_basis="owner",
        source="test",
        as_of=None,
        executable=True,
    )


def candidate(tokens: int = 300_000, student: str = SHAPES[0].name, **changes: Any) -> Candidate:
    values: dict[str, Any] = {
        "id": f"here|{student}|{tokens}",
        "offer_id": "local/here",
        "executable": True,
        "teacher": "solver:mahjong",
        "student": student,
        "parameters": 337_536,
        "precision": "fp32",
        "strategy": "rationale",
        "train_tokens": tokens,
        "accuracy": None,
        "latency_p95_ms": prediction(20),
        "hours": prediction(0.1),
        "usd": prediction(0.0),
    }
    return Candidate(**{**values, **changes})


def brief(accuracy: float | None = 0.9, usd: float = 1.0, **targets: Any) -> Brief:
    return Brief(
        request="a test",
        skill="mahjong",
        task="win",
        targets=Targets(accuracy=accuracy, **targets),
        limits=Limits(usd=usd),
    )


def evaluation(
    right: int, n: int = 1000, *, split: str = "dev", control_right: int = 0, p95_ms: float = 10.0
) -> Evaluation:
    def score(name: str, count: int) -> Score:
        return Score(name=name, exact=wilson(count, n), answer=wilson(count, n))

    return Evaluation(
        split=split,
        split_sha256="0" * 64,
        student=score("student", right),
        controls=(score("answers-only student, equal compute", control_right),),
        latency=Latency(n=100, p50_ms=p95_ms / 2, p95_ms=p95_ms, p99_ms=p95_ms, throughput_rps=50, clients=16),
        seconds=10,
    )


def attempt(*evaluations: Evaluation, number: int = 1, of: Candidate | None = None) -> Attempt:
    chosen = of or candidate()
    return Attempt(
        number=number,
        candidate=chosen,
        job_folder="006-distill/student",
        control_folder="006-distill/control",
        tokens=chosen.train_tokens,
        control_tokens=chosen.train_tokens,
        loss=0.1,
        stopped_by="tokens",
        seconds=60,
        cpu_seconds=60,
        curve=((1, 1.0),),
        evaluations=evaluations,
    )


def complexity() -> Complexity:
    return Complexity(
        verdict="injection",
        probability=1,
        evidence=(),
        probe_items=100,
        teacher_accuracy=1,
        most_frequent_share=0.5,
        best_shortcut="none",
        best_shortcut_share=0.5,
        distinct_answers=2,
        rationale_tokens=20,
        rationale_tokens_p95=30,
        answer_tokens=2,
        prompt_tokens=15,
    )


def data(examples: int = 20_000) -> Data:
    names = ("dev", "sealed-1", "sealed-2")
    splits = tuple(Split(name=name, path=f"data/{name}.jsonl", n=1000, sha256="0" * 64) for name in names)
    return Data(
        examples=examples,
        shards=("data/train-00000.jsonl",),
        sha256="0" * 64,
        splits=splits,
        dropped_as_leaks=0,
        rejected_by_verifier=0,
        seconds=1,
    )


def choice(of: Candidate | None = None, usd_per_hour: float = 0.0) -> Choice:
    chosen = of or candidate()
    plan = Plan(candidate=chosen, offer=offer(usd_per_hour), reason="cheapest", runners_up=())
    return Choice(candidates=1, front=(chosen,), plan=plan, nearest=None, reason="cheapest")


def state(**changes: Any) -> RunState:
    """A run that has a brief, prices, students and a complexity, and whatever `changes` say."""
    values: dict[str, Any] = {
        "run_id": "test-run",
        "request": "a test",
        "brief": brief(),
        "offers": (offer(),),
        "complexity": complexity(),
    }
    return RunState(**{**values, **changes})


def context(of: RunState, folder: Path, **settings: Any) -> Context:
    return Context(
        state=of,
        settings=Settings(**settings),
        workspace=folder,
        run_folder=folder / "run",
        step_folder=folder / "run" / "001-step",
        executor=LocalExecutor(),
        emit=lambda event: None,
    )


def checkpoint(*trainings: Literal["lora", "full"], parameters: int = 500_000_000, **changes: Any) -> CheckpointFacts:
    """A model of half a billion weights, in the shape of a small Qwen2."""
    facts = load_catalogue()["Qwen/Qwen2.5-0.5B-Instruct"].model_copy(
        update={"name": "mine", "parameters": parameters, "active_parameters": parameters}
    )
    values: dict[str, Any] = {
        "source": "mine",
        "folder": "student",
        "sha256": "0" * 64,
        "model": facts,
        "served_by": "ctranslate2",
        "example_tokens": 100.0,
        "prompt_tokens": 60.0,
        "completion_tokens_p95": 50,
        "longest_tokens": 200,
        "answer_tokens": 80,
        "tunings": tuple(
            Tuning(training=one, batch_tokens=800, accumulation=2, checkpointing=False, needed_gib=4, available_gib=8)
            for one in trainings or ("lora", "full")
        ),
        "notes": (),
    }
    return CheckpointFacts(**{**values, **changes})


MET = Verdict(
    attempt=1,
    split="sealed-1",
    met=True,
    rule="lower_bound",
    misses=(),
    cheaper_control=None,
    next="deploy",
    reason="",
)
"""Of a first attempt that may be served."""


def deployment(workspace: Path, name: str, model: Path, run_id: str) -> Deployment:
    """The record of a server that is only pretended."""
    return Deployment(
        name=name,
        base_url="http://127.0.0.1:1/v1",
        api_key_file=workspace / "key",
        model_dir=model,
        model_sha256="0",
        engine="ctranslate2",
        pid=1,
        process_created_at=0.0,
        started_at=0.0,
        status="ready",
        run_id=run_id,
    )
