"""A model's folder behind an OpenAI-compatible endpoint and nothing around it, as containers and service managers run it:
`STRATOS_API_KEY=... python -m stratos.tools.serving.container NAME FOLDER`.

It is the server that `stratos deployments` starts, at an address that others reach and a port that stays. No deployment is recorded,
and nothing is encrypted: TLS belongs to what stands before it.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ...state.errors import Correctable
from .job import ServeJob, run
from .processes import server_environment, write_key

KEY_VARIABLE = "STRATOS_API_KEY"
HOST = "0.0.0.0"
PORT = 8000
"""vLLM's own default, so that either server stands behind the same address."""


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line; ends the program with usage where it is none."""
    parser = argparse.ArgumentParser(prog="python -m stratos.tools.serving.container")
    parser.add_argument("name", help="what clients call the model")
    parser.add_argument("folder", type=Path, help="a model's folder, as `stratos export RUN DIR --model` writes it")
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(words)


def main(words: Sequence[str]) -> None:
    """Serves until SIGTERM or SIGINT. Raises Correctable (no key, no model, port in use)."""
    given = arguments(words)
    if not (key := os.environ.pop(KEY_VARIABLE, "").strip()):
        raise Correctable(f"no API key: set {KEY_VARIABLE} to what clients must send as `Authorization: Bearer KEY`")
    os.environ |= server_environment(given.threads)
    with TemporaryDirectory(prefix="stratos-server-") as folder:
        job = ServeJob(
            model_dir=given.folder.resolve(),
            served_name=given.name,
            api_key_file=write_key(Path(folder), key=key),
            host=given.host,
            port=given.port,
            engine="ctranslate2",
            threads=given.threads,
        )
        run(job, Path(folder))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Correctable as error:
        sys.exit(str(error))
    sys.stdout.flush()
    os._exit(0)  # as __main__.py does, and for its reason
