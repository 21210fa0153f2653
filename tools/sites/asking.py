"""Asks a site's own model, where its folder is."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...state.errors import RequestError
from .cloud.pictures import are_pictures
from .learning.examples import IMAGES, Examples, as_pixels


def answers(folder: Path, text: str) -> list[tuple[str, float]]:
    """The labels that the model in the folder knows with their probabilities, the most likely first; or the text that it writes, with
    the chance that it gives to it. A model of pictures is asked by the path of an .npz file with one in `pixels`.

    Raises RequestError where there is no such file or nothing is asked, FileNotFoundError where the folder holds no model.
    """
    import torch
    from transformers.utils import logging

    from .learning.writing import Writer
    from .loop.site_model import load_site_model

    if not text.strip():
        raise RequestError(["nothing is asked"])
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    model, about = load_site_model(folder)
    if isinstance(model, Writer):
        with torch.no_grad():
            (written,) = model.answers((text,))
            return [(written, model.chance(text, written))]
    label = np.zeros(1, dtype=np.intp)
    asked = _picture(text, label) if model.tokenizer is None else Examples(texts=(text,), labels=label)
    with torch.no_grad():
        shares = torch.softmax(model.logits(asked)[0], dim=-1).tolist()
    return sorted(zip(about["names"], shares, strict=True), key=lambda pair: -pair[1])


def _picture(path: str, label: NDArray[np.intp]) -> Examples:
    if not (are_pictures(path) and Path(path).is_file()):
        raise RequestError(
            [f"the model knows pictures, not texts: name an {IMAGES} file with one in `pixels`, not {path!r}"]
        )
    with np.load(path, allow_pickle=False) as file:
        pixels = file["pixels"] if "pixels" in file else np.zeros(0)
    found = as_pixels(pixels if pixels.ndim > 2 else pixels[None])
    if found.ndim != 4 or len(found) != 1:
        raise RequestError([f"{path}: `pixels` of shape {pixels.shape!r} is not one picture"])
    return Examples(pixels=found, labels=label)
