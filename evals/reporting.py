"""What every eval prints: a table for people, or one JSON document whose claims a command can put into the README."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One measured figure beside its goal; `interval` is 95 % where the figure is a sample's."""

    name: str
    value: float
    unit: str
    n: int
    goal: str
    met: bool | None
    interval: tuple[float, float] | None = None


@dataclass(kw_only=True)
class Report:
    """Collects claims, then prints them."""

    eval: str
    seed: int
    quick: bool
    left_out: str = ""
    claims: list[Claim] = field(default_factory=list[Claim])
    details: dict[str, object] = field(default_factory=dict[str, object])
    """What stands behind the claims, in the JSON document alone."""
    started: float = field(default_factory=time.monotonic)

    def add(self, claim: Claim) -> None:
        """Adds one claim and says so on standard error, so that a long eval shows progress."""
        self.claims.append(claim)
        print(f"  {_line(claim)}", file=sys.stderr, flush=True)

    def document(self) -> dict[str, object]:
        """The JSON document."""
        return {
            "eval": self.eval,
            "seed": self.seed,
            "quick": self.quick,
            "left_out": self.left_out,
            "machine": machine(),
            "commit": commit(),
            "seconds": round(time.monotonic() - self.started, 1),
            "claims": [asdict(claim) for claim in self.claims],
            **({"details": self.details} if self.details else {}),
        }

    def print(self, as_json: bool) -> None:
        """Prints the document, or the same as lines."""
        if as_json:
            print(json.dumps(self.document(), indent=2))
            return
        found = self.document()
        print(f"{self.eval} (seed {self.seed}, {found['seconds']} s, {found['machine']}, commit {found['commit']})")
        for claim in self.claims:
            print(f"  {_line(claim)}")
        if self.left_out:
            print(f"  left out: {self.left_out.removeprefix('; ')}")


def figure(value: float) -> str:
    """Three digits that tell something; thousands whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _line(claim: Claim) -> str:
    interval = f" [{figure(claim.interval[0])}, {figure(claim.interval[1])}]" if claim.interval else ""
    verdict = {True: "met", False: "MISSED", None: "no goal"}[claim.met]
    return f"{claim.name:<58} {figure(claim.value)} {claim.unit}{interval} (n={claim.n}; goal {claim.goal}: {verdict})"


def machine() -> str:
    """This machine in a few words; no names, no addresses."""
    return f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def commit() -> str:
    """The checkout's commit, with a plus when the tree differs from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def arguments(description: str, extra: Sequence[tuple[str, dict[str, object]]] = ()) -> argparse.Namespace:
    """The options every eval has, and its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="end within 5 minutes on 2 cores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    for name, options in extra:
        parser.add_argument(name, **options)  # pyright: ignore[reportArgumentType]
    return parser.parse_args()
