"""The evals' documents as one table: `python -m stratos.evals.results [--write] FILE...` prints it, or puts it into README."""

import argparse
import json
from pathlib import Path
from typing import Any

from .reporting import ROOT, figure

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

MANY = 20
"""Of a longer list of claims only those with a goal are shown; the document has them all."""


def table(documents: list[dict[str, Any]]) -> str:
    """One Markdown row a claim, and where the figures come from."""
    lines = ["| eval | what | measured | goal |", "| --- | --- | --- | --- |"]
    for document in documents:
        claims = document["claims"]
        if len(claims) > MANY:
            claims = [claim for claim in claims if claim["met"] is not None]
        for claim in claims:
            interval = claim["interval"]
            shown = f" [{figure(interval[0])}, {figure(interval[1])}]" if interval else ""
            verdict = {True: "met", False: "**missed**", None: "no goal"}[claim["met"]]
            goal = verdict if claim["met"] is None else f"{claim['goal']}: {verdict}"
            measured = f"{figure(claim['value'])} {claim['unit']}{shown}, n={claim['n']:,}"
            lines.append(f"| {document['eval']} | {claim['name']} | {measured} | {goal} |")
    runs = "; ".join(
        f"{one['eval']}: seed {one['seed']}, commit {one['commit']}, {one['machine']}, {one['seconds']:.0f} s"
        for one in documents
    )
    return "\n".join([*lines, "", f"Printed by the evals ({runs})."])


def write(text: str, readme: Path) -> None:
    """Puts a table between the README's two markers."""
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Reads the documents named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="put the table into README.md instead of printing it")
    options = parser.parse_args()
    text = table([json.loads(path.read_text(encoding="utf-8")) for path in options.files])
    if options.write:
        write(text, ROOT / "README.md")
    else:
        print(text)


if __name__ == "__main__":
    main()
