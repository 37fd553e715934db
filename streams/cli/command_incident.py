"""`incident`: all that matters of a stretch of time, and notes on it.

The one thing to know: what is shown or written is masked by the API, and every line has the address
of its event, from which `flumina causes` and `flumina effects` go on.
"""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from connectors.client.shapes import Taken
from streams.cli.calls import Api
from streams.cli.client import decoded
from streams.cli.command_diff import INSTANT, SkipOption
from streams.cli.common import ApiOption, DataDirOption, JsonOption, api_here
from streams.cli.event_rows import event_row
from streams.cli.incident_shapes import Chain, Incident, Mover, Section
from streams.cli.render import cell_text, clock, out, print_json, show, table
from streams.errors import OperatorError

PATH = "/api/flumina/incident"
SHOWN = 10
"""Lines of each section, where all are shown."""


def incident(  # noqa: PLR0917 - options, all by name
    first: Annotated[str, typer.Option("--from", metavar="INSTANT", help=INSTANT)] = "-1h",
    second: Annotated[str, typer.Option("--to", metavar="INSTANT", help=INSTANT)] = "now",
    section: Annotated[
        str, typer.Option(metavar="NAME", help="Show one section whole, such as alerts.")
    ] = "",
    task: Annotated[
        str, typer.Option(metavar="TASK", help="Show what happened to a task, and what led to it.")
    ] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, max=5_000, help="Show at most so many lines of a section.")
    ] = None,
    skip: SkipOption = 0,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it as one page that opens without a network."),
    ] = None,
    slice_to: Annotated[
        Path | None,
        typer.Option("--slice", metavar="FILE", help="Write its events, for `flumina replay`."),
    ] = None,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what happened between two instants: alerts, verdicts, decisions, changes, movers, notes.

    Example: flumina incident --from -30m --html incident.html
    """
    span: dict[str, str | int | None] = {"from": first, "to": second}
    for path in (html, slice_to):
        if path is not None and path.exists():
            raise _there_already(path)
    with api_here(api, data_dir) as there:
        if html is not None or slice_to is not None:
            _write(there, span, task, ((html, "page"), (slice_to, "slice")))
            return
        if task:
            _show_chain(there.connection.get(f"{PATH}/tasks/{task}", span), is_json=as_json)
            return
        lines = limit or (200 if section else SHOWN)
        asked = span | {"section": section or None, "limit": lines, "skip": skip}
        body = there.connection.get(PATH, asked)
        if as_json:
            print_json(orjson.loads(body))
        elif section:
            print_section(decoded(body, Section), out())
        else:
            print_incident(decoded(body, Incident), out())


def note(  # noqa: PLR0917 - options, all by name
    text: Annotated[str, typer.Argument(metavar="TEXT", help="One line of at most 2,000 bytes.")],
    first: Annotated[
        str, typer.Option("--from", metavar="TIME", help="-5m, or 2026-01-31T12:00:00Z; else now.")
    ] = "",
    second: Annotated[str, typer.Option("--to", metavar="TIME", help="The same.")] = "",
    about: Annotated[
        str, typer.Option(metavar="NAME", help="A job, task, host or address; else the cell.")
    ] = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write a note on a stretch of time into the cell's log.

    Example: flumina incident note "the switch of rack 7 was replaced" --from -20m --about agent-3
    """
    given = {"text": text, "from": first, "to": second, "about": about}
    body = {name: value for name, value in given.items() if value or name == "text"}
    with api_here(api, data_dir) as there:
        answer = there.connection.ask("POST", f"{PATH}/notes", body=body)
        there.wait_for(decoded(answer.body, Taken))
    if as_json:
        print_json(body)
    else:
        out().print("The note is kept: `flumina incident` shows it.", markup=False)


def _write(
    there: Api,
    span: dict[str, str | int | None],
    task: str,
    files: tuple[tuple[Path | None, str], ...],
) -> None:
    """Write the page and the slice, of the same instants."""
    found = orjson.loads(there.connection.get(PATH, span | {"limit": 1}))
    fixed = {"from": found["replayFrom"], "to": found["replayTo"]}
    for path, what in files:
        if path is None:
            continue
        query: dict[str, Any] = fixed | ({"task": task} if task and what == "page" else {})
        data = there.connection.get(f"{PATH}/{what}", query)
        _write_file(path, data)
        is_page = what == "page"
        then = "open it in a browser" if is_page else f"`flumina replay {path}` looks into it"
        out().print(cell_text(f"{path}: {len(data)} bytes; {then}."))


def _write_file(path: Path, data: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise _there_already(path) from error
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be written.", f"{error.strerror}.", "Name a file in a folder of yours."
        ) from error


def _there_already(path: Path) -> OperatorError:
    return OperatorError(
        f"{path} is there already.", "Nothing is overwritten.", "Name another file."
    )


def _show_chain(body: bytes, *, is_json: bool) -> None:
    if is_json:
        print_json(orjson.loads(body))
        return
    chain, console = decoded(body, Chain), out()
    rows = [event_row(each, with_tasks=False) for each in chain.lines]
    columns = ("time", "address", "what", "state", "host", "by", "because of")
    show(console, table(chain.task_id, columns, rows))
    if chain.causes is None:
        return
    console.print()
    steps = [
        (clock(each.at_ms), each.address, "; ".join(each.texts), ", ".join(each.led_to_by))
        for each in chain.causes.steps
    ]
    title = f"what led to {chain.causes.address}"
    show(console, table(title, ("time", "address", "what", "led to by"), steps))


def print_incident(found: Incident, console: Console) -> None:
    """Print all of an incident: the numbers, the notes, each section, the movers."""
    first, last = found.first, found.last
    console.print(
        cell_text(
            f"cell {found.cell}, {clock(first.at_ms)} to {clock(last.at_ms)}: {found.records} "
            f"records, {first.address} to {last.address}",
            "bold",
        )
    )
    rows = (
        ("leader", first.leader, last.leader),
        ("policy", first.policy_version, last.policy_version),
        ("hosts", first.hosts, last.hosts),
        ("tasks on hosts", first.tasks_on_hosts, last.tasks_on_hosts),
        ("tasks waiting", first.waiting, last.waiting),
        ("safe", "yes" if first.is_safe else "no", "yes" if last.is_safe else "no"),
    )
    show(console, table("", ("", "at the beginning", "at the end"), rows))
    if found.notes:
        notes = [(clock(n.from_ms), n.actor, n.about, n.text) for n in found.notes]
        show(console, table("\nNotes", ("of", "by", "about", "note"), notes))
    if found.rule_alerts:
        fired = [
            (clock(a.fired_ms), clock(a.resolved_ms), a.rule, a.severity, a.labels, a.summary)
            for a in found.rule_alerts
        ]
        columns = ("fired", "over", "rule", "severity", "about", "")
        show(console, table("\nAlerts of rules", columns, fired))
    for section in found.sections:
        if section.total:
            console.print()
            print_section(section, console)
    movers = found.movers
    for title, those in (
        ("Jobs that moved most", movers.jobs),
        ("Hosts that moved most", movers.hosts),
        ("Ways in which tasks failed", movers.failures),
        ("What detectors saw", movers.templates),
    ):
        if those:
            console.print()
            _print_movers(title, those[:SHOWN], console)


def print_section(section: Section, console: Console) -> None:
    """Print one section's lines, and how many more there are."""
    rows = [
        (
            clock(each.at_ms),
            each.address,
            cell_text(each.what, {"critical": "red", "warning": "yellow"}.get(each.weight, "")),
            each.task_id or each.job_id or each.hostname or each.host_id,
            each.actor,
            each.text,
        )
        for each in section.lines
    ]
    columns = ("time", "address", "what", "about", "by", "")
    show(console, table(f"{section.title} ({section.total})", columns, rows))
    if section.next_skip:
        more = f"--section {section.name} --skip {section.next_skip}"
        console.print(cell_text(f"more of them: {more}"))


def _print_movers(title: str, movers: tuple[Mover, ...], console: Console) -> None:
    rows = []
    for each in movers:
        numbers = ", ".join(f"{count} {name}" for name, count in each.numbers.items())
        ends = "" if each.before is None else f"{each.before} → {each.after}"
        rows.append((each.name, each.moved, numbers, ends, each.first_address))
    show(console, table(title, ("", "moved #", "of it", "tasks on hosts", "first event"), rows))
