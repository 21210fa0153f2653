"""More of what a student is weak at: by its own errors, half as examples come, and once more without."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from stratos.skills import load as load_skill
from stratos.state.evidence import Attempt, Evaluation, FamilyScore, Miss, Verdict, wilson
from stratos.state.plan import FamilyWeight
from stratos.state.run import RunState
from stratos.tools.candidates import build_candidates
from stratos.tools.choose import SOLVE_PARETO, SolvePareto
from stratos.tools.costs import lacks_data
from stratos.tools.deploy import winner
from stratos.tools.distill import DISTILL, NATURAL_MIX, Distill, better_folder
from stratos.tools.emphasis import emphasis_of, shards_with_mix, weights_of
from stratos.tools.evaluate import EVALUATE, Evaluate
from stratos.tools.generate_data import GENERATE_DATA, GenerateData
from stratos.tools.generation import Mix, make_mixed_shard
from stratos.tools.jobs import JOB_FILE, RESULT_FILE
from stratos.tools.training.students import TrainJob, shape_named

from ..building import attempt, brief, candidate, choice, context, data, evaluation, state
from .recording import Recording
from .test_choose import prepared

EASY, HARD = "1 wait", "4 waits or more"
SHAPE = shape_named("scratch-0.35M")


def measured(easy: int, hard: int, n: int = 500) -> Evaluation:
    """Of two families as large."""
    families = tuple(FamilyScore(family=name, exact=wilson(right, n)) for name, right in ((EASY, easy), (HARD, hard)))
    return evaluation(easy + hard, 2 * n).model_copy(update={"families": families})


def missed(*attempts: Attempt, by: str = "accuracy", **changes: Any) -> RunState:
    """A run whose newest attempt missed."""
    miss = Miss.model_validate(
        {"constraint": by, "wanted": 0.9, "got": 0.5, "arithmetic": "half of it", "levers": "more"}
    )
    number = len(attempts)
    verdict = Verdict(
        attempt=number, split="dev", met=False, rule="lower_bound", misses=(miss,), next="replan", reason="missed"
    )
    return state(attempts=attempts, verdicts=(verdict,), **changes)


def weights(emphasis: Sequence[FamilyWeight]) -> dict[str, float]:
    return {one.family: one.weight for one in emphasis}


def test_the_weak_come_more_often_and_the_number_of_examples_stays() -> None:
    found = weights_of(measured(450, 200).families)
    assert [one.family for one in found] == [HARD, EASY]
    assert weights(found)[HARD] == pytest.approx(0.5 + 0.5 * 0.6 / 0.35, abs=0.01)
    assert 0.5 <= weights(found)[EASY] < 1
    assert sum(weights(found).values()) / 2 == pytest.approx(1, abs=0.02)


def test_a_family_of_few_items_is_taken_to_be_like_the_others() -> None:
    families = (FamilyScore(family=EASY, exact=wilson(500, 1000)), FamilyScore(family=HARD, exact=wilson(0, 2)))
    assert weights_of(families) == ()


@pytest.mark.parametrize(
    "families",
    [(), measured(500, 500).families, measured(450, 200).families[:1], measured(50, 0).families],
    ids=["no families", "no errors", "one family", "all about as weak"],
)
def test_there_is_nothing_to_stress_where_no_family_is_weaker(families: tuple[FamilyScore, ...]) -> None:
    assert weights_of(families) == ()


def test_only_a_missed_accuracy_changes_the_next_training() -> None:
    tried = attempt(measured(450, 200))
    assert emphasis_of(missed(tried))
    assert emphasis_of(missed(tried, by="latency")) == ()
    assert emphasis_of(state()) == ()


def test_a_mix_holds_more_of_the_weak_and_nothing_that_is_held_out() -> None:
    skill = load_skill("mahjong")
    plain = Mix(number=1, examples=1, kept={})
    text, counts = make_mixed_shard(skill, "waits", 1, 0, plain, frozenset())
    kept = {row["family"]: 1.0 if row["family"] == HARD else 0.25 for row in rows(text)}
    held_out = frozenset(skill.canonical("waits", row["prompt"]) for row in rows(text)[:50])
    mixed, _ = make_mixed_shard(skill, "waits", 1, 0, plain.model_copy(update={"kept": kept}), held_out)
    share = [sum(row["family"] == HARD for row in rows(one)) / len(rows(one)) for one in (text, mixed)]
    assert share[1] > 2 * share[0] > 0
    assert not held_out & {skill.canonical("waits", row["prompt"]) for row in rows(mixed)}
    assert counts["examples"] == len(rows(text)) == len(rows(mixed))


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def trained(folder: Path, shards: tuple[Path, ...], *, epochs: float) -> Path:
    job = TrainJob(
        skill="mahjong", task="win", student=SHAPE, target="rationale", shards=shards, tokens=1000, seed=0,
    )  # fmt: skip
    folder.mkdir(parents=True)
    (folder / JOB_FILE).write_text(job.model_dump_json())
    (folder / RESULT_FILE).write_text(json.dumps({"epochs": epochs}))
    return folder


def test_a_longer_training_reads_what_it_had_read_until_its_decay_then_the_mix(tmp_path: Path) -> None:
    shards = [tmp_path / f"train-{number}.jsonl" for number in range(4)]
    for shard in shards:
        shard.write_text("{}\n" * 10)
    mixed = (tmp_path / "mixed-2.jsonl",)
    before = trained(tmp_path / "before", tuple(shards), epochs=0.5)  # of 40, 20 were read, 13 until the decay
    assert shards_with_mix(before, mixed, shards) == (*shards[:2], *mixed, *shards[2:])
    assert shards_with_mix(None, mixed, shards) == (*mixed, *shards)


def planned(emphasis: Sequence[FamilyWeight], **changes: Any) -> Any:
    made = choice(candidate(strategy="rationale", train_tokens=2_400_000, **changes))
    assert made.plan is not None
    return made.model_copy(update={"plan": made.plan.model_copy(update={"emphasis": tuple(emphasis)})})


def test_a_plan_after_a_miss_says_what_is_stressed_and_takes_longer(tmp_path: Path) -> None:
    tried = attempt(measured(450, 200), of=candidate(student=SHAPE.name, train_tokens=600_000))
    now = missed(tried, **{name: getattr(prepared(), name) for name in ("machine", "match", "offers", "complexity")})
    found = SOLVE_PARETO.run(context(now, tmp_path), SolvePareto())
    assert found.plan is not None
    assert found.plan.emphasis[0].family == HARD
    then = prepared(attempts=(tried,))
    slow, fast = (build_candidates(context(one, tmp_path))[0].hours.value for one in (now, then))
    assert slow > 1.2 * fast


def test_a_plan_that_stresses_families_lacks_its_own_mix_until_it_is_made(tmp_path: Path) -> None:
    emphasis = weights_of(measured(450, 200).families)
    run = state(attempts=(attempt(measured(450, 200)),), choice=planned(emphasis), data=data(10**6))
    assert lacks_data(run, 1000)
    given = context(run.model_copy(update={"data": None}), tmp_path, held_out_items=20, max_attempts=1)
    executor = Recording(
        {"examples": 5, "shards": ["train-00000.jsonl"], "mixed": ["mixed-2-00000.jsonl"], "sha256": "0", "splits": [],
         "dropped_as_leaks": 0, "rejected_by_verifier": 0, "own_examples": 0, "seconds": 1.0}
    )  # fmt: skip
    made = GENERATE_DATA.run(executor.given_to(given), GenerateData(examples=5))
    assert (executor.jobs[0].mix.number, made.mixed, made.mix) == (2, ("data/mixed-2-00000.jsonl",), 2)
    assert executor.jobs[0].mix.kept[HARD] == 1
    assert not lacks_data(run.model_copy(update={"data": made.model_copy(update={"examples": 10**6})}), 1000)


RESULT: dict[str, Any] = {
    "tokens": 2_400_000, "loss": 0.1, "stopped_by": "tokens", "seconds": 9.0, "cpu_seconds": 8.0, "curve": [(1, 0.1)],
}  # fmt: skip


def test_the_student_on_the_mix_is_held_against_one_on_examples_as_they_come(tmp_path: Path) -> None:
    with_mix = data(10**6).model_copy(update={"mixed": ("data/mixed-1-00000.jsonl",), "mix": 1})
    run = state(choice=planned(weights_of(measured(450, 200).families), student=SHAPE.name), data=with_mix)
    executor = Recording(RESULT)
    given = executor.given_to(context(run, tmp_path))
    found = DISTILL.run(given, Distill(candidate_id=run.known_plan.candidate.id)).attempt
    shards = {name: [shard.name for shard in job.shards] for name, job in executor.by_name().items()}
    assert shards["student"] == ["mixed-1-00000.jsonl", "train-00000.jsonl"]
    assert shards["natural"] == shards["control"] == ["train-00000.jsonl"]
    assert found.natural_folder == "001-step/natural"


def test_it_is_measured_beside_the_student(tmp_path: Path) -> None:
    tried = attempt().model_copy(update={"natural_folder": "006-distill/natural"})
    measuring = Recording({**evaluation(10).model_dump(), "seconds": 1.0})
    run = state(choice=choice(tried.candidate), data=data(), attempts=(tried,))
    EVALUATE.run(measuring.given_to(context(run, tmp_path)), Evaluate(split="dev"))
    assert NATURAL_MIX in [model.name for model in measuring.jobs[0].models]


@pytest.mark.parametrize(("natural", "goes_on_from"), [(900, "natural"), (700, "student"), (None, "student")])
def test_the_better_of_both_is_gone_on_from(natural: int | None, goes_on_from: str) -> None:
    measured = evaluation(800, control_right=natural or 0)
    control = measured.controls[0].model_copy(update={"name": NATURAL_MIX})
    folder = None if natural is None else "006-distill/natural"
    tried = attempt(measured.model_copy(update={"controls": (control,)})).model_copy(update={"natural_folder": folder})
    assert better_folder(tried) == f"006-distill/{goes_on_from}"


def test_where_it_alone_meets_the_target_it_is_served(tmp_path: Path) -> None:
    tried = attempt(evaluation(800)).model_copy(update={"natural_folder": "006-distill/natural"})
    run = missed(tried, choice=choice(), brief=brief())
    verdict = run.verdicts[-1].model_copy(update={"cheaper_control": NATURAL_MIX})
    given = context(run.model_copy(update={"verdicts": (verdict,)}), tmp_path)
    assert winner(given) == tmp_path / "run" / "006-distill" / "natural" / "model"
