"""Public examples that are pictures: taken once at the start of a run, split, and kept in its folder as texts are by `given_data`."""

import shutil
from pathlib import Path

import numpy as np

from ....state.errors import RequestError
from ....state.run import GivenFacts, Split
from ...generate_data import DEVELOPMENT
from ...generation import file_sha256
from ...given_data import GIVEN_FOLDER
from ..learning.examples import IMAGES, images

TRAIN = "train"
HELD_OUT_SHARE, FEWEST_HELD_OUT = 0.1, 10
MOST_PATCHES = 64


def are_pictures(name: str) -> bool:
    """Whether a file of examples holds pictures."""
    return Path(name).suffix == IMAGES


def take_pictures(path: Path, run_folder: Path, *, seed: int, held_out_items: int) -> GivenFacts:
    """Reads the file into the run's folder. Raises RequestError, keeping nothing, with what is wrong with it."""
    try:
        _, pixels, labels = images(path)
    except (OSError, ValueError) as error:
        raise RequestError([f"{path} cannot be read: {error}"]) from error
    names = sorted(set(labels))
    held = min(held_out_items, round(HELD_OUT_SHARE * len(labels)))
    if len(names) < 2 or held < FEWEST_HELD_OUT:
        raise RequestError(
            [
                f"{path}: {len(labels)} pictures of {len(names)} labels; at least two labels and "
                f"{round(FEWEST_HELD_OUT / HELD_OUT_SHARE)} pictures are needed, as a tenth is kept apart"
            ]
        )
    order = np.random.default_rng(seed).permutation(len(labels))
    folder = run_folder / GIVEN_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = {DEVELOPMENT: order[:held], TRAIN: order[held:]}
    for name, rows in parts.items():
        np.savez(folder / f"{name}{IMAGES}", pixels=pixels[rows], labels=np.array(labels)[rows])
    development = folder / f"{DEVELOPMENT}{IMAGES}"
    return GivenFacts(
        folder=GIVEN_FOLDER,
        rows=len(labels),
        train=len(parts[TRAIN]),
        train_sha256=file_sha256(folder / f"{TRAIN}{IMAGES}"),
        splits=(
            Split(
                name=DEVELOPMENT,
                path=f"{GIVEN_FOLDER}/{development.name}",
                n=held,
                sha256=file_sha256(development),
            ),
        ),
        metric="choice",
        choices=len(names),
        with_rationales=False,
        vocabulary=0,
        notes=(),
    )


def public_files(folder: Path) -> tuple[Path, Path]:
    """What a backbone learns from and what it is measured on, of pictures or of texts, in a run's folder of given examples."""
    kind = IMAGES if (folder / f"{TRAIN}{IMAGES}").is_file() else ".jsonl"
    return folder / f"{TRAIN}{kind}", folder / f"{DEVELOPMENT}{kind}"


def patch_of(side: int) -> int:
    """Pixels a side of a patch, so that a picture has at most MOST_PATCHES."""
    ways = [patch for patch in range(2, side + 1) if side % patch == 0 and (side // patch) ** 2 <= MOST_PATCHES]
    return min(ways, default=side)
