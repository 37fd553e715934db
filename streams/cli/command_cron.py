"""`cron`: when a schedule fires next, and what a cron job has started.

The one thing to know: a schedule's text alone is enough; it is read by the very code by which the
cell fires, so what is printed is what will be.
"""

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Final

import msgspec
import orjson
import typer
from rich.console import Console

from connectors.client.asking import segment
from scheduler.model.cron import BadSchedule, firings, schedule_of
from scheduler.model.reading.faults import nearest_name
from scheduler.model.time_zones import wall_time, zone_names, zone_rule
from streams.cli.client import decoded
from streams.cli.common import ApiOption, DataDirOption, JsonOption, api_here
from streams.cli.render import cell_text, clock, out, print_json, show, table
from streams.errors import OperatorError

COUNT_MAX: Final = 100

app = typer.Typer(
    help="See when cron jobs fire, and what they started.\n\nExample: flumina cron next nightly",
    no_args_is_help=True,
)

CountOption = Annotated[
    int, typer.Option("--count", metavar="N", min=1, max=COUNT_MAX, help="How many firings.")
]


class _Run(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    fired_for_ms: int
    state: str
    reason: str


class Schedule(msgspec.Struct, frozen=True, rename="camel"):
    """What the API says of a cron job."""

    job_id: str
    schedule: str
    time_zone: str
    zone_rule: str
    enabled: bool
    next: list[int]
    skipped: int
    last_skip: str
    runs: list[_Run]


@app.command("next")
def next_firings(  # noqa: PLR0917 - typer gives every option by its name
    name: Annotated[
        str, typer.Argument(metavar="JOB|SCHEDULE", help="A cron job, or five fields in quotes.")
    ],
    zone: Annotated[
        str, typer.Option("--zone", metavar="ZONE", help="Of a schedule: its time zone.")
    ] = "UTC",
    count: CountOption = 5,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print the next firings of a cron job, or of a schedule that is no job yet.

    Example: flumina cron next "30 2 * * mon-fri" --zone Europe/Berlin
    """
    if " " in name or name.startswith("@"):
        rule = _rule(zone)
        found = upcoming(name, rule, now_ms(), count)
    else:
        with api_here(api, data_dir) as there:
            query = {"limit": count}
            told = decoded(there.connection.get(cron_path(name), query), Schedule)
        rule, found = told.zone_rule, told.next
    if as_json:
        print_json({"next": found, "zoneRule": rule})
    else:
        print_firings(found, rule, out())


@app.command()
def runs(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The cron job's id.")],
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the jobs that a cron job started, the newest first, and what it skipped.

    Example: flumina cron runs nightly
    """
    with api_here(api, data_dir) as there:
        body = there.connection.get(cron_path(job))
    if as_json:
        print_json(orjson.loads(body))
    else:
        print_runs(decoded(body, Schedule), out())


def cron_path(job: str) -> str:
    """Where the API has a cron job's schedule."""
    return f"/api/flumina/jobs/{segment(job)}/cron"


def now_ms() -> int:
    """The time of this computer, for a schedule that no cell has."""
    return int(datetime.now(UTC).timestamp() * 1_000)


def upcoming(schedule: str, rule: str, after_ms: int, count: int) -> list[int]:
    """The next instants of a schedule's text; raises `OperatorError` where it is none."""
    try:
        schedule_of(schedule)
    except BadSchedule as error:
        raise OperatorError(
            f"This is no schedule: it {error}.",
            "The fields are minute, hour, day of the month, month and day of the week.",
            'Write for example: flumina cron next "30 2 * * mon-fri"',
        ) from error
    return list(islice(firings(schedule, rule, after_ms), count))


def _rule(zone: str) -> str:
    rule = zone_rule(zone)
    if rule is None:
        near = nearest_name(zone, zone_names())
        raise OperatorError(
            f"No time zone is called {zone}.",
            "Zones have the names of the tz database, like Europe/Berlin.",
            f"D{near[1:]}" if near.startswith("did you") else "Write for example: --zone UTC",
        )
    return rule


def print_firings(found: list[int], rule: str, console: Console) -> None:
    """Print instants: as clocks there show them, and in UTC."""
    rows = [(_there(at_ms, rule), _utc(at_ms)) for at_ms in found]
    show(console, table("", ("by the job's clock", "in UTC"), rows))
    if not rows:
        console.print(cell_text("It does not fire any more."))


def _there(at_ms: int, rule: str) -> str:
    wall = wall_time(rule, at_ms)
    sign, ahead_s = ("-", -wall.offset_s) if wall.offset_s < 0 else ("+", wall.offset_s)
    offset = f"{sign}{ahead_s // 3_600:02}:{ahead_s // 60 % 60:02}"
    day = f"{wall.year}-{wall.month:02}-{wall.day:02}"
    return f"{day} {wall.hour:02}:{wall.minute:02} {offset}"


def _utc(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%MZ}"


def print_runs(found: Schedule, console: Console) -> None:
    """Print a cron job's runs, and what it skipped."""
    rows = [
        (each.id, _utc(each.fired_for_ms), each.state, each.reason or "-") for each in found.runs
    ]
    show(console, table(f"runs of {found.job_id}", ("job", "fired for", "state", "reason"), rows))
    if found.skipped:
        console.print(f"{found.skipped} firings started nothing; the last: {found.last_skip}")
    if not found.enabled:
        console.print(cell_text("It is disabled: nothing is started.", "bold yellow"))
    elif found.next:
        console.print(f"It fires next at {clock(found.next[0])}.", markup=False)
