"""`flumina failover REGION`: move a region's services to the others, packed, and back.

The one thing to know: the command leads the evacuation, and may be killed at any moment. Called
again it goes on where the records of topic ``federation`` end.
"""

import asyncio
from typing import Annotated, Any

import msgspec
import typer

from connectors.federation.cells import Cells
from connectors.federation.evacuations import Evacuation, folded, open_of
from connectors.federation.records import EvacuationTurned
from connectors.objects.opening import open_store
from streams.access.opening import credentials_of
from streams.cli.command_federation import everywhere, opened
from streams.cli.common import DataDirOption, JsonOption
from streams.cli.quiet import speak_by_errors
from streams.cli.render import errors, out, print_json
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.federation.evacuating import Leading, Order
from streams.federation.journal import Journal
from streams.settings import Settings


def failover(  # noqa: PLR0917 - typer gives every option by its name
    region: Annotated[str, typer.Argument(metavar="REGION", help="The region that is left.")],
    why: Annotated[str, typer.Option(metavar="REASON", help="The reason, for the record.")] = "",
    percent: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, help="How much of its tasks is shifted; default all, or as before."
        ),
    ] = None,
    per_second: Annotated[
        int, typer.Option(min=1, max=10_000, help="Tasks handed over in a second at most.")
    ] = 100,
    is_paused: Annotated[
        bool, typer.Option("--pause", help="Let whoever leads it stop behind the present job.")
    ] = False,
    is_back: Annotated[bool, typer.Option("--failback", help="Bring everything back.")] = False,
    is_asked: Annotated[bool, typer.Option("--status", help="Only say how far it is.")] = False,
    is_forced: Annotated[
        bool, typer.Option("--force", help="Go on though the receivers offer too little room.")
    ] = False,
    replica: Annotated[
        str, typer.Option(metavar="URL", help="Store with the job specs of a region that is gone.")
    ] = "",
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Move the services of a region to the other regions, in mode `failover`; or bring them back.

    Checks the receivers' room first. Each step is a record of topic `federation`; called again,
    the command goes on. Ends with 1 where not everything that was ordered is done.

    Example: flumina failover eu-west --percent 25 --why "the region is failing"
    """
    speak_by_errors()
    settings = everywhere(data_dir)
    if not why and not is_asked:
        raise OperatorError(
            "An evacuation needs a reason.",
            "--why is missing.",
            'Say for example --why "the region is failing".',
        )
    order = Order(region, percent or 0, per_second, settings.actor, why, is_forced)
    word = "pause" if is_paused else "failback" if is_back else ""
    found = asyncio.run(_run(settings, order, word, replica, is_asked=is_asked))
    if as_json:
        print_json(_document(found))
    else:
        _print(found)
    raise typer.Exit(0 if is_asked or is_paused or found.is_there or found.is_over else 1)


async def _run(
    settings: Settings, order: Order, word: str, replica: str, *, is_asked: bool
) -> Evacuation:
    async with opened(settings) as journal:
        if is_asked or word == "pause":
            return await _turned(journal, order, word)
        begun = open_of(journal.records, order.region)
        order = with_percent(order, begun)
        if word == "failback" or (begun is not None and _is_news(begun, order)):
            await _turned(journal, order, word or "resume")
        cells = Cells(credentials_of(settings))
        store = open_store(replica) if replica else None
        console = errors()
        try:
            leading = Leading(
                journal,
                cells,
                store,
                now_ms=now_ms,
                tell=lambda text: console.print(text, markup=False),
            )
            return await leading.go(order)
        finally:
            await cells.close()


def with_percent(order: Order, begun: Evacuation | None) -> Order:
    """The order with its percentage: as given, else as far as was ordered before, else all."""
    before = 100 if begun is None else begun.percent
    return msgspec.structs.replace(order, percent=order.percent or before)


def _is_news(begun: Evacuation, order: Order) -> bool:
    return begun.is_paused or order.percent > begun.percent


async def _turned(journal: Journal, order: Order, word: str) -> Evacuation:
    """Write the operator's word, if it is one; the region's last evacuation as it is then."""
    if word:
        begun = open_of(journal.records, order.region)
        order = with_percent(order, begun)
        if begun is None:
            raise OperatorError(
                f"Region {order.region!r} is not being evacuated.",
                "It never was, or everything is back.",
                "Look with --status.",
            )
        turned = EvacuationTurned(
            at_ms=now_ms(),
            evacuation=begun.name,
            order=word,  # type: ignore[arg-type] # one of the three, by who calls
            percent=order.percent,
            actor=order.actor,
            why=order.why,
        )
        await journal.append(turned)
    found = [each for each in folded(journal.records).values() if each.region == order.region]
    if not found:
        raise OperatorError(
            f"Region {order.region!r} was never evacuated.", "", "Begin with --why and no --status."
        )
    return found[-1]


def _document(found: Evacuation) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(found)
    return {
        **document,
        "state": found.state,
        "tasks_away": found.tasks_away,
        "shifted": [
            {
                **msgspec.to_builtins(each),
                "isEmptied": job_id in found.emptied,
                "isReturned": job_id in found.returned,
            }
            for job_id, each in found.shifted.items()
        ],
        "emptied": sorted(found.emptied),
        "returned": sorted(found.returned),
    }


def _print(found: Evacuation) -> None:
    out().print(
        f"{found.name}: {found.state}, {found.percent} % of {found.region} ordered; "
        f"{len(found.shifted)} jobs shifted, {len(found.returned)} back, "
        f"{found.tasks_away} tasks away",
        markup=False,
    )
