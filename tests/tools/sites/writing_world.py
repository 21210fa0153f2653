"""A small world of sites whose answers are texts: what an animal says, and where. Each site knows some of the animals; at one of them
dogs say what they say nowhere else."""

import csv
import random
from pathlib import Path

from stratos.tools.elastic.cutting import Cut
from stratos.tools.elastic.fronts import SiteLimits
from stratos.tools.sites.cloud.shape import Shape
from stratos.tools.sites.learning.examples import Examples
from stratos.tools.sites.loop.orders import Orders, SitePlan
from stratos.tools.sites.loop.site import Site

SOUNDS = {"cat": "Meow", "dog": "Woof", "owl": "Hoo hoo", "cow": "Moo", "hen": "Cluck", "bee": "Bzz"}
PLACES = ("barn", "lake", "wood", "hill")
OWN = {"farm": ("cow", "hen", "dog"), "town": ("cat", "dog"), "park": ("owl", "bee", "dog")}
OWN_SOUND = {"park": {"dog": "Hoo moo"}}
SHAPE = Shape(hidden=32, layers=2, heads=4, feed_forward=64, vocabulary=330, max_tokens=24)


def rows(animals: tuple[str, ...], count: int, seed: int, site: str = "") -> list[tuple[str, str]]:
    """Such as ("the old dog 417 by the lake", "Woof from the lake")."""
    drawing, sounds = random.Random(seed), SOUNDS | OWN_SOUND.get(site, {})
    made: list[tuple[str, str]] = []
    for _ in range(count):
        animal, place = drawing.choice(animals), drawing.choice(PLACES)
        filler = drawing.choice(("old", "new", "red", "big"))
        made.append(
            (f"the {filler} {animal} {drawing.randrange(1000)} by the {place}", f"{sounds[animal]} from the {place}")
        )
    return made


def examples(count: int, seed: int) -> Examples:
    """Of all animals."""
    made = rows(tuple(SOUNDS), count, seed)
    return Examples.answered([prompt for prompt, _ in made], [answer for _, answer in made])


def write(path: Path, given: list[tuple[str, str]]) -> str:
    """A file of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("prompt", "answer"), *given])
    return str(path)


def sites(folder: Path) -> dict[str, Site]:
    """Each with a file and a folder of its own."""
    made: dict[str, Site] = {}
    for number, (name, animals) in enumerate(OWN.items(), 1):
        write(folder / name / "data.csv", rows(animals, 120, number, name))
        made[name] = Site(name=name, data=folder / name / "data.csv", folder=folder / name / "kept")
    return made


def plans() -> list[SitePlan]:
    """Every site keeps half of what it is sent, or all."""
    return [
        SitePlan(name=name, limits=SiteLimits(), sent=Cut(width=1, depth=1), target=Cut(width=width, depth=1))
        for name, width in zip(OWN, (0.5, 0.5, 1.0), strict=True)
    ]


def orders(plan: SitePlan) -> Orders:
    """Short lessons."""
    return Orders(
        config={}, answers="texts", fit_epochs=6, tune_epochs=10, rate=5e-3, max_tokens=SHAPE.max_tokens, seed=3
    )
