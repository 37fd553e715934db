"""`why`, `events`, `state`, `orphans`: what happened, and what led to it.

The one thing to know: every line has the address of an event in the cell log. Whoever doubts a
sentence reads the event.
"""

from typing import Annotated

import orjson
import typer
from rich.console import Console

from connectors.client.shapes import SchedulingResult, Standing, State, Why
from streams.cli import completing
from streams.cli.client import decoded
from streams.cli.command_diff import INSTANT
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.event_rows import event_row
from streams.cli.render import cell_text, clock, out, plain, print_json, show, state_text, table
from streams.errors import OperatorError

AtOption = Annotated[
    str, typer.Option("--at", metavar="INSTANT", help=f"Then, and not now: {INSTANT}.")
]
NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="TASK|JOB", help="The id of a task or job.", autocompletion=completing.names
    ),
]


RoundOption = Annotated[
    str,
    typer.Option(
        "--round",
        metavar="ADDRESS",
        help="Of a task: what the round of placement at this address said of it, or the last "
        "before it.",
    ),
]


def why(  # noqa: PLR0917 - options, all by name
    name: NameArgument,
    address: RoundOption = "",
    at: AtOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Say why a task or job is where it is, or was at another instant, with the chain of causes.

    Example: flumina why hello-worker-3-4 --at -5m
    """
    with api_here(api, data_dir) as there:
        if address:
            raw = there.scheduling_result(name, address)
            if as_json:
                print_json(orjson.loads(raw))
            else:
                print_scheduling_result(decoded(raw, SchedulingResult), out())
        elif as_json:
            print_json(orjson.loads(there.raw_of(name, "why", {"at": at or None})))
        else:
            print_why(there.why(name, at), out())


def print_why(found: Why, console: Console) -> None:
    """Print the answer: sentences, then the chain."""
    heading = cell_text(f"{found.kind} {found.id}: ", "bold")
    heading.append_text(state_text(found.state, found.reason))
    if found.hostname:
        heading.append(plain(f" on {found.hostname}"))
    console.print(heading)
    if found.stale:
        console.print(cell_text(f"This may be old: {found.stale}.", "yellow"))
    for sentence in found.sentences:
        console.print(cell_text(f"  {sentence}"))
    if found.predecessors:
        console.print(cell_text(f"  In place of: {', '.join(found.predecessors)}."))
    if found.replaced_by:
        console.print(cell_text(f"  In its place: {found.replaced_by}."))
    if found.chain_dropped:
        console.print(cell_text(f"  {found.chain_dropped} links of the chain are only in the log."))
    rows = [
        (clock(each.at_ms), each.address, each.task_id, each.text, each.cause)
        for each in found.chain
    ]
    console.print()
    show(console, table("", ("time", "address", "task", "what", "because of"), rows))


def print_scheduling_result(found: SchedulingResult, console: Console) -> None:
    """Print what one round said of a task: hosts with their fitness, or rules with their counts."""
    console.print(cell_text(f"task {found.task_id}, now {found.state}", "bold"))
    if found.message:
        console.print(cell_text(f"  {found.message}"))
        return
    policy = f", policy {found.policy_version}, mode {found.mode}" if found.mode else ""
    console.print(cell_text(f"  round {found.round} at {clock(found.round_at_ms)}{policy}"))
    if found.success is not None:
        chosen = found.success
        console.print(cell_text(f"  launched on {chosen.host} by {chosen.proposal}"))
        rows = [
            (host, place, fitness, ", ".join(f"{name} {value}" for name, value in parts.items()))
            for host, place, fitness, parts in (
                (chosen.of_host, "chosen first", chosen.fitness, chosen.parts),
                (chosen.runner_up, "runner-up", chosen.runner_up_fitness, chosen.runner_up_parts),
            )
            if host
        ]
        show(console, table("", ("host", "", "fitness", "parts"), rows))
        return
    console.print(cell_text(f"  {found.waiting} of its job waited; what helps: {found.wake}"))
    rules = [(each.rule, each.hosts, each.nearest_host, each.missing) for each in found.failures]
    show(console, table("", ("rule", "hosts refused", "nearest", "missing there"), rules))


def events(
    name: NameArgument,
    with_tasks: Annotated[
        bool, typer.Option("--tasks", help="Of a job: with what happened to its tasks.")
    ] = False,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List what happened to a task or job, oldest first.

    Example: flumina events hello-worker-3-4
    """
    with api_here(api, data_dir) as there:
        query = {"tasks": "true"} if with_tasks else None
        if as_json:
            print_json(orjson.loads(there.raw_of(name, "events", query)))
            return
        found = there.events(name, query)
        rows = [event_row(each, with_tasks=with_tasks) for each in found.lines]
        task = ("task",) if with_tasks else ()
        columns = ("time", "address", *task, "what", "state", "host", "by", "because of")
        show(out(), table("", columns, rows))
        if found.dropped:
            out().print(cell_text(f"{found.dropped} further lines are only in the log."))


def state(
    at: AtOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show how the cell stands, or stood: its leader, its numbers, and whether that is current.

    Example: flumina state --at 2026-01-31T12:00:00Z
    """
    with api_here(api, data_dir) as there:
        if at:
            raw = there.state(at)
            if as_json:
                print_json(orjson.loads(raw))
                return
            numbers = decoded(raw, State)
            out().print(cell_text(f"At {clock(numbers.at_ms)}:", "bold"))
            print_state(numbers.standing, numbers, out(), is_past=True)
            return
        if as_json:
            standing = orjson.loads(there.connection.get("/api/v3/status"))
            print_json({"standing": standing, **orjson.loads(there.state())})
            return
        print_state(there.standing(), decoded(there.state(), State), out())


def print_state(
    standing: Standing, numbers: State, console: Console, *, is_past: bool = False
) -> None:
    """Print the cell as a few lines and its hosts as a table."""
    silent = standing.leader_silent_ms
    heard = "never heard" if silent is None else f"heard {silent} ms ago"
    place = f"{standing.cell}/{standing.generation}:{standing.offset}"
    rows: list[tuple[str, object]] = [
        ("cell", f"{place} ({numbers.cell_uuid})"),
        (
            "leader",
            (
                f"{standing.leader or '-'}{'' if is_past else f', {heard}'}, elected at "
                f"{numbers.elected_at or '-'}"
            ),
        ),
        ("Mesos", numbers.fatal or numbers.stream_id or "no stream is open"),
        ("jobs", _counted(numbers.jobs)),
        ("tasks", _counted(numbers.tasks)),
        ("waiting", f"{numbers.queue_length} for a host, {numbers.retries_waiting} for a retry"),
        ("orphans", numbers.orphans_total),
        ("decisions under way", numbers.decisions_total),
        ("policy", _policy(numbers)),
        ("digest", f"{numbers.digest} (fold version {numbers.fold_version})"),
    ]
    if standing.halt:
        console.print(cell_text(standing.halt, "bold red"))
    elif standing.safe:
        console.print(cell_text(f"The cell is safe: {standing.safe}.", "bold yellow"))
        console.print("See `flumina safe status`.", markup=False)
    elif standing.stale:
        console.print(cell_text(f"This may be old: {standing.stale}.", "yellow"))
    show(console, table("", ("", ""), rows))
    columns = ("host", "zone", "tasks #", "cpus used #", "offered #", "MiB used #", "offered #", "")
    hosts = [
        (
            each.hostname,
            each.zone,
            each.tasks,
            f"{each.used_cpu_milli / 1000:g}",
            f"{each.offered_cpu_milli / 1000:g}",
            each.used_memory_mib,
            each.offered_memory_mib,
            each.remark,
        )
        for each in numbers.hosts
    ]
    if hosts:
        console.print()
        show(console, table("", columns, hosts))
    if numbers.hosts_total > len(hosts):
        console.print(f"{numbers.hosts_total - len(hosts)} further hosts", markup=False)


def _policy(numbers: State) -> str:
    lost = f", lost zones {', '.join(numbers.lost_zones)}" if numbers.lost_zones else ""
    return f"version {numbers.policy_version}, mode {numbers.mode or '-'}{lost}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in counts.items()) or "none"


def orphans(
    forget: Annotated[
        str | None, typer.Option(metavar="TASK", help="It was dealt with; show it no longer.")
    ] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List tasks that run without history in the log; flumina never ends one by itself.

    Example: flumina orphans --forget job-x-worker-0-1 --why "ended by hand"
    """
    with api_here(api, data_dir) as there:
        if forget is not None:
            there.wait_for(
                there.command("forget-orphan", {"taskId": forget, "why": needed_why(why)})
            )
        if as_json:
            print_json(orjson.loads(there.connection.get("/api/flumina/orphans")))
            return
        rows = [
            (each.task_id, each.state, each.hostname or each.host_id, clock(each.first_seen_at_ms))
            for each in there.orphans().items
        ]
        if rows:
            show(out(), table("", ("task", "state", "host", "first seen"), rows))
        else:
            out().print("There are no orphans.")


def needed_why(why: str) -> str:
    """The reason, if one was given; raises `OperatorError` else."""
    if not why.strip():
        raise OperatorError(
            "No reason was given.",
            "What an operator orders is written into the log, with who and why.",
            "Add --why REASON.",
        )
    return why
