"""A decoder that answers: what it learns of an example, what counts as right, and adapters that leave a plain model."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

import copy
import math

import pytest
import torch
from pydantic import ValidationError
from stratos.tools.elastic.units import layout_of
from stratos.tools.sites.cloud.backbone import _from_scratch
from stratos.tools.sites.heads.adapter import PLACEMENTS, AdapterSpec
from stratos.tools.sites.heads.adapter_modules import Adapters
from stratos.tools.sites.learning.examples import Examples
from stratos.tools.sites.learning.local import Fitting, fit, mean_loss, right, tokenizer_of
from stratos.tools.sites.learning.writing import UNCOUNTED, Writer
from stratos.tools.sites.loop.site_model import from_nothing

from .writing_world import SHAPE, examples

ONE_OF_EACH = AdapterSpec(ranks=((2, 0, 4, 0, 8, 0), (0, 2, 0, 4, 0, 8)))


def writer(spec: AdapterSpec | None = None) -> Writer:
    torch.manual_seed(0)
    backbone, text = _from_scratch(examples(100, 1), SHAPE, "texts")
    assert text is not None
    tokenizer = tokenizer_of(text, backbone.config)
    made = Writer(backbone=backbone, tokenizer=tokenizer, spec=spec or AdapterSpec(), max_tokens=SHAPE.max_tokens)
    made.train(False)
    return made


def test_an_answer_and_its_end_are_learned_and_nothing_else() -> None:
    made, few = writer(), examples(3, 2)
    lesson = made.lesson(few)
    for ids, labels, prompt, answer in zip(lesson["input_ids"], lesson["labels"], few.texts, few.answers, strict=True):
        learned = ids[labels != UNCOUNTED]
        assert learned.equal(labels[labels != UNCOUNTED])
        assert made.tokenizer.decode(learned) == answer + "<end>"
        before = ids[: int((labels != UNCOUNTED).int().argmax())]
        assert made.tokenizer.decode(before) == prompt + "\n"


def test_the_loss_is_the_mean_of_each_examples_own() -> None:
    made, few = writer(), examples(4, 2)
    each: list[float] = []
    for row in range(4):
        lesson = made.lesson(few.take([row]))
        each.append(made.backbone(**lesson).loss.item())
    assert mean_loss(made, few) == pytest.approx(sum(each) / 4, rel=1e-4)
    with torch.no_grad():
        counted = len(made.written(few.answers[:1])[0])
        assert made.chance(few.texts[0], few.answers[0]) == pytest.approx(math.exp(-counted * each[0]), rel=1e-3)


def test_what_it_learned_it_writes_alone_and_among_others() -> None:
    made, few = writer(), examples(40, 2)
    fit(made, few, Fitting(epochs=80, batch=8, rate=5e-3))
    found = right(made, few)
    assert found > 30
    alone = [made.answers([text])[0] for text in few.texts]
    assert sum(one == answer for one, answer in zip(alone, few.answers, strict=True)) == found
    spaced = Examples.answered([f" {text}" for text in few.texts], [f" {answer}\n" for answer in few.answers])
    assert right(made, spaced) == found
    assert right(made, Examples.answered(few.texts, [f"{answer}s" for answer in few.answers])) == 0


def test_a_long_prompt_keeps_its_end_and_a_long_answer_its_beginning() -> None:
    made = writer()
    (prompt,), (answer,) = made.prompts(["x" * 100 + " the owl"]), made.written(["y" * 100])
    assert len(prompt) == len(answer) == SHAPE.max_tokens
    assert made.tokenizer.decode(prompt).endswith(" the owl\n")
    assert answer[-1] == made.tokenizer.eos_token_id


def test_an_adapter_learns_alone_and_leaves_a_plain_model() -> None:
    made, some = writer(ONE_OF_EACH), examples(40, 2)
    before = copy.deepcopy(made.backbone)
    names = [name for name, _ in before.named_parameters()]
    with made.adapted():
        assert sum(weight.numel() for weight in made.parameters()) < 0.3 * sum(w.numel() for w in before.parameters())
        first = mean_loss(made, some)
        fit(made, some, Fitting(epochs=5, rate=5e-3))
        learned = mean_loss(made, some)
    assert learned < first
    assert mean_loss(made, some) == pytest.approx(learned, rel=1e-4)
    changed = {
        name
        for name, weight in made.backbone.named_parameters()
        if not weight.equal(before.get_parameter(name)) and weight.requires_grad
    }
    projections = {0: ("q_proj", "v_proj", "gate_proj", "up_proj"), 1: ("k_proj", "o_proj", "down_proj")}
    ends = [
        f"layers.{layer}.{block}.{name}.weight"
        for layer in (0, 1)
        for name in projections[layer]
        for block in ("mlp" if name in ("gate_proj", "up_proj", "down_proj") else "self_attn",)
    ]
    assert changed == {f"model.{end}" for end in ends}
    assert [name for name, _ in made.backbone.named_parameters()] == names


def test_a_lower_rank_is_the_leading_part_of_a_higher() -> None:
    high, low = writer(), writer()
    low.backbone.load_state_dict(high.backbone.state_dict())
    bank = Adapters(high.backbone, AdapterSpec(ranks=((4,) * len(PLACEMENTS),)))
    small = Adapters(low.backbone, AdapterSpec(ranks=((2,) * len(PLACEMENTS),)))
    with torch.no_grad():
        for mine, others in zip(small.parameters(), bank.parameters(), strict=True):
            others.normal_(std=0.1)
            mine.copy_(others[tuple(slice(0, size) for size in mine.shape)])
    some = examples(10, 3)
    whole = mean_loss(high, some)
    bank.use(AdapterSpec(ranks=((2,) * len(PLACEMENTS),)))
    assert mean_loss(high, some) == pytest.approx(mean_loss(low, some), rel=1e-5)
    assert whole != pytest.approx(mean_loss(low, some), rel=1e-3)


def test_layers_are_dealt_to_the_groups_and_an_empty_adapter_is_none() -> None:
    ranks = ONE_OF_EACH.at(layout_of(writer().backbone))
    assert ranks["model.layers.0.self_attn.q_proj"] == 2
    assert ranks["model.layers.1.self_attn.q_proj"] == 0
    assert (ranks["model.layers.0.mlp.gate_proj"], ranks["model.layers.1.mlp.down_proj"]) == (8, 8)
    with pytest.raises(ValidationError, match="a rank above 0 somewhere"):
        AdapterSpec(ranks=((0,) * 6,))
    with pytest.raises(ValidationError, match="every group has 6 ranks of 0 to 16"):
        AdapterSpec(ranks=((8, 17),))


def test_the_control_begins_from_other_weights_of_the_same_shape_and_trains_them_all() -> None:
    made = writer()
    fresh = from_nothing(made, 0, seed=5)
    pairs = zip(made.backbone.parameters(), fresh.backbone.parameters(), strict=True)
    assert all(one.shape == other.shape for one, other in pairs)
    assert len(fresh.parameters()) == len(list(fresh.backbone.parameters()))
    assert not fresh.backbone.model.embed_tokens.weight.equal(made.backbone.model.embed_tokens.weight)
