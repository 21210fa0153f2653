"""Letters that travel within one process: many sites on one machine without a network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..loop.letters import NotSent
from ..loop.site import Site


@dataclass(frozen=True, kw_only=True)
class SameProcess:
    """Every site is asked in turn, in this process; its letters are bytes as on any other way."""

    sites: Mapping[str, Site]

    def exchange(self, letters: Mapping[str, bytes]) -> Iterator[tuple[str, bytes | str]]:
        """As of `loop.server.Post`."""
        for name, letter in letters.items():
            yield name, self.sites[name].answer(letter) if name in self.sites else NotSent("no such site")
