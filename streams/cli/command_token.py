"""`flumina token`: rows of the file of principals, and who one is by a token.

The one thing to know: a token is printed once and kept nowhere. The file has what it hashes to.
"""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from connectors.access.book import Book, Entry, NoBook, book_of, instant, new_token, written
from connectors.access.principals import ROLES, Role
from connectors.objects.directory import whole_file
from streams.cli.common import JsonOption, settings_here
from streams.cli.quiet import speak_by_errors
from streams.cli.render import out, print_json, show, table
from streams.clock import now_ms
from streams.errors import OperatorError

app = typer.Typer(
    no_args_is_help=True,
    help="Who may do what, in the file of principals. Example: flumina token list",
)

FileOption = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="The file of principals; default FLUMINA_ACCESS."),
]
RoleOption = Annotated[str, typer.Option("--role", help=f"One of {', '.join(ROLES)}.")]
OwnersOption = Annotated[
    list[str] | None, typer.Option("--owner", help="Only jobs of this owner; may be repeated.")
]
ApplicationsOption = Annotated[
    list[str] | None, typer.Option("--app", help="Only jobs of this application; may be repeated.")
]
CellsOption = Annotated[
    list[str] | None, typer.Option("--cell", help="Only in this cell; may be repeated.")
]
DaysOption = Annotated[
    int | None, typer.Option("--days", min=1, max=3_650, help="Days after which it counts no more.")
]
DelegateOption = Annotated[
    bool,
    typer.Option(
        "--delegate", help="It asks for others, whom it names: of a federation's front, a console."
    ),
]
DAY_MS = 86_400_000


@app.command()
def new(  # noqa: PLR0917 - options, each by its name
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is for.")],
    role: RoleOption,
    owner: OwnersOption = None,
    application: ApplicationsOption = None,
    cell: CellsOption = None,
    days: DaysOption = None,
    delegate: DelegateOption = False,
    file: FileOption = None,
) -> None:
    """Make a token, add its row to the file, and print it: once.

    Servers take it within a second. A second row of the same name is how a token is exchanged.

    Example: flumina token new ci --role producer --app payments --days 90
    """
    speak_by_errors()
    made = new_token()
    row = _row(name, role, (owner, application, cell), days)
    _added(_path(file), msgspec.structs.replace(row, token=made.kept, is_delegate=delegate))
    typer.echo(made.text)


@app.command()
def grant(  # noqa: PLR0917 - see above
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is.")],
    role: RoleOption,
    certificate: Annotated[
        str, typer.Option(metavar="URI", help="A URI or DNS name in a client's certificate.")
    ] = "",
    group: Annotated[str, typer.Option(help="A group of signed tokens.")] = "",
    subject: Annotated[str, typer.Option(help="The subject of signed tokens.")] = "",
    owner: OwnersOption = None,
    application: ApplicationsOption = None,
    cell: CellsOption = None,
    days: DaysOption = None,
    delegate: DelegateOption = False,
    file: FileOption = None,
) -> None:
    """Add a row for a certificate, or for a group or subject of signed tokens.

    Example: flumina token grant console --role admin --certificate spiffe://corp/console --delegate
    """
    speak_by_errors()
    row = _row(name, role, (owner, application, cell), days)
    row = msgspec.structs.replace(
        row, certificate=certificate, group=group, subject=subject, is_delegate=delegate
    )
    _added(_path(file), row)
    out().print(f"{name} may {role}", markup=False)


@app.command("list")
def list_(as_json: JsonOption = False, file: FileOption = None) -> None:
    """Show the rows of the file: who, by what, and what he may do.

    Example: flumina token list
    """
    speak_by_errors()
    book = _read(_path(file))
    if as_json:
        print_json([msgspec.to_builtins(each) for each in book.entries])
        return
    rows = [
        (
            each.name,
            _way(each),
            each.role,
            ", ".join(each.owners) or "all",
            ", ".join(each.applications) or "all",
            ", ".join(each.cells) or "all",
            each.expires_at or "never",
        )
        for each in book.entries
    ]
    heads = ("name", "by", "role", "owners", "applications", "cells", "ends")
    show(out(), table("", heads, rows))


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose rows go.")],
    token_id: Annotated[
        str, typer.Option("--id", metavar="ID", help="Only the row of this token, as list shows.")
    ] = "",
    file: FileOption = None,
) -> None:
    """Take rows out of the file; servers hear of it within a second.

    Example: flumina token remove ci --id 3f9a1c22d0b4
    """
    speak_by_errors()
    path = _path(file)
    entries = _read(path).entries
    gone = [each for each in entries if each.name == name and _is_named(each, token_id)]
    if not gone:
        raise OperatorError(
            f"{path} has no such row of {name}.", "", "`flumina token list` shows them."
        )
    _write(path, [each for each in entries if each not in gone])
    out().print(f"{len(gone)} rows are gone", markup=False)


def _is_named(entry: Entry, token_id: str) -> bool:
    return not token_id or entry.token.startswith(f"{token_id}:")


def _way(entry: Entry) -> str:
    if entry.token:
        return f"token {entry.token.partition(':')[0]}"
    for kind in ("certificate", "group", "subject"):
        if value := getattr(entry, kind):
            return f"{kind} {value}"
    return ""


def _row(name: str, role: str, scopes: tuple[list[str] | None, ...], days: int | None) -> Entry:
    found: Role | None = next((each for each in ROLES if each == role), None)
    if found is None:
        raise OperatorError(
            f"{role!r} is no role.", "", f"The roles are {', '.join(ROLES)} (docs/access.md)."
        )
    owners, applications, cells = (tuple(each or ()) for each in scopes)
    ends = "" if days is None else instant(now_ms() + days * DAY_MS)
    return Entry(name, found, owners, applications, cells, expires_at=ends)


def _path(file: Path | None) -> Path:
    path = file or settings_here().access
    if path is None:
        raise OperatorError(
            "No file of principals is named.",
            "FLUMINA_ACCESS is not set.",
            "Name one with --file; it is made where there is none.",
        )
    return path


def _read(path: Path) -> Book:
    try:
        return book_of(path.read_bytes())
    except FileNotFoundError:
        return Book()
    except (OSError, NoBook) as error:
        raise OperatorError(
            f"{path} cannot be used: {error}.", "", "Correct it (docs/access.md)."
        ) from error


def _added(path: Path, row: Entry) -> None:
    _write(path, [*_read(path).entries, row])


def _write(path: Path, entries: list[Entry]) -> None:
    data = written(entries)
    try:
        book_of(data)
    except NoBook as error:
        raise OperatorError(
            f"Such a row cannot be added: {error}.", "", "Nothing was written."
        ) from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write(data)
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be written: {error.strerror or error}.", "", "Name another file."
        ) from error
