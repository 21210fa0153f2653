"""Asks a site's own model, where its folder is."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path

import numpy as np

from ...state.errors import RequestError
from .examples import Examples


def answers(folder: Path, text: str) -> list[tuple[str, float]]:
    """The labels that the model in the folder knows with their probabilities, the most likely first; or the text that it writes, with
    the chance that it gives to it.

    Raises RequestError for a model of pictures, FileNotFoundError where the folder holds none.
    """
    import torch
    from transformers.utils import logging

    from .models import load_site_model
    from .writing import Writer

    logging.disable_progress_bar()
    model, about = load_site_model(folder)
    if isinstance(model, Writer):
        with torch.no_grad():
            (written,) = model.answers((text,))
            return [(written, model.chance(text, written))]
    if model.tokenizer is None:
        raise RequestError([f"the model in {folder} knows pictures, not texts"])
    asked = Examples(texts=(text,), labels=np.zeros(1, dtype=np.intp))
    with torch.no_grad():
        shares = torch.softmax(model.logits(asked)[0], dim=-1).tolist()
    return sorted(zip(about["names"], shares, strict=True), key=lambda pair: -pair[1])
