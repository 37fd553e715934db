"""`update`: give a job another spec while it runs, and see, pause, resume or take back an update.

The one thing to know: the update goes on in the cell, whether this command waits for it or not;
what is printed is what the API says of it. Without a file and without an order it only shows.
"""

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import orjson
import typer
from rich.console import Console

from connectors.client.asking import segment
from streams.cli.calls import Api
from streams.cli.client import decoded
from streams.cli.commands_jobs import JobArgument
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.render import cell_text, clock, errors, out, print_json, show, table
from streams.errors import OperatorError

POLL_S: Final = 0.5
_OVER: Final = ("done", "rolledBack", "ended")


FileOption = Annotated[
    str | None, typer.Option("-f", "--file", metavar="FILE", help="The new spec; - is stdin.")
]
BatchOption = Annotated[
    str | None, typer.Option(metavar="N|P%", help="Indexes of a batch; usually 25%.")
]
UnavailableOption = Annotated[
    str | None, typer.Option(metavar="N|P%", help="Tasks that may be down for it; 25%.")
]
SurgeOption = Annotated[
    str | None, typer.Option(metavar="N|P%", help="Tasks beyond what is wanted; none.")
]
HealthOption = Annotated[
    int | None, typer.Option(metavar="S", min=0, help="Healthy for so long counts; 30.")
]
DeadlineOption = Annotated[
    int | None, typer.Option(metavar="S", min=1, help="A batch must be healthy by then; 600.")
]
FailuresOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Ends that are a crash loop; 3.")
]
KeepOption = Annotated[
    int | None, typer.Option(metavar="S", min=0, help="Red-black: keep the old set; 600.")
]


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    version: int
    image: str
    wanted: bool
    serves: bool
    tasks: int
    started: int
    healthy: int


class _Update(msgspec.Struct, frozen=True, rename="camel"):
    number: int
    state: str
    paused: bool
    from_version: int
    to_version: int
    batch: int
    began_at_ms: int
    ended_at_ms: int
    failures: int
    why: str


class _JobVersion(msgspec.Struct, frozen=True):
    version: int


class _Job(msgspec.Struct, frozen=True):
    version: _JobVersion


class Updates(msgspec.Struct, frozen=True, rename="camel"):
    """What the API says of a job by version, and of its updates."""

    job_id: str
    spec_version: int
    versions: list[_Version]
    updates: list[_Update]


def update(  # noqa: PLR0917 - typer gives every option by its name
    job: JobArgument,
    file: FileOption = None,
    pause: Annotated[bool, typer.Option("--pause", help="Make no further move.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back a version.")] = False,
    batch: BatchOption = None,
    max_unavailable: UnavailableOption = None,
    max_surge: SurgeOption = None,
    health_wait: HealthOption = None,
    deadline: DeadlineOption = None,
    failures: FailuresOption = None,
    red_black: Annotated[bool, typer.Option("--red-black", help="Whole set, then switch.")] = False,
    keep: KeepOption = None,
    no_rollback: Annotated[bool, typer.Option("--no-rollback", help="Pause if it fails.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Also if the spec is as is.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until done; fail if it is not.")] = False,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Give a job another spec batch by batch, or show, pause, resume or take back an update.

    Example: flumina update web -f new.json --batch 10% --max-unavailable 1 --wait
    """
    order = _one_order(file, pause=pause, resume=resume, rollback=rollback)
    plan = {
        "strategy": "redBlack" if red_black else None,
        "batch": _share(batch),
        "maxUnavailable": _share(max_unavailable),
        "maxSurge": _share(max_surge),
        "healthWaitSec": health_wait,
        "batchDeadlineSec": deadline,
        "failuresMax": failures,
        "keepSec": keep,
        "automaticRollback": False if no_rollback else None,
        "restart": True if restart else None,
    }
    has_begun = True
    with api_here(api, data_dir) as there:
        if file is not None:
            given = {k: v for k, v in plan.items() if v is not None}
            has_begun = _begin(there, job, file, given, why)
        elif order:
            _order(there, job, order, why)
        is_waiting = wait and has_begun
        body = _waited(there, job) if is_waiting else there.connection.get(path_of(job))
    _tell(job, body, as_json=as_json, is_waiting=is_waiting)
    if not has_begun:
        errors().print(cell_text(f"Nothing began: {job} is just that already."))
        errors().print(cell_text("--restart replaces tasks of services and streams all the same."))
    elif file is not None and not decoded(body, Updates).updates:
        errors().print(cell_text(f"Runs to come of {job} are by the new spec."))


def _tell(job: str, body: bytes, *, as_json: bool, is_waiting: bool) -> None:
    """Print what the API says; raises `OperatorError` where what was waited for failed."""
    found = decoded(body, Updates)
    if as_json:
        print_json(orjson.loads(body))
    else:
        print_updates(found, out())
    if is_waiting and found.updates and found.updates[0].state != "done":
        last = found.updates[0]
        raise OperatorError(
            f"Update {last.number} of {job} is {last.state}.",
            f"{last.why.rstrip('.') or 'Somebody ended it'}.",
            f"`flumina events {job}` tells what happened.",
        )


def _one_order(file: str | None, *, pause: bool, resume: bool, rollback: bool) -> str:
    """What is ordered, or empty; raises `OperatorError` where more than one thing is asked for."""
    given = {"pause": pause, "resume": resume, "rollback": rollback}
    orders = [word for word, is_given in given.items() if is_given]
    if len(orders) + (file is not None) > 1:
        raise OperatorError(
            "More than one thing was asked for.",
            "A file begins an update; --pause, --resume and --rollback are about one under way.",
            "Give one of them.",
        )
    return orders[0] if orders else ""


def path_of(job: str) -> str:
    """Where the API has a job's updates."""
    return f"/api/flumina/jobs/{segment(job)}/updates"


def _share(text: str | None) -> int | str | None:
    """What the plan takes: a number, or a text with a percentage, which the cell checks."""
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else text


def _begin(there: Api, job: str, file: str, plan: dict[str, Any], why: str) -> bool:
    """Ask for the update; False where it changed nothing and none is under way."""
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        descriptor = orjson.loads(raw)
    except (OSError, orjson.JSONDecodeError) as error:
        raise OperatorError(
            f"{file} is not read: {error}.",
            "The name is misspelt, or it holds no JSON.",
            "Name a file that holds the whole job as it shall be, in JSON.",
        ) from error
    body = {"job": descriptor, **({"plan": plan} if plan else {})}
    before = _versioned(there, job)
    there.connection.ask("POST", path_of(job), {"why": why or None}, body)
    found = decoded(there.connection.get(path_of(job)), Updates)
    is_over = not found.updates or found.updates[0].state in _OVER
    return not is_over or _versioned(there, job) != before


def _versioned(there: Api, job: str) -> int:
    path = f"/api/v3/jobs/{segment(job)}"
    return decoded(there.connection.get(path), _Job).version.version


def _order(there: Api, job: str, order: str, why: str) -> None:
    found = decoded(there.connection.get(path_of(job)), Updates)
    if not found.updates:
        raise OperatorError(
            f"{job} has no update to {order}.",
            "None was asked for yet, or it is long forgotten.",
            f"Begin one: flumina update {job} -f new.json",
        )
    path = f"{path_of(job)}/{found.updates[0].number}/{order}"
    there.connection.ask("POST", path, {"why": why or None})


def _waited(there: Api, job: str) -> bytes:
    """What the API says once no update of the job is under way, or one is paused."""
    told = ""
    while True:
        body = there.connection.get(path_of(job))
        found = decoded(body, Updates)
        if not found.updates or found.updates[0].state in _OVER or found.updates[0].paused:
            return body
        text = _progress(found)
        if text != told:
            errors().print(text, markup=False)
            told = text
        time.sleep(POLL_S)


def _progress(found: Updates) -> str:
    latest = found.updates[0]
    parts = [f"{each.healthy} of version {each.version}" for each in found.versions]
    return f"{found.job_id}: {latest.state}, batch {latest.batch}; healthy: {', '.join(parts)}"


def print_updates(found: Updates, console: Console) -> None:
    """Print what runs by version, and the updates, the latest first."""
    versions = [
        (
            each.version,
            each.image or "-",
            "wanted" if each.wanted else "",
            "serves" if each.serves else "",
            each.tasks,
            each.started,
            each.healthy,
        )
        for each in found.versions
    ]
    columns = ("version #", "image", "", "", "tasks #", "started #", "healthy #")
    show(console, table(f"versions of {found.job_id}", columns, versions))
    if not found.updates:
        console.print(cell_text("It was never updated."))
        return
    rows = [
        (
            each.number,
            f"{each.state}{', paused' if each.paused else ''}",
            f"{each.from_version} to {each.to_version}",
            each.batch,
            each.failures,
            clock(each.began_at_ms),
            clock(each.ended_at_ms),
            each.why,
        )
        for each in found.updates
    ]
    heads = ("update #", "state", "versions", "batch #", "failures #", "began", "ended", "why")
    show(console, table("updates", heads, rows))
