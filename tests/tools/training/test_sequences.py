"""A teacher's text: what is kept, what is not and why, and who is said to have written it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from stratos.skills import load
from stratos.skills.protocol import Example
from stratos.state.errors import Correctable
from stratos.tools.serving.engine import Call, Completion
from stratos.tools.training.alignment import LogitAlignment, StoredTeacher
from stratos.tools.training.batches import read_examples
from stratos.tools.training.provenance import Sampling, read_provenance, require_text
from stratos.tools.training.sequences import SequencesJob, answered, taken_apart, write_sequences

from .taught import make_teacher, write_shard

SKILL = load("mahjong")
FIRST, SECOND = SKILL.make("waits", seed=3, block=0, count=2)
RIGHT, WRONG, BROKEN = SKILL.completion(FIRST, rationale=True), "7z = 7z", "1m 2m"


class Scripted:
    """An engine that says its lines; only what `answered` calls."""

    def __init__(self, *lines: str) -> None:
        self.lines, self.seeds = list(lines), list[int | None]()

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        return [1]

    def complete(self, calls: Sequence[Call]) -> list[Completion]:
        self.seeds += [call.settings.seed for call in calls]
        said, self.lines = self.lines[: len(calls)], self.lines[len(calls) :]
        return [Completion(text=text, token_ids=(1,), finish_reason="stop", prompt_tokens=1) for text in said]


def ask(prompts: Sequence[Example], *lines: str, **sampling: Any) -> Any:
    engine: Any = Scripted(*lines)
    return answered(SKILL, "waits", engine, [one.prompt for one in prompts], Sampling(**sampling), seed=0)


def test_the_verifier_rejects_and_the_counts_add_up() -> None:
    kept, counts = ask([FIRST], RIGHT, WRONG, BROKEN, RIGHT, samples=4, temperature=1.0)
    assert kept == [FIRST]
    assert (counts.drawn, counts.kept, counts.rejected, counts.malformed, counts.repeated) == (4, 1, 1, 1, 1)
    assert counts.disagreeing == 1


def test_without_the_verifier_the_most_frequent_text_is_kept() -> None:
    kept, counts = ask([FIRST], WRONG, RIGHT, WRONG, samples=3, temperature=1.0, verify=False)
    assert [one.answer for one in kept] == ["7z"]
    assert (counts.repeated, counts.surplus, counts.rejected) == (1, 1, 0)


def test_prompts_that_agree_or_have_nothing_are_counted_apart() -> None:
    _, counts = ask([FIRST, SECOND], RIGHT, RIGHT, BROKEN, BROKEN, samples=2, temperature=1.0)
    assert (counts.disagreeing, counts.unanswered, counts.prompts) == (0, 1, 2)


def test_every_batch_has_a_seed_of_its_own() -> None:
    engine: Any = Scripted(*[RIGHT] * 130)
    answered(SKILL, "waits", engine, [FIRST.prompt] * 130, Sampling(), seed=7)
    assert [engine.seeds[at] for at in (0, 63, 64, 129)] == [7, 7, 8, 9]


@pytest.mark.parametrize("text", [RIGHT, WRONG, "= 3m"])
def test_a_completion_is_taken_apart_and_put_together_again(text: str) -> None:
    example = taken_apart(SKILL, FIRST.prompt, text)
    assert example is not None
    assert SKILL.completion(example, rationale=True) == text


@pytest.mark.parametrize("text", ["", BROKEN, "= ", "1m = 2m ", "1m  = 2m ="])
def test_what_is_no_completion_is_not(text: str) -> None:
    example = taken_apart(SKILL, FIRST.prompt, text)
    assert example is None or SKILL.completion(example, rationale=True) == text
    assert not SKILL.verify("waits", FIRST.prompt, text).exact


def test_the_job_writes_shards_with_provenance_and_continues(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / f"train-{block}.jsonl", block, count=40) for block in range(2)]
    teacher = make_teacher(tmp_path / "teacher", shards, tokens=4_000)
    sampling = Sampling(samples=2, temperature=1.0, verify=False)
    values = {"skill": "mahjong", "task": "waits", "teacher": teacher, "output": tmp_path / "out", "sampling": sampling}
    found = write_sequences(SequencesJob.model_validate({**values, "shards": shards}), tmp_path)
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert found["drawn"] == 160
    assert found["kept"] == sum(len(read_examples(tmp_path / "out" / shard.name)) for shard in shards)
    (tmp_path / "out" / "provenance.json").unlink()  # as if killed before a word was kept
    write_sequences(SequencesJob.model_validate({**values, "shards": shards}), tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first
    with pytest.raises(Correctable, match="text written otherwise: sampling is"):
        write_sequences(SequencesJob.model_validate({**values, "shards": shards, "sampling": Sampling()}), tmp_path)
    _text_is_known(tmp_path / "out" / shards[0].name, shards[0])


def _text_is_known(written: Path, gold: Path) -> None:
    provenance = read_provenance(written.parent)
    assert provenance is not None
    by_teacher, by_labels = (
        LogitAlignment(teacher=StoredTeacher(folder=Path()), text=text) for text in ("teacher", "gold")
    )
    require_text(by_teacher, [written], provenance.teacher_sha256)
    require_text(by_labels, [gold], provenance.teacher_sha256)
    with pytest.raises(Correctable, match="was written by a teacher, and 'text' says 'gold'"):
        require_text(by_labels, [written], provenance.teacher_sha256)
    with pytest.raises(Correctable, match=r"by the teacher .* and the logits are of ffffff"):
        require_text(by_teacher, [written], "f" * 64)
    written.write_text(written.read_text() + "\n")
    with pytest.raises(Correctable, match="names this very file"):
        require_text(by_teacher, [written], provenance.teacher_sha256)
