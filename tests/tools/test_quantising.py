"""A student in int8: a folder for ctranslate2 or vLLM, and what it answers otherwise than the student it was made of."""

from pathlib import Path
from typing import Any

import pytest
from stratos.agent.export_quantised import quantised_words
from stratos.state.errors import ToolFailed
from stratos.state.evidence import wilson
from stratos.state.paired import pair
from stratos.tools.generation import file_sha256
from stratos.tools.quantising import WEIGHTS, Quantised, QuantiseJob, quantise
from stratos.tools.serving.cpu_engine import CpuEngine
from stratos.tools.serving.engine import Settings
from stratos.tools.serving.int8_weights import write_int8, written_out

from .training.taught import make_teacher, write_shard

ITEMS = 24


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("student")
    return make_teacher(folder / "job", [write_shard(folder / "train.jsonl", 0)])


def weights(found: Quantised) -> Path:
    return Path(found.folder) / WEIGHTS[found.engine]


def job(student: Path, folder: Path, **changes: Any) -> QuantiseJob:
    split = write_shard(folder / "dev.jsonl", 7, count=40)
    values: dict[str, Any] = {
        "skill": "mahjong",
        "task": "waits",
        "model": student,
        "split": split,
        "split_sha256": file_sha256(split),
        "items": ITEMS,
        "answer_tokens": 12,
    }
    return QuantiseJob(**{**values, **changes})


def test_both_models_answer_the_same_items_and_the_smaller_one_is_smaller(student: Path, tmp_path: Path) -> None:
    found = Quantised.model_validate(quantise(job(student, tmp_path), tmp_path))
    assert (found.same_answers.n, found.exact.n, found.paired.n, found.split) == (ITEMS, ITEMS, ITEMS, "dev")
    assert found.bytes == weights(found).stat().st_size < found.bytes_before / 2
    assert found.sha256 == file_sha256(weights(found))
    assert 0 < found.same_answers.value <= 1


def test_what_is_for_vllm_is_asked_by_its_own_rounded_weights(student: Path, tmp_path: Path) -> None:
    found = Quantised.model_validate(quantise(job(student, tmp_path, engine="vllm"), tmp_path))
    again = Quantised.model_validate(quantise(job(student, tmp_path, engine="vllm"), tmp_path))  # over what was left
    assert (found.engine, found.answering_seconds, found.same_answers.n) == ("vllm", None, ITEMS)
    assert found.bytes == weights(found).stat().st_size < found.bytes_before / 2
    assert found.sha256 == file_sha256(weights(found)) == again.sha256
    assert not (tmp_path / "written-out").exists()
    plain = written_out(Path(found.folder), tmp_path / "plain")
    same = Quantised.model_validate(quantise(job(plain, tmp_path, engine="vllm"), tmp_path / "of-plain"))
    assert same.same_answers.value == 1


def test_the_cpu_engine_says_that_it_does_not_take_those_for_vllm(student: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"cannot be converted for the CPU engine: .*torchao"):
        CpuEngine.open(write_int8(student, tmp_path / "int8"))


def test_the_smaller_one_is_run_in_int8(student: Path) -> None:
    engine = CpuEngine.open(student, precision="int8")
    prompt = engine.encode_chat([{"role": "user", "content": "waits 1m 2m 3m 4p 5p 6p 7s 8s 1z 1z"}])
    (answer,) = engine.generate([prompt], Settings(max_tokens=8))
    assert answer.token_ids
    assert engine.compute_type == "int8_float32"
    assert CpuEngine.open(student).compute_type == "float32"


def test_a_split_other_than_the_one_recorded_is_not_used(student: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dev\.jsonl is not the file whose hash was recorded"):
        quantise(job(student, tmp_path, split_sha256="0" * 64), tmp_path)


@pytest.mark.parametrize(("wrong", "loses"), [(0, False), (2, False), (40, True)])
def test_a_loss_beyond_chance_is_said_plainly(wrong: int, loses: bool) -> None:
    before, after = [True] * 100, [True] * (100 - wrong) + [False] * wrong
    found = Quantised(
        precision="int8", folder="", sha256="", split="dev", split_sha256="", same_answers=wilson(100 - wrong, 100),
        exact=wilson(sum(after), 100), exact_before=wilson(100, 100), paired=pair(after, before), bytes=25, bytes_before=100,
        answering_seconds=1, answering_seconds_before=2,
    )  # fmt: skip
    said = " ".join(quantised_words(found))
    assert found.loses == loses
    assert ("int8 LOSES accuracy, by more than chance explains" in said) == loses
    assert ("no loss can be told from chance on these 100 items" in said) != loses
    assert "25 bytes of weights, 25% of the float model's 100" in said
