"""A small world of sites: images of 8 x 8 pixels whose label is where the bright bar lies, a tiny vision transformer, and boxes."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import numpy as np
import torch
from stratos.tools.elastic.cutting import Cut, reorder
from stratos.tools.elastic.fronts import SiteLimits
from stratos.tools.elastic.importance import Importance, measure
from stratos.tools.elastic.units import layout_of
from stratos.tools.sites.loop.orders import Orders, SitePlan
from stratos.tools.sites.loop.server import Backbone
from stratos.tools.sites.loop.site import Site
from transformers import ViTConfig, ViTModel

SITES = ("north", "south", "east", "west")
LABELS = {"north": (0, 1), "south": (0, 1), "east": (2, 3), "west": (3, 4, 5)}


def bars(labels: tuple[int, ...], count: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Noise with a bright column (labels 0 to 2) or row (3 to 5)."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice(labels, count)
    pixels = rng.normal(scale=0.7, size=(count, 8, 8)).astype(np.float32)
    for image, label in zip(pixels, drawn, strict=True):
        place = slice(2 * (label % 3), 2 * (label % 3) + 2)
        if label < 3:
            image[:, place] += 1.5
        else:
            image[place, :] += 1.5
    return pixels, drawn


def backbone() -> Backbone:
    """Random weights in order of importance for a made-up question."""
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        image_size=8,
        patch_size=2,
        num_channels=1,
    )
    model = ViTModel(config, add_pooling_layer=False).eval()
    layout = layout_of(model)
    pixels, _ = bars((0, 1, 2, 3, 4, 5), 32, seed=1)
    some = torch.from_numpy(pixels[:, None])

    def loss_of(batch: Any) -> tuple[Any, int]:
        return model(pixel_values=batch).last_hidden_state[:, 0].pow(2).sum(), len(batch)

    found = measure(model, layout, [some], loss_of)
    ordered = reorder(model, found)
    return Backbone(model=ordered, importance=ordered_importance(found, layout.layers))


def ordered_importance(found: Importance, layers: int) -> Importance:
    """The same values in the order that a reordered model has its units in."""
    heads = np.concatenate([found.heads[layer].ordered_groups().reshape(-1) for layer in range(layers)])
    neurons = np.concatenate([found.neurons[layer][list(found.ordered(layer).neurons)] for layer in range(layers)])
    shape = found.heads[0].values.shape
    blocks = heads.reshape(layers, *shape)
    return Importance(
        heads=tuple(type(found.heads[0])(values=block) for block in blocks), neurons=neurons.reshape(layers, -1)
    )


def sites(folder: Path, names: tuple[str, ...] = SITES, count: int = 97) -> dict[str, Site]:
    """Each with a file and a folder of its own."""
    made: dict[str, Site] = {}
    for number, name in enumerate(names):
        pixels, labels = bars(LABELS.get(name, (0, 1, 2)), count, seed=10 + number)
        home = folder / name
        home.mkdir(parents=True)
        np.savez(home / "data.npz", pixels=pixels, labels=[f"bar-{label}" for label in labels])
        made[name] = Site(name=name, data=home / "data.npz", folder=home / "kept")
    return made


def plans(names: tuple[str, ...] = SITES) -> list[SitePlan]:
    """Two sizes of box; every site keeps two thirds of the units it is sent, or half."""
    sizes = {0: (1.0, 0.5), 1: (0.75, 0.5)}
    return [
        SitePlan(
            name=name,
            limits=SiteLimits(),
            sent=Cut(width=sizes[number % 2][0], depth=1),
            target=Cut(width=sizes[number % 2][1], depth=1),
        )
        for number, name in enumerate(names)
    ]


def orders(plan: SitePlan) -> Orders:
    """Short lessons."""
    return Orders(config={}, fit_epochs=6, tune_epochs=3, rate=3e-3, seed=3)
