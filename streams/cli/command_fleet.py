"""`fleet`: groups of hosts, what would be done with them, their sizes, and deployments of hosts.

The one thing to know: nothing here speaks to a cloud. A change is an order in the log; whoever
leads the cell asks the cloud for it, and the next observation shows it.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from connectors.client.asking import segment
from connectors.client.shapes import Taken
from scheduler.model.fleet_rules import DeploymentOrder
from streams.cli.client import decoded
from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    WhyOption,
    api_here,
    settings_here,
)
from streams.cli.render import clock, out, print_json, show, table
from streams.errors import OperatorError
from streams.fleet.main import follow_fleet
from streams.logs import configure_logging
from streams.metrics_server import MetricsPortOption
from streams.probes import run_probed

PATH: Final = "/api/flumina/fleet"

app = typer.Typer(
    help="See and scale groups of hosts, and put new ones in the place of old ones.\n\n"
    "Example: flumina fleet groups",
    no_args_is_help=True,
)
GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="The group's name.")]
NewArgument = Annotated[
    str, typer.Argument(metavar="NEW", help="The new group, as the deployment is named.")
]


@app.command("groups")
def groups(
    name: Annotated[str, typer.Argument(metavar="[GROUP]", help="One group, whole.")] = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List groups of hosts as their clouds tell of them; or show one with its instances.

    Example: flumina fleet groups blue
    """
    path = f"{PATH}/groups/{segment(name)}" if name else f"{PATH}/groups"
    found = _read(path, api, data_dir)
    if as_json:
        print_json(found)
    elif name:
        _show_group(found)
    else:
        _show_groups(found["items"])


def _show_groups(items: list[dict[str, Any]]) -> None:
    if not items:
        out().print("No cloud has told of a group. Is FLUMINA_CLOUD set? See docs/fleet.md.")
        return
    columns = ("group", "size#", "bounds", "busy#", "idle#", "starting#", "warm#", "use", "note")
    rows = [
        (
            each["name"],
            str(each["desired"]) if each["ordered"] is None else _ordered(each),
            f"{each['min']}-{each['max']}",
            each["busy"],
            each["idle"],
            each["starting"] + each["late"],
            _warm(each),
            each["lifecycle"] if each["isScaled"] else f"{each['lifecycle']}, not scaled",
            "gone"
            if each["isGone"]
            else each["fault"] or each["held"] or each["warmPool"]["fault"],
        )
        for each in items
    ]
    show(out(), table("", columns, rows))


def _warm(each: dict[str, Any]) -> str:
    """How many instances stand by, of how many that are to; empty without a pool."""
    pool = each["warmPool"]
    return f"{each['warm']}/{pool['wanted']}" if pool["seen"] or pool["asked"] else ""


def _ordered(each: dict[str, Any]) -> str:
    return f"{each['desired']} -> {each['ordered']}"


def _show_group(found: dict[str, Any]) -> None:
    _show_groups([found])
    columns = ("instance", "state", "zone", "host", "tasks#", "mark", "protected")
    rows = [
        (
            each["id"],
            each["state"],
            each["zone"],
            each["hostname"] or "not joined",
            each["tasks"],
            each["mark"],
            "yes" if each["isProtected"] else "",
        )
        for each in found["items"]
    ]
    show(out(), table("", columns, rows))
    for each in found["activities"]:
        line = f"{clock(each['atMs'])}  {each['what']}: {each['why']}"
        out().print(line, markup=False, highlight=False)


@app.command("maintenance")
def maintenance(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """List hosts that Mesos will have taken away, and what it is answered.

    Example: flumina fleet maintenance
    """
    found = _read(f"{PATH}/maintenance", api, data_dir)
    if as_json:
        print_json(found)
        return
    if not found["items"]:
        out().print("Mesos asks for no host.")
        return
    columns = ("host", "from", "for s#", "standing", "tasks#", "planned#", "answer", "why")
    rows = [
        (
            each["hostname"],
            clock(each["fromMs"]),
            "for good" if each["forMs"] is None else each["forMs"] // 1_000,
            each["standing"],
            each["tasks"],
            each["planned"],
            each["answer"] or each["wanted"],
            each["why"],
        )
        for each in found["items"]
    ]
    show(out(), table("", columns, rows))


@app.command("plan")
def plan(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """Show what the next look would do, and which tasks no host would help.

    Example: flumina fleet plan
    """
    found = _read(f"{PATH}/plan", api, data_dir)
    if as_json:
        print_json(found)
        return
    if found["isPaused"] or found["isSafe"]:
        why = "it is paused" if found["isPaused"] else "the cell is safe"
        out().print(f"Nothing of this is done: {why}.")
    columns = ("group", "size#", "target#", "for tasks#", "least", "gives back#", "why", "held")
    rows = [
        (
            each["name"],
            each["size"],
            each["target"],
            each["waitingNeed"],
            f"{each['floor']} ({each['floorBy']})",
            len(each["givesBack"]),
            each["why"],
            each["held"],
        )
        for each in found["groups"]
    ]
    show(out(), table("", columns, rows))
    for each in found["uncured"]:
        line = f"{each['tasks']} tasks of {each['jobId']} wait for no host: {each['why']}"
        out().print(line, markup=False, highlight=False)
    for each in found["shortages"]:
        line = f"tier {each['tier']} is guaranteed more than its groups may have: {each['amount']}"
        out().print(line, markup=False, highlight=False)


@app.command("rules")
def rules(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="New rules, whole, as JSON.")
    ] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print the rules by which groups are scaled; or set them from a file.

    Example: flumina fleet rules docs/examples/fleet.json --why "first group"
    """
    found = _read(f"{PATH}/rules", api, data_dir)
    if file is None:
        print_json(found if as_json else found["rules"])
        return
    document = rules_of(file)
    query = {"why": _needed(why), "ifVersion": found["version"]}
    with api_here(api, data_dir) as there:
        taken = decoded(there.connection.ask("PUT", f"{PATH}/rules", query, document).body, Taken)
        there.wait_for(taken)
    _say({"id": "fleet"}, "The fleet is scaled by these rules.", as_json=as_json)


def rules_of(file: Path) -> dict[str, Any]:
    """The rules in a file, as they stand there; raises `OperatorError`."""
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise OperatorError(
            f"{file} holds no rules: {error}.",
            "It is not there, or is no JSON.",
            "`flumina fleet rules` prints the present ones, from which to begin.",
        ) from error
    if not isinstance(found, dict):
        raise OperatorError(
            f"{file} holds no rules: it is no JSON object.",
            "It may be a list, or another file.",
            "`flumina fleet rules` prints the present ones, from which to begin.",
        )
    return found


@app.command("set")
def set_(  # noqa: PLR0917 - options, all by name
    group: GroupArgument,
    desired: Annotated[int, typer.Argument(metavar="N", min=0, help="How many hosts, now.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Give a group a size now. Smaller: only hosts without tasks go, or it is refused.

    Example: flumina fleet set blue 40 --why "the launch at nine"
    """
    body = {"desired": desired, "why": _needed(why)}
    _ask("PUT", f"{PATH}/groups/{segment(group)}/size", body, api, data_dir)
    _say({"id": group}, f"Group {group} is to have {desired} hosts.", as_json=as_json)


@app.command("warm-pool")
def warm_pool(  # noqa: PLR0917 - options, all by name
    group: GroupArgument,
    min_size: Annotated[
        int, typer.Option("--min-size", min=0, help="At least so many instances stand by.")
    ] = 0,
    max_prepared: Annotated[
        int | None,
        typer.Option(
            "--max-prepared",
            min=0,
            help="Group and pool have so many together; left out: as many as the group may have.",
        ),
    ] = None,
    state: Annotated[
        str, typer.Option("--state", help="How they stand by: stopped, running or hibernated.")
    ] = "stopped",
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Instances that are given back stand by again.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="There shall be no warm pool.")] = False,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Have instances stand by beside a group, which start faster than new ones; or none.

    Example: flumina fleet warm-pool blue --min-size 2 --max-prepared 10 --why "the launch at nine"
    """
    body: dict[str, Any] = {"why": _needed(why)}
    if remove:
        body["remove"] = True
    else:
        most = {} if max_prepared is None else {"maxPrepared": max_prepared}
        body["pool"] = {"minSize": min_size, **most, "state": state, "reuseOnScaleIn": reuse}
    _ask("PUT", f"{PATH}/groups/{segment(group)}/warm-pool", body, api, data_dir)
    words = "none any more" if remove else "a warm pool by this rule"
    _say({"id": group}, f"Group {group} is to have {words}.", as_json=as_json)


@app.command("deploy")
def deploy(  # noqa: PLR0917 - options, all by name
    new: NewArgument,
    old: Annotated[str, typer.Option("--from", metavar="OLD", help="The group it replaces.")],
    size: Annotated[
        int, typer.Option("--size", min=0, help="Hosts of the new group; default as the old one.")
    ] = 0,
    at_once: Annotated[
        int, typer.Option("--at-once", min=0, help="Old hosts emptied at a time; default a tenth.")
    ] = 0,
    bake_s: Annotated[
        int, typer.Option("--bake-s", min=0, help="The empty old hosts stay for so long.")
    ] = 600,
    timeout_s: Annotated[
        int, typer.Option("--timeout-s", min=60, help="A longer step pauses the deployment.")
    ] = 3_600,
    keep: Annotated[bool, typer.Option("--keep", help="Do not delete the old group.")] = False,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Put a new group in the place of an old one: up, moved within all budgets, old one removed.

    Example: flumina fleet deploy green --from blue --why "kernel 6.9"
    """
    body = {
        "new": new,
        "old": old,
        "size": size,
        "hostsAtOnce": at_once,
        "bakeMs": bake_s * 1_000,
        "timeoutMs": timeout_s * 1_000,
        "keepGroup": keep,
        "why": _needed(why),
    }
    _ask("POST", f"{PATH}/deployments", body, api, data_dir)
    _say({"id": new}, f"Group {new} is taking the place of {old}.", as_json=as_json)


@app.command("deployments")
def deployments(
    name: Annotated[str, typer.Argument(metavar="[NEW]", help="One of them, whole.")] = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List deployments of hosts and how far they are; or show one with what happened.

    Example: flumina fleet deployments green
    """
    path = f"{PATH}/deployments/{segment(name)}" if name else f"{PATH}/deployments"
    found = _read(path, api, data_dir)
    if as_json:
        print_json(found)
        return
    items = [found] if name else found["items"]
    if not items:
        out().print("There is no deployment of hosts.")
        return
    columns = ("new", "old", "step", "new hosts", "tasks#", "old hosts#", "tasks left#", "note")
    rows = [
        (
            each["new"],
            each["old"],
            f"{each['step']}, paused" if each["isPaused"] else each["step"],
            f"{each['newHosts']}/{each['size']}",
            each["newTasks"],
            each["oldHosts"],
            each["oldTasks"],
            each["why"],
        )
        for each in items
    ]
    show(out(), table("", columns, rows))
    for each in found.get("history", ()):
        line = f"{clock(each['atMs'])}  {each['why']}"
        out().print(line, markup=False, highlight=False)


@app.command("pause")
def pause(
    new: NewArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Pause a deployment: nothing more is moved.

    Example: flumina fleet pause green --why "odd latencies"
    """
    _order("pause", new, why, api, data_dir)
    _say({"id": new}, f"The deployment of {new} is paused.", as_json=as_json)


@app.command("resume")
def resume(
    new: NewArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Let a paused deployment go on.

    Example: flumina fleet resume green --why "it was the dashboard"
    """
    _order("resume", new, why, api, data_dir)
    _say({"id": new}, f"The deployment of {new} goes on.", as_json=as_json)


@app.command("rollback")
def rollback(
    new: NewArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Have a deployment go back: work returns to the old group, the new one is emptied.

    Example: flumina fleet rollback green --why "disks are slow"
    """
    _order("rollback", new, why, api, data_dir)
    _say({"id": new}, f"The deployment of {new} goes back.", as_json=as_json)


@app.command("run")
def run(api: ApiOption = None, metrics_port: MetricsPortOption = None) -> None:
    """Tell the cell what its cloud says, in the foreground; `flumina up` starts this.

    Example: FLUMINA_CLOUD=aws KAFKA_BROKERS=kafka:9092 flumina fleet run --api http://api:7100
    """
    configure_logging("fleet")
    settings = settings_here()
    url = api or settings.api_url
    if url is None:
        raise OperatorError(
            "The fleet process needs the cell's API.",
            "Neither --api nor FLUMINA_API names it; the rules of the fleet stand there.",
            "Name it, or use `flumina up`.",
        )
    work = partial(follow_fleet, settings, url, metrics_port)
    asyncio.run(run_probed(settings.probe_address, work))


def _order(
    order: DeploymentOrder, new: str, why: str, api: str | None, data_dir: Path | None
) -> None:
    path = f"{PATH}/deployments/{segment(new)}/{order}"
    _ask("POST", path, {"why": _needed(why)}, api, data_dir)


def _read(path: str, api: str | None, data_dir: Path | None) -> dict[str, Any]:
    with api_here(api, data_dir) as there:
        found: dict[str, Any] = orjson.loads(there.connection.get(path))
    return found


def _ask(
    method: str, path: str, body: dict[str, Any], api: str | None, data_dir: Path | None
) -> None:
    with api_here(api, data_dir) as there:
        there.wait_for(decoded(there.connection.ask(method, path, {}, body).body, Taken))


def _needed(why: str) -> str:
    if not why:
        raise OperatorError(
            "No reason is given.",
            "What changes the fleet stands in the log for years, with its reason.",
            'Add --why "...".',
        )
    return why


def _say(answer: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        out().print(words, markup=False)
