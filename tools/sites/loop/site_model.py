"""A site's model of either kind: as it comes in a letter, lies in a folder, and begins from nothing. Imports torch at its top."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...jobs import write_atomic
from ..heads.adapter import AdapterSpec
from ..heads.header import HeaderSpec, new_header
from ..learning.local import SiteModel, bare, tokenizer_of
from ..learning.writing import Writer
from .letters import Letter, unpacked_text, unpacked_weights
from .orders import HEADER, LABELS, TOKENIZER, Orders
from .site_folder import ABOUT_FILE

HEADER_FILE, TOKENIZER_FILE = "header.safetensors", "tokenizer.json"

AnyModel = SiteModel | Writer


def unpacked(letter: Letter, orders: Orders, names: Sequence[str]) -> AnyModel:
    """The model that was sent: a decoder, or a backbone with a header for the site's own labels."""
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    config = AutoConfig.for_model(**orders.config)
    packed = letter.arrays.get(TOKENIZER)
    tokenizer = None if packed is None else tokenizer_of(unpacked_text(packed), config)
    torch.manual_seed(orders.seed)
    if orders.answers == "texts":
        decoder = AutoModelForCausalLM.from_config(config)
        _filled(letter, orders, decoder, None)
        return Writer(backbone=decoder, tokenizer=tokenizer, spec=orders.adapter, max_tokens=orders.max_tokens)
    public: list[str] = json.loads(unpacked_text(letter.arrays[LABELS])) if LABELS in letter.arrays else []
    backbone = bare(AutoModel.from_config(config))
    header = new_header(orders.header.parts(), config.hidden_size, len(names))
    taught = new_header((), config.hidden_size, len(public)) if public else None
    _filled(letter, orders, backbone, taught)
    if taught is not None:
        take_over(header, taught, names, public)
    return SiteModel(
        backbone=backbone, header=header, spec=orders.header, tokenizer=tokenizer, max_tokens=orders.max_tokens
    )


def _filled(letter: Letter, orders: Orders, backbone: Any, taught: Any | None) -> None:
    """Puts the weights of the letter into the backbone, and into the public header where that was sent."""
    shapes = {name: tuple(weight.shape) for name, weight in backbone.named_parameters()}
    if taught is not None:
        shapes |= {f"{HEADER}.{name}": tuple(weight.shape) for name, weight in taught.named_parameters()}
    weights = {
        name: torch.from_numpy(array) for name, array in unpacked_weights(letter.arrays, shapes, orders.bits).items()
    }
    backbone.load_state_dict({name: weights[name] for name, _ in backbone.named_parameters()}, strict=False)
    if taught is not None:
        taught.load_state_dict({name: weights[f"{HEADER}.{name}"] for name, _ in taught.named_parameters()})


def take_over(header: Any, taught: Any, names: Sequence[str], public: Sequence[str]) -> None:
    """Copies the norms and pools of a header, and its rows of the labels that both know."""
    place = {name: row for row, name in enumerate(public)}
    with torch.no_grad():
        for name, weight in taught.named_parameters():
            mine = header.get_parameter(name)
            if name.startswith("out."):
                for row, label in enumerate(names):
                    if label in place:
                        mine[row] = weight[place[label]]
            else:
                mine.copy_(weight)


def from_nothing(like: AnyModel, classes: int, seed: int) -> AnyModel:
    """A model of the same shape with random weights, all of which are trained."""
    torch.manual_seed(seed)
    backbone = bare(type(like.backbone)(like.backbone.config))
    fresh = like.over(backbone)
    if isinstance(fresh, SiteModel):
        fresh.header = new_header(fresh.spec.parts(), backbone.config.hidden_size, classes)
    return fresh


def save(model: AnyModel, folder: Path, about: dict[str, Any]) -> None:
    """Writes a plain Hugging Face folder, a header beside it; `site.json` is written last."""
    from safetensors.torch import save_file
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.backbone.save_pretrained(folder)
    if model.tokenizer is not None:
        model.tokenizer.save_pretrained(folder)
    said = about | {"max_tokens": model.max_tokens}
    if isinstance(model, SiteModel):
        save_file(model.header.state_dict(), folder / HEADER_FILE)
        said["header"] = model.spec.model_dump(mode="json")
    else:
        said["adapter"] = model.spec.model_dump(mode="json")
    write_atomic(folder / ABOUT_FILE, json.dumps(said, ensure_ascii=False, indent=1))


def load_site_model(folder: Path) -> tuple[AnyModel, dict[str, Any]]:
    """A site's stored model, and what is known of it. Raises FileNotFoundError where the folder holds none."""
    from transformers import AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

    about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    has_tokenizer = (folder / TOKENIZER_FILE).exists()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True) if has_tokenizer else None
    model: AnyModel
    if "adapter" in about:
        decoder = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        spec = AdapterSpec.model_validate(about["adapter"])
        model = Writer(backbone=decoder, tokenizer=tokenizer, spec=spec, max_tokens=about["max_tokens"])
    else:
        model = _labelling(folder, about, bare(AutoModel.from_pretrained(folder, local_files_only=True)), tokenizer)
    model.train(False)
    return model, about


def _labelling(folder: Path, about: dict[str, Any], backbone: Any, tokenizer: Any | None) -> SiteModel:
    from safetensors.torch import load_file

    spec = HeaderSpec.model_validate(about["header"])
    header = new_header(spec.parts(), backbone.config.hidden_size, len(about["names"]))
    header.load_state_dict(load_file(folder / HEADER_FILE))
    return SiteModel(backbone=backbone, header=header, spec=spec, tokenizer=tokenizer, max_tokens=about["max_tokens"])
