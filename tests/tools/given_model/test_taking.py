"""A checkpoint of the user's as it is taken: what is counted and linked, and all that refuses it in one message."""

import json
from pathlib import Path

import pytest
from stratos.skills import load as load_skill
from stratos.state.brief import Brief, Limits, Targets
from stratos.state.errors import RequestError, ToolFailed
from stratos.state.run import CheckpointFacts
from stratos.tools.given_model.taking import Lengths, base_model, refuse_another, take_checkpoint
from stratos.tools.jobs import write_atomic
from stratos.tools.tuning.loading import load_tokenizer
from stratos.tools.tuning.rows import encode

from ..tuning import tiny

SKILL = load_skill("mahjong")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("mine") / "mine", context_tokens=2048)


def taken(student: object, run_folder: Path, **limits: object) -> CheckpointFacts:
    brief = Brief(
        request="",
        skill="mahjong",
        task="win",
        student=str(student),
        targets=Targets(),
        limits=Limits.model_validate(limits),
    )
    return take_checkpoint(brief, run_folder, SKILL, 0)


def test_it_is_linked_into_the_run_with_a_template_that_asks_for_the_form(source: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in source.iterdir())
    found = taken(source, tmp_path / "run")
    folder = base_model(tmp_path / "run", found, "rationale")
    assert (folder / "model.safetensors").resolve() == source / "model.safetensors"
    assert "Write nothing but an answer" in (folder / "chat_template.jinja").read_text()
    assert sorted(path.name for path in source.iterdir()) == before  # nothing is written beside the user's weights
    assert {one.training for one in found.tunings} == {"lora", "full"}
    assert found.model.parameters == 28_096


def test_its_tokens_are_those_that_a_tuning_reads(source: Path, tmp_path: Path) -> None:
    found = taken(source, tmp_path / "run")
    folder = base_model(tmp_path / "run", found, "rationale")
    examples = SKILL.make("win", seed=1, block=5, count=40)
    lines = [{"prompt": one.prompt, "completion": SKILL.completion(one, rationale=True)} for one in examples]
    read = encode((tiny.shard(tmp_path / "a.jsonl", lines),), *load_tokenizer(folder, None), 10_000)
    lengths = Lengths.of(folder, SKILL, examples, "rationale")
    assert lengths.mean == pytest.approx(sum(len(row.ids) for row in read.rows) / 40)
    assert lengths.longest == max(len(row.ids) for row in read.rows) + 2


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is no folder: name one that holds a checkpoint"):
        taken(tmp_path / "nothing", tmp_path / "run")


def test_everything_that_is_missing_is_told_at_once(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    folder.mkdir()
    write_atomic(folder / "config.json", (source / "config.json").read_text())
    with pytest.raises(RequestError) as refused:
        taken(folder, tmp_path / "run")
    for what in ("no model.safetensors", "no tokenizer.json", "no chat template"):
        assert what in str(refused.value)


def test_limits_context_and_memory_are_told_together(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = tiny.checkpoint(tmp_path / "short", context_tokens=128)
    monkeypatch.setattr("stratos.tools.given_model.taking.MEMORY_SHARE", 1e-3)
    with pytest.raises(RequestError) as refused:
        taken(short, tmp_path / "run", max_parameters=1000, licences=("MIT",))
    size, lora, full, context = refused.value.problems
    assert "over the limit of 1,000 parameters" in size
    assert "lora tuning needs about" in lora
    assert "full tuning needs about" in full
    assert "reads at most 128 tokens" in context


def test_a_checkpoint_that_changes_afterwards_is_not_tuned(tmp_path: Path) -> None:
    mine = tiny.checkpoint(tmp_path / "mine", context_tokens=2048)
    found = taken(mine, tmp_path / "run")
    refuse_another(found)
    config = json.loads((mine / "config.json").read_text())
    write_atomic(mine / "config.json", json.dumps({**config, "rms_norm_eps": 0.5}))
    with pytest.raises(ToolFailed, match="changed after the run had taken it"):
        refuse_another(found)
