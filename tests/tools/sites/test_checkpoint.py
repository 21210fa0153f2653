"""A given checkpoint as a family's backbone: cut and taught like one from scratch, with its own tokenizer; or refused by name."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from stratos.state.brief import Answers
from stratos.state.errors import Correctable
from stratos.tools.elastic.teaching import Recipe
from stratos.tools.sites.cloud.backbone import build
from stratos.tools.sites.cloud.checkpoint import load, wrong_with_checkpoint
from stratos.tools.sites.cloud.shape import Shape
from stratos.tools.sites.engines.same_process import SameProcess
from stratos.tools.sites.learning.local import Fitting
from stratos.tools.sites.loop.server import customize

from . import test_cloud
from .checkpoints import bert, decoder, encoder, vision
from .writing_world import examples, orders, plans, sites

SHAPE = Shape(max_tokens=24)
LESSON, RECIPE = Fitting(epochs=14, rate=4e-3, seed=1), Recipe(steps=60, rate=2e-3, seed=1)
TEXTS = (*examples(100, 5).texts, *examples(100, 5).answers)


def test_a_decoder_with_shared_key_heads_and_its_own_tokenizer_serves_sites(tmp_path: Path) -> None:
    given = decoder(tmp_path / "given", TEXTS)
    lesson = replace(LESSON, epochs=34, rate=5e-3)
    elastic = build(examples(400, 1), examples(60, 2), (), SHAPE, lesson, RECIPE, answers="texts", given=given)
    assert elastic.table[0].accuracy > 0.8
    config = elastic.backbone.model.config
    assert (config.model_type, config.vocab_size, config.pad_token_id, config.eos_token_id) == ("llama", 340, 1, 1)
    made = sites(tmp_path / "sites")
    outcome = customize(elastic.backbone, plans(), orders, SameProcess(sites=made), tmp_path / "server")
    assert [site.failed for site in outcome.sites] == ["", "", ""]
    told = [site.facts for site in outcome.sites]
    assert sum(facts["test_right"] for facts in told) / sum(facts["test_items"] for facts in told) > 0.7


@pytest.mark.parametrize("make", [encoder, decoder])
def test_the_body_of_either_learns_labels(make: Callable[..., Path], tmp_path: Path) -> None:
    train, validation = test_cloud.texts(320, 1), test_cloud.texts(120, 2)
    given = make(tmp_path / "given", train.texts)
    elastic = build(train, validation, ("a", "b", "c"), SHAPE, LESSON, RECIPE, given=given)
    assert elastic.table[0].accuracy > 0.85
    assert elastic.table[-1].accuracy > 0.6
    assert elastic.backbone.header is not None


def test_a_body_of_pictures_learns_labels(tmp_path: Path) -> None:
    train, validation = test_cloud.images(320, 1), test_cloud.images(120, 2)
    given = vision(tmp_path / "given")
    elastic = build(train, validation, [str(place) for place in range(6)], SHAPE, LESSON, RECIPE, given=given)
    assert elastic.table[0].accuracy > 0.85
    assert elastic.backbone.tokenizer is None


def test_a_checkpoint_is_loaded_as_it_is_but_answers_without_chance(tmp_path: Path) -> None:
    given = decoder(tmp_path / "given", TEXTS, eos_token="</s>", pad_token="<s>")
    model, text = load(given, "texts", 24)
    assert model.generation_config.do_sample in (None, False)
    assert (model.config.pad_token_id, model.config.eos_token_id, model.dtype) == (0, 1, torch.float32)
    assert text is not None
    assert json.loads(text)["model"] == json.loads((given / "tokenizer.json").read_text())["model"]


def without(name: str) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        (decoder(folder, TEXTS) / name).unlink()
        return folder

    return made


def quantised(folder: Path) -> Path:
    config: dict[str, Any] = json.loads((decoder(folder, TEXTS) / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"bits": 4}}))
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "nothing": lambda folder: folder,
    "bert": lambda folder: bert(folder, TEXTS),
    "encoder": lambda folder: encoder(folder, TEXTS),
    "vision": vision,
    "no end": lambda folder: decoder(folder, TEXTS, pad_token="<s>"),
    "neither": lambda folder: decoder(folder, TEXTS, unk_token="<s>"),
    "no weights": without("model.safetensors"),
    "no tokenizer": without("tokenizer.json"),
    "quantised": quantised,
}


@pytest.mark.parametrize(
    ("kind", "answers", "said"),
    [
        ("nothing", "texts", "given' is no folder"),
        ("bert", "labels", "BertModel cannot be cut: 0 lists of 2 layers with a q_proj"),
        ("encoder", "texts", "a eurobert model is no causal decoder"),
        ("vision", "texts", "a vit model is no causal decoder"),
        ("no end", "texts", "has no eos_token"),
        ("neither", "labels", "neither a pad_token nor an eos_token"),
        ("no weights", "texts", "no model.safetensors"),
        ("no tokenizer", "texts", "has no tokenizer.json"),
        ("quantised", "texts", "its weights are quantised"),
    ],
)
def test_what_cannot_be_a_backbone_is_refused_by_name(kind: str, answers: Answers, said: str, tmp_path: Path) -> None:
    folder = MAKERS[kind](tmp_path / "given")
    (problem,) = wrong_with_checkpoint(folder, answers, 24)
    assert problem.startswith("student: ")
    assert said in problem
    with pytest.raises(Correctable, match="student: "):
        load(folder, answers, 24)


def test_a_checkpoint_must_have_room_and_know_its_tokens(tmp_path: Path) -> None:
    given = decoder(tmp_path / "given", TEXTS)
    assert wrong_with_checkpoint(given, "texts", 64) == []
    (short,) = wrong_with_checkpoint(given, "texts", 65)
    assert "reads at most 128 tokens, and 130 are needed" in short
    (given / "config.json").write_text((given / "config.json").read_text().replace("340", "200"))
    (few,) = wrong_with_checkpoint(given, "texts", 24)
    assert "330 tokens, the model knows 200" in few
