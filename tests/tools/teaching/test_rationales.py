"""Reverse rationales: what is kept is held against the truth of a simulated teacher."""

import json
from pathlib import Path
from typing import Any

import pytest
from stratos.agent.scripted import Answer, Script, scripted_server
from stratos.skills import load
from stratos.state.errors import RequestError, ToolFailed
from stratos.tools.teaching.opening import TeacherChoice
from stratos.tools.teaching.rationales import RationalesJob, checks_needed, provenance_path, run
from stratos.tools.training.batches import read_examples

from .simulated import Teacher, is_sound, opened_skill

PRICES = (1.0, 4.0)


def job(folder: Path, url: str, **changes: Any) -> RationalesJob:
    values: dict[str, Any] = {
        "skill": "table",
        "task": "answer",
        "skill_data": folder / "given",
        "teacher": choice(url),
        "rationales": 3,
        "usd_limit": 50.0,
        "cache_folder": folder / "answers",
        "shard": folder / "data" / "train-rationales.jsonl",
    }
    return RationalesJob(**{**values, **changes})


def choice(url: str, name: str = "openai:simulated") -> TeacherChoice:
    return TeacherChoice(name=name, base_url=url, usd_per_million=PRICES, in_flight=4)


def made(folder: Path, script: Script, count: int = 200, job_folder: str = "job", **changes: Any) -> dict[str, Any]:
    if not (folder / "given").exists():
        opened_skill(folder, count)
    with scripted_server(script) as (url, requests):
        found = dict(run(job(folder, url, **changes), folder / job_folder))
    return {**found, "requests": len(requests)}


def sound_share(folder: Path) -> float:
    kept = read_examples(folder / "data" / "train-rationales.jsonl")
    return sum(is_sound(example.prompt, example.rationale) for example in kept) / len(kept)


def test_of_a_teacher_that_follows_hints_blindly_only_what_it_knows_is_kept(tmp_path: Path) -> None:
    found = made(tmp_path, Teacher(knows=0.2))
    known = [example.prompt for example in opened(tmp_path) if Teacher(knows=0.2).known(example.prompt)]
    assert sound_share(tmp_path) >= 0.95
    assert found["examples_with_rationale"] == pytest.approx(len(known), abs=2)
    assert found["decoys"]["kept"]["value"] == 0
    assert found["kept"] + sum(found["rejected"].values()) == found["asked"] == 3 * found["examples"]


def opened(folder: Path) -> list[Any]:
    given = load("table", folder / "given").given
    assert given is not None
    return list(given.train)


def test_steps_of_a_teacher_that_knows_anyway_need_a_checker_that_does_not(tmp_path: Path) -> None:
    def both(request: Any) -> Answer:
        return (
            Teacher(knows=1.0, faithful=0.5)(request) if request["model"] == "simulated" else Teacher(knows=0)(request)
        )

    alone = made(tmp_path, both, 130)
    assert sound_share(tmp_path) < 0.7
    assert any("no second teacher" in note for note in alone["notes"])
    with scripted_server(both) as (url, _):
        found = run(job(tmp_path, url, checker=choice(url, "openai:ignorant")), tmp_path / "checked")
    assert sound_share(tmp_path) >= 0.95
    assert found["disagreement"]["value"] == pytest.approx(0.5, abs=0.12)
    assert not any("no second teacher" in note for note in found["notes"])


def test_examples_are_shards_as_training_reads_them_with_a_line_of_provenance_each(tmp_path: Path) -> None:
    found = made(tmp_path, Teacher(knows=1.0), 100, most_examples=20)
    shard = tmp_path / "data" / "train-rationales.jsonl"
    kept = read_examples(shard)
    answers = {example.prompt: example.answer for example in opened(tmp_path)}
    lines = [json.loads(line) for line in provenance_path(shard).read_text().splitlines()]
    assert len(kept) == len(lines) == found["kept"] > 0
    assert all(example.rationale and answers[example.prompt] == example.answer for example in kept)
    assert {line["teacher"] for line in lines} == {"openai:simulated"}
    assert all(line["output_tokens"] > 0 for line in lines)


def test_rationales_that_tell_of_the_hint_are_rejected_and_counted(tmp_path: Path) -> None:
    found = made(tmp_path, Teacher(knows=1.0, blabs=0.5), 100, most_examples=40, decoys=0)
    kept = read_examples(tmp_path / "data" / "train-rationales.jsonl")
    assert found["rejected"]["tells of the hint"] == pytest.approx(0.5 * found["asked"], rel=0.25)
    assert not any("given answer" in example.rationale for example in kept)


def test_entered_again_it_asks_nothing_and_comes_to_the_same(tmp_path: Path) -> None:
    opened_skill(tmp_path, 100)
    with scripted_server(Teacher(knows=0.5)) as (url, requests):
        first = run(job(tmp_path, url, most_examples=30), tmp_path / "job")
        asked = len(requests)
        again = run(job(tmp_path, url, most_examples=30), tmp_path / "job")
    assert len(requests) == asked > 0
    assert again == first


def test_another_server_is_asked_anew_although_its_model_has_the_same_name(tmp_path: Path) -> None:
    first = made(tmp_path, Teacher(knows=0.5), 100, most_examples=4, decoys=0)
    assert made(tmp_path, Teacher(knows=0.0), 100, most_examples=4, decoys=0)["requests"] >= 4
    assert first["requests"] >= 4


def test_money_that_ends_leaves_whole_work_and_says_so(tmp_path: Path) -> None:
    whole = made(tmp_path, Teacher(knows=1.0), 100, most_examples=64, decoys=0)
    limit, other = 0.5 * whole["spent"]["usd"], tmp_path / "other"
    part = made(
        tmp_path,
        Teacher(knows=1.0),
        job_folder="second",
        cache_folder=other,
        usd_limit=limit,
        max_tokens=256,
        most_examples=64,
        decoys=0,
    )
    assert (whole["stopped_by"], part["stopped_by"]) == ("done", "money")
    assert 0.7 * limit < part["spent"]["usd"] <= limit
    assert 0 < part["kept"] < whole["kept"]
    assert part["rejected"]["not sent: the money limit"] > 0


GARBAGE = {
    "empty": Answer(finish_reason="stop"),
    "no marked answer": Answer(text='{"answer": 12', finish_reason="stop"),
    "a refusal": Answer(text="I'm sorry, I can't help with that.", finish_reason="stop"),
    "no text the server could send": Answer(text="a" * 10 * 2**20 + "\n#### 5", finish_reason="stop"),
    "too long": Answer(text=" ".join(map(str, range(9000))) + "\n#### 5", finish_reason="stop"),
    "repeats itself": Answer(text="We see that it is so. " * 500 + "\n#### 5", finish_reason="stop"),
    "cut off": Answer(text="We see that it is so. " * 10, finish_reason="length"),
    "no steps": Answer(text="#### 5", finish_reason="stop"),
    "characters that frame a student's texts": Answer(text="One <eos> two three four\n#### 5", finish_reason="stop"),
    "another answer than was told": Answer(text="One two three four \ud800\n#### \ud800", finish_reason="stop"),
}


@pytest.mark.parametrize(
    "answer", ["1e999999999", "".join(map(str, range(2000))), "1/0", "-", "\ud800", "5e-1/3e5", "((((("]
)
def test_answers_that_no_judge_can_reckon_with_are_other_answers(tmp_path: Path, answer: str) -> None:
    given = Answer(text=f"One two three four five.\n#### {answer}", finish_reason="stop")
    found = made(tmp_path, lambda request: given, 100, most_examples=2, decoys=0)
    assert found["rejected"] == {"another answer than was told": 6}


@pytest.mark.parametrize("reason", GARBAGE)
def test_garbage_is_counted_under_its_name(tmp_path: Path, reason: str) -> None:
    found = made(tmp_path, lambda request: GARBAGE[reason], 100, most_examples=3, decoys=0)
    assert found["rejected"] == {reason: 9}
    assert found["kept"] == 0
    assert found["spent"]["usd"] > 0


def test_a_body_that_is_no_chat_completion_is_garbage_that_is_paid_for(tmp_path: Path) -> None:
    bodies = iter(["not JSON", "[" * 50_000, "{}", '{"choices": []}', '{"choices": [{"message": 5}]}', "null"])
    found = made(tmp_path, lambda request: Answer(body=next(bodies)), 100, most_examples=2, decoys=0)
    assert found["rejected"] == {"no text the server could send": 6}
    assert found["spent"]["calls"] == 6


def test_held_out_questions_are_never_asked_about(tmp_path: Path) -> None:
    skill = opened_skill(tmp_path, 100)
    assert skill.given is not None
    held_out = [example.prompt for split in skill.given.splits.values() for example in split]
    asked: list[str] = []

    def script(request: Any) -> Answer:
        asked.append(request["messages"][0]["content"])
        return Teacher(knows=1.0)(request)

    shard = tmp_path / "all.jsonl"
    everything = [*skill.given.train, *(example for split in skill.given.splits.values() for example in split)]
    shard.write_text(
        "".join(json.dumps({"prompt": e.prompt, "rationale": "", "answer": e.answer}) + "\n" for e in everything)
    )
    found = made(tmp_path, script, examples=shard, rationales=1, decoys=3)
    assert found["examples"] == len(skill.given.train)
    assert not any(question in prompt for question in held_out for prompt in asked)


def test_the_skills_own_solver_teaches_and_its_verifier_judges_the_rationales(tmp_path: Path) -> None:
    skill = load("mahjong")
    made_by_skill = skill.make("waits", seed=5, block=0, count=6)
    path = tmp_path / "bare.jsonl"
    path.write_text(
        "".join(json.dumps({"prompt": e.prompt, "rationale": "", "answer": e.answer}) + "\n" for e in made_by_skill)
    )
    solver = TeacherChoice(name="solver")
    found = run(
        job(tmp_path, "", skill="mahjong", task="waits", skill_data=None, examples=path, teacher=solver, usd_limit=0),
        tmp_path,
    )
    kept = read_examples(tmp_path / "data" / "train-rationales.jsonl")
    assert found["rejected"] == {"says the same as another": 2 * len(kept)}
    assert all(skill.check("waits", example) for example in kept)
    assert len(kept) == 6


def test_answers_that_can_be_guessed_are_checked_more_often() -> None:
    assert checks_needed([str(number) for number in range(100)]) == 1
    assert checks_needed(["a", "b", "c", "d"] * 10) == 2
    assert checks_needed(["yes", "no"] * 10) == 4
    assert checks_needed(["yes"] * 10) == 4


def test_a_guessing_teacher_is_found_out_by_its_decoys(tmp_path: Path) -> None:
    """It answers every question of two labels with the label that its steps end in, were they true or not."""
    labels = ["red", "blue"]
    rows = [
        json.dumps({"question": f"Which colour is thing {at}?", "answer": labels[at % 2]}) + "\n" for at in range(200)
    ]
    (tmp_path / "colours.jsonl").write_text("".join(rows))

    def suggestible(request: Any) -> Answer:
        prompt = request["messages"][0]["content"]
        if "eyes only: " in prompt:
            told = prompt.split("eyes only: ")[1].split("\n")[0]
            text = (
                f"Thing seen at {request['seed']} o'clock shines.\nIt starts with {told[0]} and goes on.\n#### {told}"
            )
        else:
            text = "#### red" if "starts with r" in prompt else "#### blue"
        return Answer(text=text, finish_reason="stop", tokens=(10, 10))

    from stratos.skills.given.form import Form
    from stratos.skills.given.freezing import freeze
    from stratos.state.brief import DataSource

    freeze(DataSource(path=str(tmp_path / "colours.jsonl")), Form(), tmp_path / "given", seed=0, held_out_items=2000)
    found = made(tmp_path, suggestible, most_examples=30, rationales=1)
    assert found["decoys"]["kept"]["value"] == 1
    assert found["decoys"]["unsound_share"] == 1
    assert any("may be unsound" in note for note in found["notes"])


def test_a_teacher_without_known_prices_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    opened_skill(tmp_path, 100)
    with scripted_server(Teacher()) as (url, requests), pytest.raises(RequestError, match="usd_per_million"):
        run(job(tmp_path, url, teacher=TeacherChoice(name="openai:unheard-of", base_url=url)), tmp_path / "job")
    assert requests == []


def test_a_teacher_whose_licence_forbids_it_is_refused(tmp_path: Path) -> None:
    opened_skill(tmp_path, 100)
    teacher = TeacherChoice(name="openai:gpt-4o-mini", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ToolFailed, match="not among those allowed"):
        run(job(tmp_path, "", teacher=teacher, use={"licences": ["MIT"]}), tmp_path / "job")
