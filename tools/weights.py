"""The hash by which a model's weights are known again."""

import hashlib
from pathlib import Path

from .generation import file_sha256


def weights_sha256(folder: Path) -> str:
    """SHA-256, hexadecimal, of a model folder's only safetensors file; of several, that of the lines `sha256sum` prints for them in
    the order of their names. Empty where there is none."""
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        return file_sha256(files[0])
    lines = "".join(f"{file_sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest() if files else ""
