"""The server and the sites as Flower apps: letters travel as messages, and everything else is `server` and `site`.

Flower starts a process for each message, so this module imports nothing heavy at its top, and a site that only says its name costs no
torch.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...jobs import write_atomic

LETTER, NAME = "letter", "site"
RECORD = "stratos"
WIRE_FILE = "wire.json"
"""Beside the loop's record: bytes of the messages as Flower writes them, by site and direction."""
LOOK_EVERY_S = 0.5

ORDERS_SETTING, APPEAR_SETTING, TIMEOUT_SETTING = "stratos-orders", "stratos-appear-s", "stratos-timeout-s"
AT_ONCE_SETTING = "stratos-at-once"
"""Of the run: the file that says what the server is to do; seconds that are waited for sites to be there, and for their answers;
how many of them work at the same time, 0: all."""
NODES_SETTING = "stratos-nodes"
"""The file of the numbers that Flower gave the sites' registered keys, by site; empty where keys are not asked for."""
PARTITION = "partition-id"
"""Of a simulated node, said by Flower."""
SITE_SETTING, DATA_SETTING, FOLDER_SETTING = "site", "data", "folder"
"""Of a node, said where it runs and known to nobody else: its name, its file of examples, its folder."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A site: its name, its file of examples and its folder."""

    name: str
    data: Path
    folder: Path


def client_app(simulated: Sequence[Node] = ()) -> Any:
    """What runs at a site. In a simulation a node has nothing but a number: that of its place among the simulated sites."""
    from flwr.app import ConfigRecord, Context, Message, RecordDict
    from flwr.clientapp import ClientApp

    app = ClientApp()

    def here(context: Context) -> Node:
        said = context.node_config
        if simulated:
            return simulated[int(said[PARTITION])]
        return Node(
            name=str(said[SITE_SETTING]), data=Path(str(said[DATA_SETTING])), folder=Path(str(said[FOLDER_SETTING]))
        )

    def reply(message: Message, said: Mapping[str, Any]) -> Message:
        return Message(RecordDict({RECORD: ConfigRecord(dict(said))}), reply_to=message)

    @app.query()
    def name(message: Message, context: Context) -> Message:  # pyright: ignore[reportUnusedFunction]
        return reply(message, {NAME: here(context).name})

    @app.train()
    def answer(message: Message, context: Context) -> Message:  # pyright: ignore[reportUnusedFunction]
        from ..loop.site import Site

        node = here(context)
        site = Site(name=node.name, data=node.data, folder=node.folder)
        letter = message.content.config_records[RECORD][LETTER]
        assert isinstance(letter, bytes)
        return reply(message, {LETTER: site.answer(letter)})

    return app


def server_app(given: Mapping[str, Any] | None = None) -> Any:
    """What runs at the server: it waits for its sites, then runs or continues the loop. `given` are settings in the place of the run's,
    where a simulation has none."""
    from flwr.app import Context
    from flwr.serverapp import Grid, ServerApp

    app = ServerApp()

    @app.main()
    def loop(grid: Grid, context: Context) -> None:  # pyright: ignore[reportUnusedFunction]
        from ..loop.loop_orders import run_loop

        settings = given or context.run_config
        orders = Path(str(settings[ORDERS_SETTING]))
        waits = float(settings[APPEAR_SETTING]), float(settings[TIMEOUT_SETTING])
        at_once = int(settings[AT_ONCE_SETTING])
        nodes = json.loads(Path(file).read_text(encoding="utf-8")) if (file := str(settings[NODES_SETTING])) else None
        run_loop(orders, FlowerPost(grid, *waits, orders.parent / WIRE_FILE, at_once=at_once, registered=nodes))

    return app


class FlowerPost:
    """Carries letters through Flower. A site that is not there, is too slow or whose process dies has a reason for an answer.

    A node says its site's name, and is believed where all nodes are this machine's own. Where keys are registered, the key tells:
    whoever holds one is that site and no other, whatever it says.
    """

    def __init__(
        self,
        grid: Any,
        appear_s: float,
        timeout_s: float,
        wire: Path,
        *,
        at_once: int = 0,
        registered: Mapping[str, int] | None = None,
    ) -> None:
        self._grid, self._appear_s, self._timeout_s, self._wire = grid, appear_s, timeout_s, wire
        self._at_once, self._registered = at_once, registered
        self._nodes: dict[str, int] = {}
        self._asked: set[int] = set()

    def exchange(self, letters: Mapping[str, bytes]) -> Iterator[tuple[str, bytes | str]]:
        """As of `loop.server.Post`."""
        from ..loop.letters import NotSent

        # A node that went and came again has another number.
        there = set(self._grid.get_node_ids())
        self._nodes = {site: node for site, node in self._nodes.items() if node in there}
        self._find(set(letters), self._by_key if self._registered is not None else self._by_word)
        sent = {
            site: self._message(site, {LETTER: letter}, "train")
            for site, letter in letters.items()
            if site in self._nodes
        }
        for site in letters:
            if site not in sent:
                yield site, NotSent(f"it was not there within {self._appear_s:g} s{self._why_not}")
        left, most = list(sent.items()), self._at_once or max(1, len(sent))
        while left:
            some = dict(left[:most])
            answers = self._replies(some)
            yield from ((site, answers.get(site, f"it did not answer within {self._timeout_s:g} s")) for site in some)
            left = left[most:]

    @property
    def _why_not(self) -> str:
        return "" if self._registered is None else ": not started, not reached, or with another key than is registered"

    def _find(self, wanted: set[str], look: Callable[[], None]) -> None:
        """Looks until all the wanted sites are known or the time is up."""
        until = time.monotonic() + self._appear_s
        while True:
            look()
            if wanted <= set(self._nodes) or time.monotonic() > until:
                return
            time.sleep(LOOK_EVERY_S)

    def _by_key(self) -> None:
        assert self._registered is not None
        there = set(self._grid.get_node_ids())
        self._nodes = {site: node for site, node in self._registered.items() if node in there}

    def _by_word(self) -> None:
        """Asks nodes that were not asked before for their names."""
        from flwr.app import Message, RecordDict

        new = [node for node in self._grid.get_node_ids() if node not in self._asked]
        self._asked |= set(new)
        asked = [Message(RecordDict(), node, "query") for node in new]
        for reply in self._grid.send_and_receive(asked, timeout=self._timeout_s) if asked else ():
            if reply.has_content():
                self._nodes[str(reply.content.config_records[RECORD][NAME])] = reply.metadata.src_node_id

    def _message(self, site: str, said: Mapping[str, Any], kind: str) -> Any:
        from flwr.app import ConfigRecord, Message, RecordDict

        return Message(RecordDict({RECORD: ConfigRecord(dict(said))}), self._nodes[site], kind)

    def _replies(self, sent: Mapping[str, Any]) -> dict[str, bytes | str]:
        sites = {node: site for site, node in self._nodes.items()}
        answers: dict[str, bytes | str] = {}
        for site, message in sent.items():
            self._count(site, "down", message)
        replies = list(self._grid.send_and_receive(list(sent.values()), timeout=self._timeout_s))
        asked = {message.metadata.message_id: site for site, message in sent.items()}
        for reply in replies:
            # Where a node is lost, Flower itself answers in its place: the question tells which site was asked.
            site = asked.get(reply.metadata.reply_to_message_id) or sites.get(reply.metadata.src_node_id)
            if site is None:
                continue
            self._count(site, "up", reply)
            if reply.has_error():
                answers[site] = f"its process ended without an answer: {reply.error.reason}"
            else:
                answers[site] = bytes(reply.content.config_records[RECORD][LETTER])
        return answers

    def _count(self, site: str, way: str, message: Any) -> None:
        """Adds a message's bytes as Flower writes them to the file of them all."""
        from flwr.common.serde import message_to_proto

        before: dict[str, int] = json.loads(self._wire.read_text()) if self._wire.exists() else {}
        name = f"{site}/{way}"
        before[name] = before.get(name, 0) + message_to_proto(message).ByteSize()
        write_atomic(self._wire, json.dumps(before))
