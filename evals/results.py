"""Writes README's results table from the evals' JSON documents: `python -m stratos.evals.results FILE...`."""

import json
import sys
from pathlib import Path
from typing import Any

from .reporting import ROOT

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def table(documents: list[dict[str, Any]]) -> str:
    """One Markdown row a claim."""
    lines = ["| eval | what | measured | goal |", "| --- | --- | --- | --- |"]
    for document in documents:
        for claim in document["claims"]:
            interval = claim["interval"]
            shown = f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""
            verdict = {True: "met", False: "**missed**", None: "no goal"}[claim["met"]]
            goal = verdict if claim["met"] is None else f"{claim['goal']}: {verdict}"
            measured = f"{claim['value']:.3g} {claim['unit']}{shown}, n={claim['n']}"
            lines.append(f"| {document['eval']} | {claim['name']} | {measured} | {goal} |")
    runs = "; ".join(
        f"{one['eval']}: commit {one['commit']}, {one['machine']}, {one['seconds']:.0f} s" for one in documents
    )
    return "\n".join([*lines, "", f"Printed by the evals ({runs})."])


def main() -> None:
    """Replaces what stands between the README's two markers."""
    documents = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    readme = ROOT / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{table(documents)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
