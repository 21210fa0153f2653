"""What a model's folder must hold before it can be tuned, and everything it lacks in one message. It loads no weights."""

import json
from pathlib import Path
from typing import Any, cast

from ...state.errors import Correctable
from ..pairing.chat import read_chat

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"


def check_source(folder: Path, chat_template: Path | None = None) -> None:
    """Raises Correctable naming all that is missing or broken in the folder, and how to mend it."""
    if not folder.is_dir():
        raise Correctable(
            f"model {str(folder)!r} is no folder: name one that holds a checkpoint in Hugging Face format "
            "(config.json, model.safetensors, tokenizer.json)"
        )
    problems = [*lacking(folder, chat_template), *_quantised(folder)]
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise Correctable(f"model {str(folder)!r} cannot be tuned:{listed}")


def lacking(folder: Path, chat_template: Path | None = None) -> list[str]:
    """What a folder misses or holds broken of a checkpoint that can be asked: shape, weights, tokenizer and chat template."""
    return [*_config_problems(folder), *_weight_problems(folder), *_tokenizer_problems(folder, chat_template)]


def lacking_weights(folder: Path) -> list[str]:
    """What a folder misses or holds broken of weights that can be loaded and changed, and their shape."""
    return [*_config_problems(folder), *_weight_problems(folder), *_quantised(folder)]


def _config_problems(folder: Path) -> list[str]:
    config = _object(folder / "config.json")
    if isinstance(config, str):
        return [config]
    known = config.get("model_type")
    return [] if isinstance(known, str) else ["config.json names no model_type, such as 'llama' or 'qwen2'"]


def _quantised(folder: Path) -> list[str]:
    config = _object(folder / "config.json")
    if isinstance(config, str) or not config.get("quantization_config"):
        return []
    return ["its weights are quantised: tune the model it was made from, with method qlora where memory is short"]


def _weight_problems(folder: Path) -> list[str]:
    """Missing, torn and unreadable files of weights."""
    if (folder / INDEX).is_file():
        index = _object(folder / INDEX)
        if isinstance(index, str):
            return [index]
        names = sorted({str(name) for name in cast("dict[str, object]", index.get("weight_map") or {}).values()})
        if not names:
            return [f"{INDEX} names no file of weights: copy it again"]
    else:
        names = [WEIGHTS]
    missing = [name for name in names if not (folder / name).is_file()]
    problems = [f"no {name}, which holds weights: copy it beside config.json" for name in missing]
    if missing == [WEIGHTS] and (others := sorted(path.name for path in folder.glob("*.bin"))):
        problems = [
            f"its weights are in {', '.join(others)}: convert them with save_pretrained of transformers, which writes {WEIGHTS}"
        ]
    return problems + [problem for name in names if name not in missing for problem in _torn(folder / name)]


def _torn(path: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    try:
        opened: Any = safe_open(path, framework="numpy")  # reads the header, and holds the file's length against it
        with opened as file:
            return [] if file.keys() else [f"{path.name} holds no weights: copy it again"]
    except (SafetensorError, OSError) as error:
        return [f"{path.name} is no whole file of weights ({error}): copy it again"]


def _tokenizer_problems(folder: Path, chat_template: Path | None) -> list[str]:
    problems: list[str] = []
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        problems.append("no tokenizer.json: copy the tokenizer's files from where the model came from")
    elif (folder / "tokenizer.json").is_file() and isinstance(broken := _object(folder / "tokenizer.json"), str):
        problems.append(broken)
    if chat_template is not None:
        if not chat_template.is_file():
            problems.append(f"chat_template {str(chat_template)!r} is no file: name a Jinja template, or leave it out")
        return problems
    try:
        if read_chat(folder).template is None:
            problems.append(
                "no chat template (chat_template.jinja, or in tokenizer_config.json): a base model has none; "
                "put one beside config.json as chat_template.jinja, or name one as chat_template in a job file"
            )
    except Correctable as error:
        problems.append(str(error))
    return problems


def _object(path: Path) -> dict[str, Any] | str:
    """The JSON object in a file, or what is wrong with it."""
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"no {path.name}: copy it from where the model came from"
    except (OSError, ValueError) as error:
        return f"{path.name} cannot be read ({error}): copy it again"
    return cast("dict[str, Any]", found) if isinstance(found, dict) else f"{path.name} holds no JSON object"
