"""What commands share: their options, the settings, and the way to the API.

The one thing to know: the API is found in this order: `--api`, `FLUMINA_API`, the `up` that runs on
the data directory, and last the only one that runs on a directory below it (a demo).
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from scheduler.model.policy import Policy, changed_policy
from streams.cli.calls import Api
from streams.cli.client import EXIT_UNAVAILABLE, ApiConnection, ApiError
from streams.errors import OperatorError
from streams.kafka.security import spoken_to_alike
from streams.settings import Settings, settings_of
from streams.supervise.up_file import UpView, running_ups

ApiOption = Annotated[
    str | None,
    typer.Option("--api", metavar="URL", help="The API to ask; default FLUMINA_API, or what runs."),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Data directory; default FLUMINA_DATA."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
PolicyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="NAME=VALUE",
        help="A number for a new cell, of those of `flumina policy numbers`; may be repeated.",
    ),
]
WhyOption = Annotated[
    str, typer.Option("--why", metavar="REASON", help="The reason, as it is written into the log.")
]

POLICY_DIGITS_MAX: Final = 20
"""No policy's bounds have more; Python takes no number of thousands of them."""


def settings_here() -> Settings:
    """The settings of this process' environment."""
    return settings_of(os.environ)


def data_dir_of(settings: Settings, data_dir: Path | None) -> Path:
    """The data directory that a command means."""
    return (data_dir or settings.data_dir).absolute()


def running_here(settings: Settings, data_dir: Path | None) -> UpView | None:
    """The `up` that a command means when it names none; raises `ApiError` if several could be."""
    directory = data_dir_of(settings, data_dir)
    running = [each for each in running_ups(directory) if each.api]
    own = [each for each in running if Path(each.data_dir) == directory]
    if not running:
        return None
    if own or len(running) == 1:
        return (own or running)[0]
    places = ", ".join(f"{each.data_dir} ({each.api})" for each in running)
    raise ApiError(
        f"Several of them run: {places}.",
        "It is not clear which one is meant.",
        "Name one with --data-dir or --api.",
    )


def installation_here(
    settings: Settings, data_dir: Path | None = None, *, is_of_cell: bool = True
) -> Settings:
    """The settings of the installation that a command means: what runs here says where it is.

    ``is_of_cell`` where it is about one cell, which has to be named if there are several.
    Where nothing runs, Kafka and Mesos are those of the environment, if it names any, and the
    store is that of the data directory.
    """
    running = running_here(settings, data_dir)
    if running is None:
        return msgspec.structs.replace(settings, data_dir=data_dir_of(settings, data_dir))
    here = msgspec.structs.replace(
        settings,
        kafka_brokers=spoken_to_alike(running.kafka, settings.kafka_brokers or ""),
        topic_prefix=running.topic_prefix,
        mesos_masters=tuple(running.mesos),
        data_dir=Path(running.data_dir),
    )
    if is_of_cell or not running.cells:
        return of_cell(here, running)
    names = tuple(each.name for each in running.cells)
    return msgspec.structs.replace(here, cells=len(names), cell_names=names, cell=names[0])


def of_cell(settings: Settings, running: UpView) -> Settings:
    """The settings with the cells of what runs, about the one that is named.

    Raises `ApiError` where there are several and none is named, or another one.
    """
    names = tuple(each.name for each in running.cells)
    if not names:
        return settings
    named = os.environ.get("FLUMINA_CELL") or (names[0] if len(names) == 1 else "")
    if named not in names:
        raise ApiError(
            f"There is no cell {named}." if named else "It is not clear which cell is meant.",
            f"The cells here are {', '.join(names)}.",
            "Name one with --cell.",
        )
    return msgspec.structs.replace(settings, cells=len(names), cell_names=names, cell=named)


def api_of(running: UpView) -> str:
    """The API that a command asks: a named cell's, else that of the only cell, or of all."""
    if len(running.cells) < 2 or not os.environ.get("FLUMINA_CELL"):
        return running.api
    name = of_cell(settings_here(), running).cell
    return next(each.api for each in running.cells if each.name == name)


@contextmanager
def api_here(api: str | None, data_dir: Path | None = None) -> Iterator[Api]:
    """The API that a command means."""
    settings = settings_here()
    url = api or settings.api_url
    if url is None:
        found = running_here(settings, data_dir)
        if found is None:
            raise ApiError(
                f"Nothing runs on {data_dir_of(settings, data_dir)}.",
                "`flumina up` was not started there, or has ended.",
                "Start it, or name an API with --api or FLUMINA_API.",
                exit_code=EXIT_UNAVAILABLE,
            )
        url = api_of(found)
    with closing(ApiConnection(url, settings.actor)) as connection:
        yield Api(connection)


def refuse_many_cells(settings: Settings) -> None:
    """Return if there is one cell; raises `OperatorError` else, for demo and drills have one."""
    if settings.cells != 1:
        raise OperatorError(
            f"FLUMINA_CELLS is {settings.cells}.",
            "This command makes an installation of one cell; `flumina up --cells` makes several.",
            "Unset FLUMINA_CELLS and FLUMINA_CELL_NAMES.",
        )


def policy_numbers(texts: list[str] | None) -> dict[str, int]:
    """The names and numbers of ``NAME=VALUE`` texts, checked against the known policies."""
    numbers: dict[str, int] = {}
    for text in texts or ():
        name, _, value = text.partition("=")
        digits = value.strip().removeprefix("-")
        if not digits.isdecimal() or len(digits) > POLICY_DIGITS_MAX:
            raise OperatorError(
                f"{text!r} sets no policy.",
                "A policy is a name and a whole number.",
                "Write for example kill_retry_ms=3000; `flumina policy numbers` lists them.",
            )
        numbers[name.strip()] = int(value)
    try:
        changed_policy(Policy(), numbers)
    except ValueError as error:
        raise OperatorError(
            f"This policy cannot be set: {error}.",
            "A name is misspelt, or a number is out of range.",
            "`flumina policy numbers` lists the names with their present numbers.",
        ) from error
    return numbers


def version() -> str:
    """The version of this flumina, or where it runs from if it is not installed."""
    try:
        return metadata.version("flumina")
    except metadata.PackageNotFoundError:
        return "not installed"
