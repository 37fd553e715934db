"""`timeline`, `causes`, `effects`: what happened to one thing, and what hangs together.

The one thing to know: a timeline goes back to the first record, also for what the cell forgot long
ago; causes and effects follow the links from event to event.
"""

from typing import Annotated

import orjson
import typer
from rich.console import Console

from projections.travel.questions import LIMIT
from streams.cli.client import decoded
from streams.cli.command_diff import INSTANT, LimitOption, SkipOption
from streams.cli.common import ApiOption, DataDirOption, JsonOption, api_here
from streams.cli.event_rows import event_row
from streams.cli.render import cell_text, clock, out, print_json, show, table
from streams.cli.travel_shapes import Timeline, Trace

AddressArgument = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="An event, such as main/1a2b3c4d:1042[0].")
]


def timeline(  # noqa: PLR0917 - options, all by name
    name: Annotated[str, typer.Argument(metavar="TASK|JOB|HOST", help="A task, job or host.")],
    first: Annotated[str, typer.Option("--from", metavar="INSTANT", help=INSTANT)] = "",
    second: Annotated[str, typer.Option("--to", metavar="INSTANT", help=INSTANT)] = "",
    limit: LimitOption = LIMIT,
    skip: SkipOption = 0,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List all that ever happened to a task, job or host, oldest first.

    Example: flumina timeline hello-worker-3-4 --from -1d
    """
    with api_here(api, data_dir) as there:
        body = there.timeline(name, first, second, limit, skip)
        if as_json:
            print_json(orjson.loads(body))
            return
        found = decoded(body, Timeline)
        rows = [event_row(each, with_tasks=True) for each in found.lines]
        columns = ("time", "address", "task", "what", "state", "host", "by", "because of")
        show(out(), table("", columns, rows))
        if found.lacking:
            out().print(cell_text(f"not told: {found.lacking}", "yellow"))
        if found.next_skip:
            left = found.total - found.next_skip
            out().print(cell_text(f"{left} more lines: add --skip {found.next_skip}."))


def causes(
    address: AddressArgument,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what led to an event, back to the record that somebody sent.

    Example: flumina causes main/1a2b3c4d:1042[0]
    """
    _trace(address, "causes", api, data_dir, as_json=as_json)


def effects(
    address: AddressArgument,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what followed from an event, up to now.

    Example: flumina effects main/1a2b3c4d:1042[0]
    """
    _trace(address, "effects", api, data_dir, as_json=as_json)


def _trace(
    address: str, direction: str, api: ApiOption, data_dir: DataDirOption, *, as_json: bool
) -> None:
    with api_here(api, data_dir) as there:
        body = there.trace(address, direction)
        if as_json:
            print_json(orjson.loads(body))
            return
        print_trace(decoded(body, Trace), out())


def print_trace(found: Trace, console: Console) -> None:
    """Print the chain, oldest first; the event that was asked about is marked."""
    console.print(cell_text(f"{found.direction} of {found.address}: {found.event}", "bold"))
    rows = [
        (
            "→" if each.address == found.address else "",
            clock(each.at_ms),
            each.address,
            "; ".join(each.texts),
            ", ".join((*each.led_to_by, *each.sources)),
        )
        for each in found.steps
    ]
    show(console, table("", ("", "time", "address", "what", "led to by"), rows))
    if found.dropped:
        console.print(cell_text(f"{found.dropped} further events are not shown."))
    if found.tasks_dropped:
        console.print(cell_text(f"It is about {found.tasks_dropped} more tasks than are followed."))
