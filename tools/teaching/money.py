"""What teachers' tokens cost, and the purse of one job: nothing is sent that could pass its limit.

The purse is a file of lines, appended to: a reservation before calls are sent, and what each came to. What was reserved and never
settled, because the process was killed, counts as spent: it may have been billed.
"""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable, RequestError
from ...state.teaching import Spent
from ..models.catalogue import Catalogue
from .teachers import Answer, Request

PURSE_FILE = "spending.jsonl"


class TokenPrices(Record):
    """US dollars for a million tokens."""

    input: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    output: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    def usd(self, input_tokens: float, output_tokens: float) -> float:
        """What so many tokens cost."""
        return (input_tokens * self.input + output_tokens * self.output) / 1e6

    def most_usd(self, request: Request) -> float:
        """What a request can cost at most."""
        return self.usd(request.most_input_tokens, request.sampling.max_tokens)


def token_prices(model: str, catalogue: Catalogue, stated: tuple[float, float] | None) -> TokenPrices:
    """A model's prices: as stated, else the catalogue's. Raises RequestError where neither knows them: nothing is taken to be free."""
    if stated is not None:
        return TokenPrices(input=stated[0], output=stated[1])
    how = (
        "state them with --teacher-price IN OUT (a checker's: --checker-price), or usd_per_million: [IN, OUT] in a brief; 0 0 for a "
        "server of your own"
    )
    try:
        facts = catalogue.find(model)
    except Correctable as error:
        raise RequestError([f"the token prices of teacher {model!r} are not known ({error}): {how}"]) from error
    if facts.usd_per_million_input is None or facts.usd_per_million_output is None:
        raise RequestError(
            [f"the catalogue has no token prices of {facts.name!r}, a model of kind {facts.kind!r}: {how}"]
        )
    return TokenPrices(input=facts.usd_per_million_input, output=facts.usd_per_million_output)


class Purse:
    """The money of one job, in a file of its folder; safe to settle from several threads."""

    def __init__(self, folder: Path, limit_usd: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.limit_usd = limit_usd
        self._file = os.open(folder / PURSE_FILE, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        self._lock = threading.Lock()
        self._open: dict[str, dict[str, Any]] = {}
        self._calls = self._input_tokens = self._output_tokens = self._lost_calls = self._uncounted_calls = 0
        self._usd = self._lost_usd = 0.0
        self._read()

    def close(self) -> None:
        """Lets the file go."""
        os.close(self._file)

    @property
    def spent(self) -> Spent:
        """Everything so far; a reservation that is open counts in full."""
        with self._lock:
            broken_off = list(self._open.values())
            lost = self._lost_calls + len(broken_off)
            reserved_usd = sum(one["usd"] for one in broken_off)
            return Spent(
                usd=round(self._usd + reserved_usd, 8),
                calls=self._calls + len(broken_off),
                input_tokens=self._input_tokens + sum(one["input_tokens"] for one in broken_off),
                output_tokens=self._output_tokens + sum(one["output_tokens"] for one in broken_off),
                unanswered_calls=lost,
                unanswered_usd=round(self._lost_usd + reserved_usd, 8),
            )

    @property
    def uncounted_calls(self) -> int:
        """Calls of those so far whose tokens nobody counted, so that they stand there at their most."""
        with self._lock:
            return self._uncounted_calls + len(self._open)

    def reserve(self, requests: Sequence[Request], prices: TokenPrices) -> list[str]:
        """Sets aside the most that requests can cost; a name for each of the first ones that fit what is left."""
        left = self.limit_usd - self.spent.usd
        names: list[str] = []
        for request in requests:
            worst = prices.most_usd(request)
            if worst > left:
                break
            left -= worst
            name = uuid4().hex
            names.append(name)
            self._open[name] = {
                "usd": worst,
                "input_tokens": request.most_input_tokens,
                "output_tokens": request.sampling.max_tokens,
            }
        self._append([{"reserved": name, **self._open[name]} for name in names])
        os.fsync(self._file)  # what was settled need not outlive a power cut: its reservation, which is more, does
        return names

    def settle(self, name: str, answer: Answer, prices: TokenPrices) -> None:
        """Writes down what a call came to."""
        line = {
            "settled": name,
            "usd": prices.usd(answer.input_tokens, answer.output_tokens),
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "unanswered": answer.fate == "lost",
            "counted": answer.counted,
        }
        self._close([name], [line] if answer.fate != "refused" else [{"released": name}])

    def release(self, names: Sequence[str]) -> None:
        """Gives back what was set aside for calls that were not made."""
        still = [name for name in names if name in self._open]
        self._close(still, [{"released": name} for name in still])

    def _close(self, names: Sequence[str], lines: list[dict[str, Any]]) -> None:
        with self._lock:
            self._append(lines)
            for name in names:
                self._open.pop(name, None)
            for line in lines:
                self._count(line)

    def _count(self, line: Mapping[str, Any]) -> None:
        """Adds a line that says what a call came to."""
        if "settled" not in line:
            return
        self._calls += 1
        self._usd += line["usd"]
        self._input_tokens += line["input_tokens"]
        self._output_tokens += line["output_tokens"]
        self._uncounted_calls += not line.get("counted", True)
        if line["unanswered"]:
            self._lost_calls += 1
            self._lost_usd += line["usd"]

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        if lines:
            os.write(self._file, "".join(json.dumps(line) + "\n" for line in lines).encode())

    def _read(self) -> None:
        """Takes up where an earlier start ended; a piece of a line, which a kill leaves, is closed off."""
        text = b""
        while part := os.pread(self._file, 2**20, len(text)):
            text += part
        if text and not text.endswith(b"\n"):
            os.write(self._file, b"\n")
        for line in text.split(b"\n"):
            try:
                found: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            name = found.get("reserved") or found.get("settled") or found.get("released")
            if "reserved" in found:
                self._open[str(name)] = found
            else:
                self._open.pop(str(name), None)
            self._count(found)
