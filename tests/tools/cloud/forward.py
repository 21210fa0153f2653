"""A pretended secure shell: `forward.py ... -L 127.0.0.1:HERE:127.0.0.1:THERE NAME` passes on what it is sent, and nothing else."""

import socket
import sys
import threading
from contextlib import suppress


def passed_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def main() -> None:
    _, here, _, there = sys.argv[sys.argv.index("-L") + 1].split(":")
    with socket.create_server(("127.0.0.1", int(here))) as listener:
        while True:
            client, _ = listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", int(there)))
            except OSError:
                client.close()
                continue
            for pair in ((client, server), (server, client)):
                threading.Thread(target=passed_on, args=pair, daemon=True).start()


if __name__ == "__main__":
    main()
