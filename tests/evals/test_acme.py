"""The acme eval: who gets which data, what boxes allow, FedAvg's mean by hand, and what counts as outside the noise."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from stratos.evals import sites_example
from stratos.evals.acme import _plan
from stratos.evals.acme_baselines import Reached, _mean, joined
from stratos.evals.acme_claims import Ran, claims, mean_interval
from stratos.evals.acme_worlds import SPLITS, Split, digits, limits
from stratos.state.brief import Brief
from stratos.tools.elastic.cutting import Cut
from stratos.tools.sites.checking import wrong_with_sites
from stratos.tools.sites.cloud.backbone import Shape, _image_backbone
from stratos.tools.sites.heads.header import HeaderSpec, new_header
from stratos.tools.sites.learning.examples import Examples, read, split
from stratos.tools.sites.learning.local import SiteModel


@pytest.mark.parametrize(("kind", "labels"), [("alike", 10), ("two thirds", 6), ("third", 4), ("apart", 2)])
def test_sites_get_their_share_of_the_labels_and_no_row_twice(kind: Split, labels: int) -> None:
    world = digits(0, kind)
    counts = [len(set(examples.labels)) for examples in world.sites.values()]
    assert max(counts) - min(counts) <= 1
    assert labels in counts
    every = joined([world.public, world.validation, *world.sites.values()])
    assert every.pixels is not None
    # scikit-learn's digits hold no picture twice, so rows can be told by their pixels.
    assert len(np.unique(every.pixels.reshape(len(every), -1), axis=0)) == len(every) == 1797
    if kind == "apart":
        owners = [set(examples.labels.tolist()) for examples in world.sites.values()]
        assert sum(map(len, owners)) == len(set[int]().union(*owners)) == 10


def test_seeds_and_splits_deal_anew_and_the_same_deal_the_same() -> None:
    first = digits(0, "third").sites["site-0"].labels.tolist()
    assert first == digits(0, "third").sites["site-0"].labels.tolist()
    assert first != digits(1, "third").sites["site-0"].labels.tolist()
    assert len(SPLITS) == 4


def test_a_site_reads_what_the_baselines_are_given(tmp_path: Path) -> None:
    """The same rows in the same parts, so that all ways are judged by the same examples."""
    world = digits(2, "third")
    path = world.write(tmp_path)["site-3"]
    own, given = read(path, seed=2), split(world.sites["site-3"], seed=2)
    for part in ("train", "validation", "test"):
        names = [int(own.names[label]) for label in own.parts[part].labels]
        assert names == given[part].labels.tolist()
        assert np.array_equal(np.asarray(own.parts[part].pixels), np.asarray(given[part].pixels))


def test_the_example_is_a_brief_whose_files_can_be_worked_with(tmp_path: Path) -> None:
    world = digits(0, "third")
    given = yaml.safe_load(sites_example.write(world, tmp_path).read_text())
    given["sites"]["engine"] = "here"
    brief = Brief.model_validate(given | {"skill": "intents", "task": "answer"})
    assert wrong_with_sites(brief) == []
    assert brief.sites is not None
    assert [site.max_mib for site in brief.sites.each] == [0.03, 0.1, 0.2, None, None]
    with np.load(tmp_path / "public.npz") as public:
        assert len(public["labels"]) == len(world.public) + len(world.validation)


def test_boxes_lie_between_the_smallest_cut_and_the_whole() -> None:
    found = limits(100, 1100, [f"site-{number}" for number in range(6)])
    assert list(found.values()) == [120, 200, 400, 700, 1100, 120]


def test_what_is_sent_is_one_width_more_than_stays() -> None:
    assert _plan("a", 9, Cut(width=0.25, depth=0.5)).sent == Cut(width=0.5, depth=0.5)
    assert _plan("a", 9, Cut(width=1, depth=0.5)).sent == Cut(width=1, depth=0.5)


def test_bytes_of_pictures_are_one_a_pixel() -> None:
    world = digits(0, "alike")
    assert world.public.bytes == len(world.public) * (64 + 2)
    texts = Examples(texts=("né", "b"), labels=np.array([0, 1]))
    assert texts.bytes == 3 + 1 + 4


def test_an_average_of_weights_counts_examples() -> None:
    """Three of one and one of another: (3 x 1 + 5) / 4 = 2."""
    train = Examples(pixels=np.zeros((2, 1, 8, 8), dtype=np.float32), labels=np.array([0, 1]))
    shape = Shape(hidden=16, layers=1, heads=2, feed_forward=8)
    spec = HeaderSpec()
    model = SiteModel(backbone=_image_backbone(train, shape), header=new_header([], 16, 2), spec=spec, tokenizer=None)
    trained: dict[str, SiteModel] = {}
    for site, value in (("a", 1.0), ("b", 5.0)):
        trained[site] = copy.deepcopy(model)
        with torch.no_grad():
            for weight in trained[site].parameters():
                weight.fill_(value)
    mean = _mean(model, trained, {"a": 3, "b": 1})
    assert {weight.min().item() for weight in mean.parameters()} == {2.0}
    assert {weight.max().item() for weight in mean.parameters()} == {2.0}


def test_an_interval_over_three_seeds_by_hand() -> None:
    """Deviation 1, over the root of 3, times 4.30."""
    found = mean_interval([1.0, 2.0, 3.0])
    assert found == pytest.approx((2 - 4.30 / 3**0.5, 2 + 4.30 / 3**0.5))
    assert mean_interval([1.0]) is None


def ran(seed: int, ours: int, uniform: int) -> Ran:
    def way(right: int, data: int = 100) -> Reached:
        return Reached(right={"a": right}, items={"a": 100}, up_bytes=data, down_bytes=data)

    ways = {
        "own models": way(ours, 5),
        "uniform": way(uniform),
        "each its own importances": way(ours),
        "central": way(90),
        "one for all": way(70),
        "alone from nothing": way(60),
        "FedAvg, our bytes": way(50),
    }
    scores = {"trade_off": 0.6, "accuracy": 0.5, "size": -0.1, "random": 0.4, "grid": 0.6}
    return Ran(world="w", split="third", seed=seed, reached=ways, trade_off=scores)


def test_goals_are_met_by_what_was_measured() -> None:
    found = {claim.name.split(": ")[1]: claim for claim in claims([ran(0, 90, 85), ran(1, 91, 86), ran(2, 89, 84)])}
    assert found["own models less one for all"].met
    assert found["own models less central"].met
    assert found["own models less uniform"].met
    assert not found["own models less each its own importances"].met
    assert (found["bytes over central's"].value, found["bytes over central's"].met) == (5.0, True)
    assert not found["trade-off score (0.60) less accuracy's (0.50)"].met
    assert found["trade-off score (0.60) less size's (-0.10)"].met
    assert found["trade-off score (0.60) less random's (0.40)"].met
    assert found["trade-off score less the grid's"].met
    worse = {claim.name.split(": ")[1]: claim for claim in claims([ran(0, 75, 85)])}
    assert not worse["own models less one for all"].met
    assert not worse["own models less central"].met
