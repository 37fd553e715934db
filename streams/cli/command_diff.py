"""`diff`: what was different between two instants of a cell, and which events made it so.

The one thing to know: instants are times, times ago, offsets or addresses; each line names events
that `flumina causes` explains.
"""

from typing import Annotated

import orjson
import typer
from rich.console import Console

from projections.travel.questions import LIMIT, LIMIT_MAX
from streams.cli.client import decoded
from streams.cli.common import ApiOption, DataDirOption, JsonOption, api_here
from streams.cli.render import cell_text, clock, out, print_json, show, table
from streams.cli.travel_shapes import Diff, Entity

INSTANT = "-5m, 2026-01-31T12:00:00Z, an offset, an address, or now"
LimitOption = Annotated[
    int, typer.Option(min=1, max=LIMIT_MAX, help="Show at most so many on a page.")
]
SkipOption = Annotated[int, typer.Option(min=0, help="Leave out so many, for the pages behind.")]


def diff(  # noqa: PLR0917 - options, all by name
    first: Annotated[str, typer.Argument(metavar="FROM", help=INSTANT)],
    second: Annotated[str, typer.Argument(metavar="TO", help=INSTANT)] = "now",
    limit: LimitOption = LIMIT,
    skip: SkipOption = 0,
    is_long: Annotated[
        bool, typer.Option("--fields", help="Show each field that differs.")
    ] = False,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what was different between two instants: jobs, tasks, hosts, groups, policy, orphans.

    Example: flumina diff -1h now
    """
    with api_here(api, data_dir) as there:
        body = there.diff(first, second, limit, skip)
        if as_json:
            print_json(orjson.loads(body))
            return
        print_diff(decoded(body, Diff), out(), is_long=is_long)


def print_diff(found: Diff, console: Console, *, is_long: bool) -> None:
    """Print the counts, then a line for each entity."""
    before, after = found.before, found.after
    console.print(
        cell_text(
            f"from {before.address} ({clock(before.at_ms)}) to {after.address} "
            f"({clock(after.at_ms)})",
            "bold",
        )
    )
    counts = [
        (kind, *(each.get(change, 0) for change in ("appeared", "went", "changed")))
        for kind, each in found.counts.items()
    ]
    if not counts:
        console.print("Nothing is different.")
        return
    show(console, table("", ("", "appeared #", "went #", "changed #"), counts))
    console.print()
    rows = [
        (each.change, each.kind, each.id, _words(each), _events(each)) for each in found.entities
    ]
    show(console, table("", ("", "what", "name", "from → to", "events"), rows))
    if is_long:
        fields = [
            (each.kind, each.id, field.field, field.before, field.after)
            for each in found.entities
            for field in each.fields
        ]
        console.print()
        show(console, table("", ("", "name", "field", "was", "is"), fields))
    if found.dropped:
        console.print(cell_text(f"{found.dropped} more: --skip and --limit show them."))


def _words(entity: Entity) -> str:
    if entity.before and entity.after and entity.before != entity.after:
        return f"{entity.before} → {entity.after}"
    names = ", ".join(each.field for each in entity.fields)
    return f"{entity.after or entity.before}{f': {names}' if names else ''}"


def _events(entity: Entity) -> str:
    more = ", and older ones" if entity.has_older else ""
    return ", ".join(entity.addresses) + more
