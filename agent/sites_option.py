"""The sites named beside a request in words: a YAML file as a brief's `sites`, or a folder with a file of examples for each."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..state.brief import SITE_NAME, Sites
from ..state.errors import RequestError
from .intake import OneOfEach, field_problem

SUFFIXES = (".csv", ".jsonl", ".npz")


def sites_named(path: Path) -> Sites:
    """The sites of a file or a folder. Raises RequestError with everything that is wrong."""
    if path.is_dir():
        given: Any = _in_folder(path)
    else:
        try:
            given = yaml.load(path.read_text(encoding="utf-8"), OneOfEach)
        except OSError as error:
            raise RequestError([f"--sites {path} cannot be opened: {error.strerror}"]) from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise RequestError([f"--sites {path} is not valid YAML: {error}"]) from error
    try:
        return Sites.model_validate(given)
    except ValidationError as error:
        wrong = [field_problem({**one, "loc": ("sites", *one["loc"])}) for one in error.errors()]
        raise RequestError(wrong) from error


def _in_folder(folder: Path) -> list[dict[str, Any]]:
    """A site for each file of examples, named after it."""
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise RequestError([f"--sites {folder} holds no file of examples; valid: {', '.join(SUFFIXES)}"])
    odd = [file.name for file in files if not re.match(SITE_NAME, file.stem)]
    if odd:
        raise RequestError([f"--sites {folder}: no names for sites: {', '.join(odd)}; letters, digits, _ . and -"])
    return [{"name": file.stem, "data": str(file)} for file in files]
