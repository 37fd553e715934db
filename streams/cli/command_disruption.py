"""`eviction` and `relocation`: what may be ended now, what has to move, and what that waits for.

The one thing to know: an eviction is asked for, and the cell says yes or no at once; nobody waits
for a budget. A no ends with exit status 1, with the reason and what would change it.
"""

from typing import Annotated, Any, Final

import msgspec
import orjson
import typer
from rich.console import Console

from connectors.client.asking import segment
from connectors.client.shapes import Taken
from streams.cli.calls import Api
from streams.cli.client import decoded
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.render import cell_text, clock, out, print_json, show, table
from streams.errors import OperatorError

EVICTION: Final = "/api/v3/eviction"
RELOCATION: Final = "/api/v3/relocation"
DRAINS: Final = "/api/flumina/drains"
EXIT_REFUSED: Final = 1
_PATHS: Final = {
    "system": "system",
    "tier": "tiers",
    "group": "capacityGroups",
    "job": "jobs",
    "task": "tasks",
}

eviction = typer.Typer(
    help="See how many tasks may be evicted now, and evict one within all budgets.\n\n"
    "Example: flumina eviction quota job titus-12",
    no_args_is_help=True,
)
relocation = typer.Typer(
    help="See which tasks have to leave their hosts, and what that waits for.\n\n"
    "Example: flumina relocation plans",
    no_args_is_help=True,
)


class Plan(msgspec.Struct, frozen=True, rename="camel"):
    """A task that has to leave its host."""

    task_id: str
    reason_code: str = ""
    reason_message: str = ""
    relocation_time: int = 0
    hostname: str = msgspec.field(name="flumina.hostname", default="")
    limit: str = msgspec.field(name="flumina.limit", default="")
    limit_message: str = msgspec.field(name="flumina.limitMessage", default="")


class Attempt(msgspec.Struct, frozen=True, rename="camel"):
    """One attempt."""

    state: str = ""
    reason_message: str = ""
    timestamp: int = 0


class Execution(msgspec.Struct, frozen=True, rename="camel"):
    """What was tried with a task."""

    task_relocation_plan: Plan
    relocation_attempts: tuple[Attempt, ...] = ()
    end: str = msgspec.field(name="flumina.end", default="")


class Drain(msgspec.Struct, frozen=True, rename="camel"):
    """A host that is emptied."""

    host_id: str
    hostname: str = ""
    why: str = ""
    tasks: int = 0
    ending: int = 0
    not_allowed: int = 0
    waiting: dict[str, int] = {}
    examples: tuple[str, ...] = ()


@eviction.command("quota")
def quota(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="system, tier, group, job or task.")
    ] = "system",
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which one; not for system.")] = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show how many tasks may be evicted now, and if none, why.

    Example: flumina eviction quota job titus-12
    """
    path = _quota_path(kind, name)
    with api_here(api, data_dir) as there:
        body = there.connection.get(path)
    found: dict[str, Any] = orjson.loads(body)
    if as_json:
        print_json(found)
        return
    what = " ".join(each for each in (kind, name) if each)
    why = f": {found['message']}" if found["message"] else ""
    out().print(f"{what}: {found['quota']} may be evicted now{why}", markup=False)


def _quota_path(kind: str, name: str) -> str:
    if kind not in _PATHS or (kind == "system") != (not name):
        raise OperatorError(
            f"'{kind} {name}' names no quota.".replace(" '", "'"),
            "A quota is of the system, or of one tier, group, job or task by its name.",
            "Write: flumina eviction quota system, or tier NAME, group NAME, job ID, task ID.",
        )
    below = f"/{segment(name)}" if name else ""
    return f"{EVICTION}/quotas/{_PATHS[kind]}{below}"


@eviction.command("evict")
def evict(
    task_id: Annotated[str, typer.Argument(metavar="TASK", help="The task's id.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """End a task if its job's budget and the cell's allow it now; it is replaced.

    Example: flumina eviction evict titus-12-worker-3-17 --why "its host is slow"
    """
    with api_here(api, data_dir) as there:
        found = evicted(there, task_id, why)
    if as_json:
        print_json(found)
    elif found["allowed"]:
        out().print(f"{task_id} is being ended, and replaced.", markup=False)
    else:
        out().print(f"{task_id} stays: {found['reasonMessage']}.", markup=False)
    if not found["allowed"]:
        raise typer.Exit(EXIT_REFUSED)


def evicted(there: Api, task_id: str, why: str) -> dict[str, Any]:
    """The cell's answer; where it comes late, what became of the task says it."""
    query = {"reason": why or None}
    answer = there.connection.ask("DELETE", f"{EVICTION}/tasks/{segment(task_id)}", query)
    if answer.status != 202:
        found: dict[str, Any] = orjson.loads(answer.body)
        return found
    there.wait_for(decoded(answer.body, Taken))
    status = there.task(task_id).status
    if status.reason_code == "evicted":
        return {"allowed": True, "reasonCode": "normal", "reasonMessage": ""}
    body = there.connection.get(f"{EVICTION}/quotas/tasks/{segment(task_id)}")
    message = orjson.loads(body)["message"]
    return {"allowed": False, "reasonCode": "", "reasonMessage": message}


@relocation.command("plans")
def plans(
    task_id: Annotated[str, typer.Argument(metavar="TASK", help="Of this task only.")] = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the tasks that have to leave their hosts: why, from when on, and what is in the way.

    Example: flumina relocation plans
    """
    body = _read("plans", task_id, api, data_dir)
    if as_json:
        print_json(orjson.loads(body))
        return
    found = [decoded(body, Plan)] if task_id else decoded(body, _Plans).plans
    print_plans(found, out())


@relocation.command("executions")
def executions(
    task_id: Annotated[str, typer.Argument(metavar="TASK", help="Of this task only.")] = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List what was tried: tasks that were moved, and those that could not be yet.

    Example: flumina relocation executions
    """
    body = _read("executions", task_id, api, data_dir)
    if as_json:
        print_json(orjson.loads(body))
        return
    found = [decoded(body, Execution)] if task_id else decoded(body, _Executions).results
    print_executions(found, out())


@relocation.command("hosts")
def hosts(
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the hosts that are emptied: what is left there, and what that waits for.

    Example: flumina relocation hosts
    """
    with api_here(api, data_dir) as there:
        body = there.connection.get(DRAINS)
    if as_json:
        print_json(orjson.loads(body))
        return
    print_drains(decoded(body, _Drains).hosts, out())


def _read(what: str, task_id: str, api: ApiOption, data_dir: DataDirOption) -> bytes:
    with api_here(api, data_dir) as there:
        below = f"/{segment(task_id)}" if task_id else ""
        return there.connection.get(f"{RELOCATION}/{what}{below}")


class _Plans(msgspec.Struct, frozen=True):
    plans: list[Plan]


class _Executions(msgspec.Struct, frozen=True):
    results: list[Execution]


class _Drains(msgspec.Struct, frozen=True):
    hosts: list[Drain]


def print_plans(found: list[Plan], console: Console) -> None:
    """Print a row for each plan."""
    if not found:
        console.print("No task has to leave its host.")
        return
    rows = [
        (
            each.task_id,
            each.hostname,
            each.reason_message or each.reason_code,
            clock(each.relocation_time),
            each.limit_message or "its time, or the next turn",
        )
        for each in found
    ]
    show(console, table("", ("task", "host", "why", "not before", "waits for"), rows))


def print_executions(found: list[Execution], console: Console) -> None:
    """Print a row for what was tried last with each task."""
    if not found:
        console.print("No relocation was tried.")
        return
    rows = []
    for each in found:
        last = each.relocation_attempts[-1] if each.relocation_attempts else Attempt()
        word = last.state or "not tried"
        said = last.reason_message or each.end
        plan = each.task_relocation_plan
        rows.append((plan.task_id, plan.reason_code, word, clock(last.timestamp), said))
    show(console, table("", ("task", "why", "last attempt", "at", "what"), rows))


def print_drains(found: list[Drain], console: Console) -> None:
    """Print a row for each host, and below it what is in the way."""
    if not found:
        console.print("No host is emptied.")
        return
    rows = [
        (
            each.hostname or each.host_id,
            each.tasks,
            each.ending,
            each.not_allowed,
            ", ".join(f"{count} for {word}" for word, count in each.waiting.items()) or "-",
            each.why,
        )
        for each in found
    ]
    columns = ("host", "tasks left #", "ending #", "may not move #", "waiting", "why")
    show(console, table("", columns, rows))
    for drain in found:
        for example in drain.examples:
            console.print(cell_text(f"{drain.hostname}: {example}"))
