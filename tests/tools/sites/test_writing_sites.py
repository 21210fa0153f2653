"""A loop over sites whose answers are texts: each gets a decoder of its own, any tool loads it, and no letter holds an example."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path

import numpy as np
import pytest
from stratos.tools.elastic.cutting import CUTS
from stratos.tools.elastic.teaching import Recipe
from stratos.tools.sites.cloud.backbone import Elastic, build
from stratos.tools.sites.engines.same_process import SameProcess
from stratos.tools.sites.learning.examples import read
from stratos.tools.sites.learning.local import Fitting, right, tokenizer_of
from stratos.tools.sites.learning.writing import Writer
from stratos.tools.sites.loop.letters import Letter, unpacked_text
from stratos.tools.sites.loop.loop_orders import load_backbone, save_backbone
from stratos.tools.sites.loop.orders import TOKENIZER, WELCOME
from stratos.tools.sites.loop.server import Outcome, customize
from stratos.tools.sites.loop.site import MODEL, Site
from stratos.tools.sites.loop.site_model import load_site_model
from transformers import AutoModelForCausalLM

from .test_server import Listening
from .writing_world import OWN, SHAPE, examples, orders, plans, rows, sites

Done = tuple[Elastic, Outcome, Listening, dict[str, Site]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("writing")
    lesson, recipe = Fitting(epochs=14, rate=4e-3, seed=1), Recipe(steps=80, rate=2e-3, seed=1)
    elastic = build(examples(400, 1), examples(60, 2), (), SHAPE, lesson, recipe, answers="texts")
    made = sites(folder / "sites")
    post = Listening(SameProcess(sites=made))
    return elastic, customize(elastic.backbone, plans(), orders, post, folder / "server"), post, made


def test_a_decoder_is_cut_taught_and_measured_by_exact_answers(done: Done, tmp_path: Path) -> None:
    elastic = done[0]
    assert [measured.cut for measured in elastic.table] == [cut for cut in CUTS if cut.depth in (1, 0.5)]
    whole, smallest = elastic.table[0], elastic.table[-1]
    assert (whole.accuracy > 0.9, smallest.accuracy > 0.4) == (True, True)
    assert whole.bytes > smallest.bytes
    assert whole.flops > smallest.flops > 0
    save_backbone(elastic.backbone, tmp_path)
    again = load_backbone(tmp_path, "texts")
    assert again.tokenizer == elastic.backbone.tokenizer
    assert all(
        weight.equal(again.model.get_parameter(name)) for name, weight in elastic.backbone.model.named_parameters()
    )


def test_each_site_writes_what_is_right_there(done: Done) -> None:
    _, outcome, _, made = done
    assert [site.failed for site in outcome.sites] == ["", "", ""]
    told = [site.facts for site in outcome.sites]
    assert sum(facts["test_right"] for facts in told) / sum(facts["test_items"] for facts in told) > 0.8
    for site in outcome.sites:
        model, about = load_site_model(made[site.plan.name].folder / MODEL)
        assert isinstance(model, Writer)
        assert about["names"] == []
        assert right(model, read(made[site.plan.name].data, 3, "texts").parts["test"]) == site.facts["test_right"]
    park, _ = load_site_model(made["park"].folder / MODEL)
    assert isinstance(park, Writer)
    assert park.answers(["the old dog 7 by the lake"]) == ["Hoo moo from the lake"]


def test_what_is_stored_is_a_plain_decoder_of_the_sites_size(done: Done) -> None:
    _, outcome, _, made = done
    for site in outcome.sites:
        own = AutoModelForCausalLM.from_pretrained(made[site.plan.name].folder / MODEL, local_files_only=True)
        assert own.config.num_attention_heads == 4 * site.plan.target.width
        assert own.lm_head.weight.data_ptr() == own.model.embed_tokens.weight.data_ptr()
        assert site.facts["bytes"] == 4 * sum(weight.numel() for weight in own.parameters())
        assert not any("into" in name or "out_of" in name for name in own.state_dict())


def test_the_letter_down_holds_all_that_a_decoder_needs(done: Done) -> None:
    """Tied embeddings once; a whole model in 8 bits arrives nearly as it was."""
    elastic, outcome, post, _ = done
    down = {site: Letter.from_bytes(sent) for site, sent in post.letters if Letter.from_bytes(sent).kind == WELCOME}
    assert set(down) == set(OWN)
    weights = sum(weight.numel() for weight in elastic.backbone.model.parameters())
    for site, letter in down.items():
        assert unpacked_text(letter.arrays[TOKENIZER]) == elastic.backbone.tokenizer
        assert outcome.meter.bytes[site, "down"] < 1.3 * weights
    assert outcome.meter.total() == sum(len(letter) for _, letter in post.letters)


def test_no_letter_holds_a_prompt_an_answer_or_its_tokens(done: Done) -> None:
    elastic, _, post, made = done
    assert elastic.backbone.tokenizer is not None
    tokenizer = tokenizer_of(elastic.backbone.tokenizer, elastic.backbone.model.config)
    texts = [
        text
        for name, animals in OWN.items()
        for row in rows(animals, 120, list(OWN).index(name) + 1, name)
        for text in row
    ]
    tokens = tokenizer(texts, add_special_tokens=False)["input_ids"]
    told = {text.encode() for text in texts}
    told |= {np.array(row, kind).tobytes() for row in tokens for kind in (np.int64, np.int32, np.int16)}
    counts = {len(part) for site in made.values() for part in read(site.data, 3, "texts").parts.values()}
    assert counts == {84, 18}
    assert len(post.letters) == 4 * len(OWN)
    for _, sent in post.letters:
        letter = Letter.from_bytes(sent)
        opened = sent + unpacked_text(letter.arrays[TOKENIZER]).encode() if TOKENIZER in letter.arrays else sent
        assert not any(one in opened for one in told)
        assert not any(counts & set(array.shape) for array in letter.arrays.values())
    assert any(one in Letter(kind="x", facts={"a": texts[0]}).to_bytes() for one in told)
    assert any(one in Letter(kind="x", arrays={"a": np.array(tokens[0])}).to_bytes() for one in told)
