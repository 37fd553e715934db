"""`flumina federation`: the front of several cells, its configuration, and how the cells stand.

The one thing to know: a configuration is set whole, as an event of topic ``federation``; what runs
takes it at once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from connectors.federation.configuration import (
    Configuration,
    FederatedCell,
    configuration_of,
)
from connectors.federation.records import ConfigurationSet
from connectors.objects.opening import open_store
from streams.cli.calls import Api
from streams.cli.client import ApiError
from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    WhyOption,
    api_here,
    installation_here,
    settings_here,
)
from streams.cli.quiet import speak_by_errors
from streams.cli.render import out, print_json, show, table
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.federation.journal import Journal
from streams.federation.main import serve_federation, told_cells
from streams.federation.replication import OLD_MS, last_heartbeat
from streams.logs import configure_logging
from streams.probes import Probes, run_probed
from streams.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Several cells behind one address. Example: flumina federation status",
)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 7100,
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    cell_api: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=URL", help="A cell and its API, while no configuration is set."),
    ] = None,
    replica: Annotated[
        str, typer.Option(metavar="URL", help="Store in which job specs are kept, elsewhere.")
    ] = "",
) -> None:
    """Serve all cells at one address, in the foreground.

    With KAFKA_BROKERS it follows the configuration and forwards records of `federated-jobs`.

    Example: flumina federation serve --cell-api east=http://east:7100
    """
    settings = settings_here()
    configure_logging("federation")
    told = told_cells(cell_api or ())

    async def work(probes: Probes) -> None:
        def ready(url: str) -> None:
            probes.begun(f"ready {url}")

        await serve_federation(settings, told, replica, (bind, port), ready)

    asyncio.run(run_probed(settings.probe_address, work))


@app.command()
def status(
    replica: Annotated[
        str, typer.Option(metavar="URL", help="Store of replicas: say how old they are, too.")
    ] = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show which cells answer, who leads each, and which are stale or closed.

    Ends with 1 where a cell does not answer, or its replica is older than a minute.

    Example: flumina federation status
    """
    speak_by_errors()
    with api_here(api, data_dir) as asked:
        found = _standing(asked)
    is_old = bool(replica) and _add_replicas(found["cells"], replica)
    if as_json:
        print_json(found)
    else:
        rows = [_row(each) for each in found["cells"]]
        show(out(), table("", ("cell", "region", "answers", "leader", "offset #", "told"), rows))
    raise typer.Exit(1 if found["federation"]["failed"] or is_old else 0)


def _add_replicas(cells: list[dict[str, Any]], url: str) -> bool:
    """Add to each cell how old its replica is; whether one is too old, or was never made."""
    store, at_ms, is_old = open_store(url), now_ms(), False
    for each in cells:
        beat = last_heartbeat(store, FederatedCell(each["name"], "", each["region"]))
        age_ms = None if beat is None else at_ms - beat.at_ms
        each["replica"] = {"ageMs": age_ms, "jobs": 0 if beat is None else beat.jobs}
        is_old = is_old or age_ms is None or age_ms > OLD_MS
    return is_old


def _standing(asked: Api) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(asked.connection.get("/api/flumina/federation"))
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        found = None  # A cell's API has no such path.
    if not isinstance(found, dict) or "cells" not in found:
        raise OperatorError(
            f"{asked.connection.url} is no federation.",
            "It is a cell's API, perhaps.",
            "Name the federation's address with --api.",
        )
    return found


def _row(cell: dict[str, Any]) -> tuple[object, ...]:
    status_ = cell.get("status") or {}
    said = [*(["closed"] if cell["isClosed"] else [])]
    if (replica := cell.get("replica")) is not None:
        age_ms = replica["ageMs"]
        jobs = replica["jobs"]
        told = "none" if age_ms is None else f"{jobs} jobs, {age_ms // 1_000} s old"
        said.append(f"replica: {told}")
    said += [text for text in (cell.get("why"), status_.get("stale"), status_.get("halt")) if text]
    return (
        cell["name"],
        cell["region"],
        "yes" if cell["isAnswering"] else "no",
        status_.get("leader", ""),
        status_.get("offset", ""),
        "; ".join(map(str, said)),
    )


@app.command("show")
def show_(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """Print the configuration that was set last, as a file that can be set again.

    Example: flumina federation show > federation.json
    """
    speak_by_errors()
    del as_json  # It is JSON in any case.
    settings = everywhere(data_dir)
    found = asyncio.run(_configuration(settings))
    if found is None:
        raise OperatorError(
            "No configuration was set yet.",
            "The front runs by what it was told at its start.",
            "Write one (docs/federation.md) and set it: `flumina federation set FILE --why …`.",
        )
    print_json(msgspec.to_builtins(found))


@app.command("set")
def set_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration, as JSON.")],
    why: WhyOption,
    data_dir: DataDirOption = None,
) -> None:
    """Set the federation's configuration: cells, routes, shares of capacity groups.

    Example: flumina federation set federation.json --why "a second cell"
    """
    speak_by_errors()
    try:
        wanted = configuration_of(file.read_bytes())
    except ValueError as error:
        raise OperatorError(
            f"{file} is no configuration: {error}.", "", "Correct it; nothing was set."
        ) from error
    except OSError as error:
        what = f"{file} cannot be read: {error.strerror}."
        raise OperatorError(what, "", "Name a file.") from error
    settings = everywhere(data_dir)
    version = asyncio.run(_set(settings, wanted, why))
    out().print(f"configuration {version} is set", markup=False)


async def _configuration(settings: Settings) -> Configuration | None:
    async with opened(settings) as journal:
        return journal.configuration


async def _set(settings: Settings, wanted: Configuration, why: str) -> int:
    async with opened(settings) as journal:
        before = journal.configuration
        version = 1 if before is None else before.version + 1
        made = msgspec.structs.replace(wanted, version=version)
        record = ConfigurationSet(at_ms=now_ms(), configuration=made, actor=settings.actor, why=why)
        await journal.append(record)
    return version


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Journal]:
    """The topic `federation` of the installation, until the end of the block."""
    assert settings.kafka_brokers is not None
    journal = Journal(settings.kafka_brokers, settings.topic_prefix)
    try:
        await journal.open()
        yield journal
    finally:
        await journal.close()


def everywhere(data_dir: Path | None) -> Settings:
    """The settings of the installation, whichever cell is meant; raises without a Kafka."""
    settings = installation_here(settings_here(), data_dir, is_of_cell=False)
    if settings.kafka_brokers is None:
        raise OperatorError(
            "The federation's records stand in Kafka, and none is named.",
            "Nothing runs here, and KAFKA_BROKERS is not set.",
            "Set KAFKA_BROKERS to host:port, or name the directory of an `up` with --data-dir.",
        )
    return settings
