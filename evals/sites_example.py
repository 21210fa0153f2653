"""Writes an example for `stratos customize`: the files of many sites, what is public, and a brief that names them.

scikit-learn's digits for five sites, or questions to a bank for ten where the folder of BANKING77 is named: the worlds of the `acme` eval.
"""

import argparse
from pathlib import Path

import yaml

from .acme_worlds import SPLITS, World, banking77, digits

DIGITS_BOXES, TEXT_BOXES = (0.03, 0.1, 0.2, None, None), (1, 2, 4, None, None)
"""MiB that the sites' boxes hold, in turn."""


def write(world: World, folder: Path) -> Path:
    """The brief's file, with all that it names beside it."""
    files = world.write(folder)
    boxes = TEXT_BOXES if world.public.pixels is None else DIGITS_BOXES
    each = [
        {"name": name, "data": str(file.absolute())}
        | ({"max_mib": most} if (most := boxes[number % len(boxes)]) else {})
        for number, (name, file) in enumerate(files.items())
    ]
    fit, tune = world.epochs
    family = {"hidden": world.shape.hidden, "layers": world.shape.layers, "fit_epochs": fit, "tune_epochs": tune}
    brief = {
        "request": f"a model for each of {len(each)} sites",
        "data": {"path": str(world.write_public(folder).absolute())},
        "sites": {"each": each, "family": family},
        "targets": {"accuracy": 0.9, "accuracy_rule": "point_estimate"},
        "limits": {"usd": 0, "hours": 1},
    }
    path = folder / "brief.yaml"
    path.write_text(yaml.safe_dump(brief, sort_keys=False), encoding="utf-8")
    return path


def main() -> None:
    """Writes the example and says what to do with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--banking77", type=Path, default=None, help="its folder, with train.csv and test.csv; default: digits"
    )
    parser.add_argument("--split", choices=SPLITS, default="third", help="how alike the sites are")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    bank = options.banking77
    world = banking77(bank, options.seed, options.split) if bank else digits(options.seed, options.split)
    print(f"stratos customize {write(world, options.folder)}")


if __name__ == "__main__":
    main()
