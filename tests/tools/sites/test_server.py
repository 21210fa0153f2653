"""One loop between a server and its sites, in one process: models of their own, bytes counted, broken and lying sites, restarts."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from stratos.state.errors import ToolFailed
from stratos.tools.elastic.teaching import Recipe
from stratos.tools.sites.cloud.backbone import build, cut_of
from stratos.tools.sites.cloud.shape import Shape
from stratos.tools.sites.engines.same_process import SameProcess
from stratos.tools.sites.heads.header import new_header
from stratos.tools.sites.learning.examples import Examples, read
from stratos.tools.sites.learning.local import Fitting, bare, right
from stratos.tools.sites.loop.letters import Letter
from stratos.tools.sites.loop.orders import CHOICES, IMPORTANCE, SKETCH, UNITS, WELCOME, Orders, SitePlan
from stratos.tools.sites.loop.server import Outcome, customize
from stratos.tools.sites.loop.similarity import PRIVATE_DIRECTIONS
from stratos.tools.sites.loop.site import AS_SENT, MODEL, Site
from stratos.tools.sites.loop.site_model import load_site_model, take_over
from transformers import AutoModel

from .world import SITES, backbone, bars, orders, plans, sites


@dataclass
class Listening:
    """The post, with every letter kept, and some answers changed on the way."""

    inner: SameProcess
    change: Callable[[str, bytes], bytes | str] = lambda site, answer: answer
    letters: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])

    def exchange(self, letters: Mapping[str, bytes]) -> Iterator[tuple[str, bytes | str]]:
        self.letters += letters.items()
        for site, answer in self.inner.exchange(letters):
            assert isinstance(answer, bytes)
            changed = self.change(site, answer)
            if isinstance(changed, bytes):
                self.letters.append((site, changed))
            yield site, changed


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Listening, dict[str, Site], Path]:
    folder = tmp_path_factory.mktemp("loop")
    made = sites(folder / "sites")
    post = Listening(SameProcess(sites=made))
    return customize(backbone(), plans(), orders, post, folder / "server"), post, made, folder


def test_every_site_gets_a_model_of_its_own_size_that_has_learned(
    done: tuple[Outcome, Listening, dict[str, Site], Path],
) -> None:
    outcome, _, made, _ = done
    assert [site.failed for site in outcome.sites] == ["", "", "", ""]
    for site in outcome.sites:
        own = bare(
            AutoModel.from_pretrained(made[site.plan.name].folder / MODEL, local_files_only=True)
        )  # as anyone would
        assert (own.config.num_attention_heads, own.config.intermediate_size) == (2, 12)
        assert site.facts["bytes"] == 4 * sum(weight.numel() for weight in own.parameters())
    told = [site.facts for site in outcome.sites]
    assert sum(facts["test_right"] for facts in told) / sum(facts["test_items"] for facts in told) > 0.75


def test_a_stored_model_answers_as_the_site_said(done: tuple[Outcome, Listening, dict[str, Site], Path]) -> None:
    outcome, _, made, _ = done
    model, about = load_site_model(made["east"].folder / MODEL)
    told = next(site for site in outcome.sites if site.plan.name == "east").facts
    assert about["names"] == ["bar-2", "bar-3"]
    assert right(model, read(made["east"].data, 3).parts["test"]) == told["test_right"]


def test_no_letter_holds_an_example_or_a_label(done: tuple[Outcome, Listening, dict[str, Site], Path]) -> None:
    """Every letter is opened: no array is of a picture's values in any float, none has a row for each example, no text names a label."""
    _, post, made, _ = done
    rows = np.concatenate([np.load(site.data)["pixels"].reshape(-1, 64) for site in made.values()])
    pictures = {row.astype(kind).tobytes() for row in rows for kind in (np.float16, np.float32, np.float64)}
    counts = {len(part) for site in made.values() for part in read(site.data, 3).parts.values() if len(part) > 30}
    assert min(counts) > 60
    assert len(post.letters) == 4 * len(SITES)
    for _, letter in post.letters:
        assert b"bar-" not in letter
        assert not any(picture[:16] in letter for picture in pictures)
        assert not any(counts & set(array.shape) for array in Letter.from_bytes(letter).arrays.values())


def test_a_picture_in_a_letter_would_be_found(done: tuple[Outcome, Listening, dict[str, Site], Path]) -> None:
    _, _, made, _ = done
    picture = np.load(made["north"].data)["pixels"][0]
    leaked = Letter(kind="x", arrays={"a": np.stack([picture * 0, picture])}).to_bytes()
    assert picture.astype(np.float32).reshape(-1).tobytes()[:16] in leaked


def test_bytes_are_those_of_the_letters(done: tuple[Outcome, Listening, dict[str, Site], Path]) -> None:
    outcome, post, _, _ = done
    assert outcome.meter.total() == sum(len(letter) for _, letter in post.letters)
    assert outcome.meter.bytes["north", "down"] == sum(
        len(letter)
        for site, letter in post.letters
        if site == "north" and Letter.from_bytes(letter).kind in ("welcome", "choices")
    )
    assert outcome.meter.total("up") < 0.2 * sum(np.load(site.data)["pixels"].nbytes for site in done[2].values())


def test_a_server_that_starts_again_asks_nothing_twice(done: tuple[Outcome, Listening, dict[str, Site], Path]) -> None:
    outcome, _, made, folder = done
    again = Listening(SameProcess(sites=made))
    repeated = customize(backbone(), plans(), orders, again, folder / "server")
    assert again.letters == []
    assert repeated == outcome
    assert (
        json.loads((folder / "server" / "loop.json").read_text())["bytes"]["west/up"]
        == outcome.meter.bytes["west", "up"]
    )


def test_a_server_killed_between_the_rounds_goes_on(tmp_path: Path) -> None:
    made = sites(tmp_path / "sites", ("north", "south"))

    class Killed(Listening):
        def exchange(self, letters: Mapping[str, bytes]) -> Iterator[tuple[str, bytes | str]]:
            if Letter.from_bytes(next(iter(letters.values()))).kind != WELCOME:
                raise KeyboardInterrupt
            yield from super().exchange(letters)

    with pytest.raises(KeyboardInterrupt):
        customize(backbone(), plans(("north", "south")), orders, Killed(SameProcess(sites=made)), tmp_path / "server")
    post = Listening(SameProcess(sites=made))
    outcome = customize(backbone(), plans(("north", "south")), orders, post, tmp_path / "server")
    assert {Letter.from_bytes(letter).kind for _, letter in post.letters} == {"choices", "result"}
    assert [site.failed for site in outcome.sites] == ["", ""]


def test_a_server_killed_between_two_answers_keeps_the_first(tmp_path: Path) -> None:
    made = sites(tmp_path / "sites", ("north", "south"))

    class Killed(Listening):
        def exchange(self, letters: Mapping[str, bytes]) -> Iterator[tuple[str, bytes | str]]:
            yield next(super().exchange(letters))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        customize(backbone(), plans(("north", "south")), orders, Killed(SameProcess(sites=made)), tmp_path / "server")
    post = Listening(SameProcess(sites=made))
    customize(backbone(), plans(("north", "south")), orders, post, tmp_path / "server")
    asked = [(site, Letter.from_bytes(letter).kind) for site, letter in post.letters]
    assert ("south", "welcome") in asked
    assert ("north", "welcome") not in asked


def test_a_site_asked_again_answers_from_its_folder(done: tuple[Outcome, Listening, dict[str, Site], Path]) -> None:
    _, post, made, _ = done
    name, sent = post.letters[0]
    answer = next(
        letter for site, letter in post.letters if site == name and Letter.from_bytes(letter).kind == IMPORTANCE
    )
    moved = Site(name=name, data=Path("gone"), folder=made[name].folder)
    assert moved.answer(sent) == answer


def broken(kind: str) -> Callable[[str, bytes], bytes | str]:
    """What the site `west` makes of its answers."""

    def change(site: str, answer: bytes) -> bytes | str:
        letter = Letter.from_bytes(answer)
        if site != "west" or letter.kind != IMPORTANCE:
            return answer
        units, sketch = letter.arrays[UNITS], letter.arrays[SKETCH]
        arrays = {
            "no numbers": {UNITS: units * np.float16("nan"), SKETCH: sketch},
            "another shape": {UNITS: units[:-1], SKETCH: sketch},
            "no sketch": {UNITS: units},
            "a broken sketch": {UNITS: units, SKETCH: sketch * np.float16("inf")},
            "upside down": {UNITS: units.max() - units, SKETCH: sketch},
        }
        if kind == "garbage":
            return b"not a letter"
        if kind == "dead":
            return "it did not answer within 60 s"
        return Letter(kind=letter.kind, arrays=arrays[kind], facts=letter.facts).to_bytes()

    return change


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("no numbers", "importances are no numbers"),
        ("another shape", "it sent an array of shape"),
        ("no sketch", "its answer holds no units or no sketch"),
        ("a broken sketch", "its sketch of its features cannot be used"),
        ("garbage", "it sent 12 bytes that are no letter"),
        ("dead", "it did not answer within 60 s"),
    ],
)
def test_a_broken_site_is_named_and_the_others_get_their_models(kind: str, why: str, tmp_path: Path) -> None:
    names = ("north", "south", "west")
    post = Listening(SameProcess(sites=sites(tmp_path / "sites", names)), broken(kind))
    outcome = customize(backbone(), plans(names), orders, post, tmp_path / "server")
    north, south, west = outcome.sites
    assert (north.failed, south.failed) == ("", "")
    assert why in west.failed + outcome.left_out.get("west", "")
    assert bool(west.failed) == (kind in ("no sketch", "garbage", "dead"))
    assert ("test_right" in west.facts) != bool(west.failed)


def test_a_site_that_lies_is_found_out_and_the_others_choices_are_those_without_it(tmp_path: Path) -> None:
    """Nine of ten sites have the same question, and the tenth sends its importances upside down."""
    names = (*(f"site-{number}" for number in range(9)), "west")

    def choices(of: tuple[str, ...], where: str, change: Callable[[str, bytes], bytes | str]) -> dict[str, bytes]:
        post = Listening(SameProcess(sites=sites(tmp_path / where, of, count=40)), change)
        every = [plan for plan in plans(names) if plan.name in of]
        outcome = customize(backbone(), every, quick, post, tmp_path / f"{where}-server", robust="median")
        assert [site.failed for site in outcome.sites] == [""] * len(of)
        assert set(outcome.left_out) == ({"west"} if "west" in of else set())
        if "west" in of:
            assert outcome.left_out["west"].startswith("its order of units contradicts the others'")
        return {site: letter for site, letter in post.letters if Letter.from_bytes(letter).kind == CHOICES}

    with_it, without = choices(names, "with", broken("upside down")), choices(names[:-1], "without", broken("-"))
    assert {site: with_it[site] for site in without} == without


def quick(plan: SitePlan) -> Orders:
    """As `orders`, without the noise of the sketches, so that two runs can be compared."""
    return orders(plan).model_copy(update={"fit_epochs": 2, "tune_epochs": 0, "noise": 0.0})


def test_a_site_begins_with_what_the_public_header_knows_of_its_labels() -> None:
    public, own = new_header((), 16, 3), new_header((), 16, 2)
    fresh = own.out.weight.detach().clone()
    take_over(own, public, ("bar-1", "new"), ("bar-0", "bar-1", "bar-2"))
    assert own.out.weight[0].equal(public.out.weight[1])
    assert own.out.bias[0].equal(public.out.bias[1])
    assert own.out.weight[1].equal(fresh[1])
    assert own.norm.weight.equal(public.norm.weight)


def test_a_site_keeps_what_was_sent_where_tuning_made_it_worse(tmp_path: Path) -> None:
    """At a rate that ruins whatever it teaches. What is kept is the very cut that the cloud taught, of the size that was chosen."""
    parts = [bars((0, 1, 2, 3, 4, 5), count, seed=count) for count in (300, 60)]
    train, validation = (Examples(pixels=pixels[:, None], labels=drawn.astype(np.intp)) for pixels, drawn in parts)
    shape = Shape(hidden=16, layers=2, heads=4, feed_forward=24, patch=2)
    names = tuple(f"bar-{label}" for label in range(6))
    lessons = Fitting(epochs=12, rate=3e-3), Recipe(steps=60, rate=2e-3)
    elastic = build(train, validation, names, shape, *lessons)
    made = sites(tmp_path / "sites", ("north",))
    told = orders(plans(("north",))[0]).model_copy(update={"rate": 0.3})
    outcome = customize(
        elastic.backbone, plans(("north",)), lambda plan: told, SameProcess(sites=made), tmp_path / "server"
    )
    (site,) = outcome.sites
    assert (site.failed, site.facts["sharpness"]) == ("", AS_SENT)
    for count in ("validation_right", "test_right", "test_items"):
        assert site.facts[count] == site.facts[f"sent_{count}"]
    kept, _ = load_site_model(made["north"].folder / MODEL)
    taught = cut_of(elastic.model, elastic.backbone.importance, site.plan.target)
    for mine, theirs in zip(kept.backbone.parameters(), taught.backbone.parameters(), strict=True):
        assert mine.shape == theirs.shape
        apart, most = (float(each.detach().abs().max()) for each in (mine - theirs, theirs))
        assert apart <= 0.02 * most + 1e-3


def test_where_no_site_can_be_used_the_reasons_are_told(tmp_path: Path) -> None:
    post = Listening(SameProcess(sites=sites(tmp_path / "sites", ("west",))), broken("dead"))
    with pytest.raises(
        ToolFailed, match="no site sent importances that can be used: west: it did not answer within 60 s"
    ):
        customize(backbone(), plans(("west",)), orders, post, tmp_path / "server")


def test_with_privacy_what_is_told_differs_each_time_and_still_serves(tmp_path: Path) -> None:
    """The same site asked twice, from two folders: the noise is its own and not the server's to know."""
    told = orders(plans(("north",))[0]).model_copy(update={"epsilon": 8.0})
    letters: list[Letter] = []
    for number in range(2):
        made = sites(tmp_path / f"sites-{number}", ("north",))
        post = Listening(SameProcess(sites=made))
        outcome = customize(backbone(), plans(("north",)), lambda plan: told, post, tmp_path / f"server-{number}")
        assert outcome.sites[0].failed == ""
        letters += [letter for _, sent in post.letters if (letter := Letter.from_bytes(sent)).kind == IMPORTANCE]
    one, other = (letter.arrays[UNITS].astype(float) for letter in letters)
    assert not np.array_equal(one, other)
    assert np.corrcoef(one, other)[0, 1] > 0.2
    assert not letters[0].arrays[SKETCH][PRIVATE_DIRECTIONS:].any()


def test_a_site_with_a_bad_file_says_which_error_and_no_more(tmp_path: Path) -> None:
    made = sites(tmp_path / "sites", ("north", "west"))
    np.savez(made["west"].data, pixels=np.zeros((3, 8, 8)), labels=["a-secret", "b", "b"])
    post = Listening(SameProcess(sites=made))
    outcome = customize(backbone(), plans(("north", "west")), orders, post, tmp_path / "server")
    assert outcome.sites[1].failed == "it failed: RequestError (its error.txt says more)"
    assert not any(b"a-secret" in letter for _, letter in post.letters)
    assert "fewer than 3 examples of 'a-secret'" in (made["west"].folder / "error.txt").read_text()
