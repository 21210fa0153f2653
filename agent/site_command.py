"""`stratos site`: what is done at a site whose data never come to the machine that customizes, and that machine's certificates."""

# pyright: reportUnknownMemberType=false

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .options import AsJson
from .plain_help import PlainTyper
from .terminal import errors, print_json, say

if TYPE_CHECKING:
    from ..tools.sites.engines.joining import Step

site = PlainTyper(no_args_is_help=True, help="Join `stratos customize` from a site's own machine.")

Name = Annotated[str, typer.Argument(help="The site, as the brief names it.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where the site's key and model are kept; ./stratos-NAME unless told.",
        show_default=False,
    ),
]


@site.command()
def key(name: Name, folder: Folder = None, as_json: AsJson = False) -> None:
    """Make a site's key pair where the site is; the public half goes into the brief."""
    from ..state.errors import OutputError
    from ..tools.sites.engines.keys import make_site_key

    with errors(as_json):
        home = _home(name, folder)
        if (home / name).exists():
            raise OutputError(
                f"{home / name} is there already: delete it to make another, which the brief must then name"
            )
        private, public = make_site_key(home, name)
    if as_json:
        print_json({"private": str(private.absolute()), "public": str(public.absolute())})
        return
    say(f"{public.absolute()} is what the brief names: {{name: {name}, key: {public.name}}}; send it there")
    say(f"{private.absolute()} stays here")


@site.command()
def authority(
    host: Annotated[str, typer.Argument(help="Name or IP number under which sites reach this machine.")],
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where they are kept.")] = Path("stratos-server"),
    as_json: AsJson = False,
) -> None:
    """Make the certificates of the machine that customizes, which sites know it by."""
    from ..state.errors import OutputError
    from ..tools.sites.engines.keys import CA_FILE, make_certificates

    with errors(as_json):
        if (folder / CA_FILE).exists():
            raise OutputError(
                f"{folder / CA_FILE} is there already: delete it to make another, which sites must then have"
            )
        make_certificates(folder, host)
    if as_json:
        print_json({"certificates": str(folder.absolute()), "authority": str((folder / CA_FILE).absolute())})
        return
    say(f"{(folder / CA_FILE).absolute()} goes to every site; the brief names the folder: certificates: {folder}")


@site.command()
def join(
    name: Name,
    data: Annotated[
        Path, typer.Option(metavar="FILE", help="The site's examples: CSV, JSON lines or .npz; never sent.")
    ],
    server: Annotated[str, typer.Option(metavar="HOST:PORT", help="The machine that customizes.")],
    authority: Annotated[Path, typer.Option(metavar="FILE", help="Its authority's certificate, ca.pem.")],
    answers: Annotated[
        Literal["labels", "texts"], typer.Option(help="What the examples are answered with, as the brief says.")
    ] = "labels",
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Keep a site there for `stratos customize`, until it is interrupted or terminated."""
    import re
    import signal

    from ..state.brief import ADDRESS
    from ..state.errors import RequestError
    from ..tools.sites.checking import wrong_with_file
    from ..tools.sites.engines.flower import Trust
    from ..tools.sites.engines.flower_app import Node
    from ..tools.sites.engines.joining import Joining

    with errors(as_json):
        home = _home(name, folder)
        problems = wrong_with_file(data, answers)
        if not (home / name).is_file():
            problems.append(f"{home / name} is not there: `stratos site key {name}` makes it")
        if not authority.is_file():
            problems.append(f"--authority {authority} is no file: ca.pem of the machine that customizes")
        if not re.match(ADDRESS, server):
            problems.append(f"--server {server!r} is no HOST:PORT")
        if problems:
            raise RequestError(problems)
        joining = Joining(
            site=Node(name=name, data=data.absolute(), folder=home.absolute()),
            server=server,
            trust=Trust(authority=authority.absolute(), key=(home / name).absolute()),
            told=_json_told if as_json else _told,
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends it, its SuperNode ends with it
        try:
            joining.run()
        except KeyboardInterrupt:
            return


@site.command()
def ask(
    text: Annotated[str, typer.Argument(help="A text to label, or a prompt.")],
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="The site's folder.")],
    as_json: AsJson = False,
) -> None:
    """Ask a site's model where the site is."""
    from ..state.errors import OutputError
    from ..tools.sites.asking import answers
    from ..tools.sites.loop.site_folder import ABOUT_FILE, MODEL
    from .asking_site import likeliest, shares

    with errors(as_json):
        if not (folder / MODEL / ABOUT_FILE).is_file():
            raise OutputError(f"{folder} holds no model of a site: it has one when a customize over it came to its end")
        found = answers(folder / MODEL, text)
    if as_json:
        print_json({"answer": found[0][0], "likeliest": likeliest(found)})
        return
    say(found[0][0])
    say(shares(likeliest(found)))


def _home(name: str, folder: Path | None) -> Path:
    import re

    from ..state.brief import SITE_NAME
    from ..state.errors import RequestError

    if not re.match(SITE_NAME, name):
        raise RequestError([f"{name!r} is no name for a site: letters, digits, _ . and -"])
    return folder or Path(f"stratos-{name}")


def _json_told(step: "Step", facts: Mapping[str, Any]) -> None:
    print_json({"step": step, **facts})


def _told(step: "Step", facts: Mapping[str, Any]) -> None:
    match step:
        case "waiting":
            say(f"waiting to be asked by {facts['server']}; Ctrl-C ends it")
        case "not let in":
            say(
                f"the SuperNode ended: the server does not know this key now, or is another than before; it is started again every "
                f"{facts['again_every_s']:g} s ({facts['log']})"
            )
        case "fitted":
            say("the model that was sent is fitted; what matters in it here was told, no example")
        case "model":
            say(
                f"the site's own model is in {facts['folder']}: {facts['test_right']} of {facts['test_items']} test examples right, "
                f"{facts['validation_right']} of {facts['validation_items']} for validation"
            )
        case "failed":
            say(f"an answer could not be given: {facts['error']} ({facts['file']})")
