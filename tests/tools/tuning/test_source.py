"""Folders that are no whole checkpoint: everything wrong is told at once, and how to mend it."""

import json
import shutil
from pathlib import Path

import pytest
from stratos.state.errors import Correctable
from stratos.tools.tuning.source import check_source

from . import tiny


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def said(model: Path, chat_template: Path | None = None) -> str:
    with pytest.raises(Correctable) as found:
        check_source(model, chat_template)
    return str(found.value)


def test_a_whole_checkpoint_passes(model: Path) -> None:
    check_source(model)


def test_an_empty_folder_is_told_everything_it_lacks(tmp_path: Path) -> None:
    text = said(tmp_path)
    assert all(word in text for word in ("no config.json", "no model.safetensors", "no tokenizer.json"))


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert "is no folder: name one that holds a checkpoint" in said(tmp_path / "none")


def test_torn_weights_and_a_broken_config_are_told_together(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    (model / "config.json").write_text("{")
    text = said(model)
    assert "config.json cannot be read" in text
    assert "model.safetensors is no whole file of weights" in text


def test_missing_shards_of_an_index_are_named(model: Path) -> None:
    (model / "model.safetensors").unlink()
    files = {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    text = said(model)
    assert "no model-1-of-2.safetensors" in text
    assert "no model-2-of-2.safetensors" in text


def test_old_weights_are_told_how_to_be_converted(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert "pytorch_model.bin: convert them with save_pretrained" in said(model)


def test_a_base_model_needs_a_template(model: Path, tmp_path: Path) -> None:
    (model / "chat_template.jinja").unlink()
    assert "name one as chat_template in a job file" in said(model)
    assert "chat_template" in said(model, tmp_path / "none.jinja")
    given = tmp_path / "given.jinja"
    given.write_text(tiny.CHATML)
    check_source(model, given)


def test_quantised_weights_are_refused(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "quantization_config": {"bits": 4}}))
    assert "its weights are quantised" in said(model)
