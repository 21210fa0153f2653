"""A program of its own that fetches gpuhunt's published catalogues over the network and leaves them as files, one for each provider.

`python -m stratos.tools.pricing.gpuhunt_fetch FOLDER`. A provider that cannot be fetched keeps the file it had; it exits with 1 when
none could be.
"""

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

from ...state.errors import NotAvailable
from .gpuhunt_files import COLUMNS, package

EXTRA_COLUMNS = ("disk_size", "gpu_vendor", "flags", "cpu_arch", "provider_data")


def main(folder: Path) -> int:
    """Fetches all that can be; prints one line for each provider. The exit code."""
    try:
        gpuhunt = package()
    except NotAvailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    catalogue = gpuhunt.Catalog(balance_resources=False, auto_reload=False)
    try:
        catalogue.load()
    except gpuhunt.GPUHuntError as error:
        sys.stderr.write(f"{error}: {error.__cause__}\n")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for provider, fetched in sorted(catalogue.catalog.items()):
        _write(folder / f"{provider}.csv", fetched.items)
        sys.stdout.write(f"{provider}: {len(fetched.items)} offers of version {fetched.version}\n")
    return 0


def _write(path: Path, items: list[Any]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*COLUMNS, *EXTRA_COLUMNS))
        writer.writerows([_value(getattr(item, column)) for column in (*COLUMNS, *EXTRA_COLUMNS)] for item in items)
    partial.replace(path)


def _value(value: Any) -> str:
    """A field as gpuhunt reads it back."""
    if isinstance(value, list):
        return " ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, dict):
        return json.dumps(value)
    return "" if value is None else str(getattr(value, "value", value))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
