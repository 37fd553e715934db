"""`volume`: data that stay with an index of a job: listed, shown, snapshotted, moved, archived.

The one thing to know: an order returns when the cell has taken it; what becomes of it stands in
the volume's state. What cannot be done beside a running task waits until that has ended.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
import typer

from connectors.client.asking import segment
from connectors.client.shapes import Taken
from streams.cli.client import decoded
from streams.cli.commands_explain import needed_why
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.render import out, print_json, table
from streams.cli.render import show as shown

PATH: Final = "/api/flumina/volumes"
ADDRESSES: Final = "/api/flumina/addresses"
app = typer.Typer(
    help="Show volumes and static addresses; snapshot, clone, move, archive, restore, delete.\n\n"
    "Example: flumina volume list",
    no_args_is_help=True,
)
VolumeArgument = Annotated[str, typer.Argument(metavar="VOLUME", help="The volume's id.")]


@app.command("list")
def list_(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Only of this job.")] = None,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List volumes: where each is, who has it, how full it is.

    Example: flumina volume list database
    """
    with api_here(api, data_dir) as there:
        found = orjson.loads(there.connection.get(PATH, {"jobId": job}))
    if as_json:
        print_json(found)
        return
    rows: list[tuple[object, ...]] = [_row(each) for each in found["items"]]
    if rows:
        shown(out(), table("", ("volume", "state", "used", "where", "task"), rows))
    else:
        out().print("There are no volumes.", markup=False)


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    used = "-" if item["usedMB"] is None else str(item["usedMB"])
    most = f" of {item['sizeMB']} MiB" if item["sizeMB"] else " MiB"
    over = ", over its quota" if item["isOverQuota"] else ""
    pending = f", {item['work']} waits" if item["isWorkPending"] else ""
    if item["deleteAtMs"]:
        pending += f", goes at {_instant(item['deleteAtMs'])}"
    where = item["host"] or item["zone"] or "-"
    return item["id"], item["state"] + pending, used + most + over, where, item["taskId"] or "-"


@app.command()
def addresses(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """List static addresses, and the task that has each.

    Example: flumina volume addresses
    """
    with api_here(api, data_dir) as there:
        found = orjson.loads(there.connection.get(ADDRESSES))
    if as_json:
        print_json(found)
        return
    rows: list[tuple[object, ...]] = [
        (each["address"], ", ".join(each["jobIds"]) or "-", each["taskId"] or "-", each["hostname"])
        for each in found["items"]
    ]
    if rows:
        shown(out(), table("", ("address", "jobs", "task", "host"), rows))
    else:
        out().print("There are no static addresses.", markup=False)


@app.command()
def show(
    volume: VolumeArgument,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show one volume.

    Example: flumina volume show database-volume-data-0
    """
    with api_here(api, data_dir) as there:
        found = orjson.loads(there.connection.get(f"{PATH}/{segment(volume)}"))
    if as_json:
        print_json(found)
        return
    snapshots = [f"{each['name']} ({_instant(each['atMs'])})" for each in found["snapshots"]]
    found["snapshots"] = ", ".join(snapshots)
    if found["deleteAtMs"]:
        found["deleteAtMs"] = _instant(found["deleteAtMs"])
    for name, value in found.items():
        if value not in {None, "", False}:
            out().print(f"{name}: {value}", markup=False)


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@app.command()
def snapshot(  # noqa: PLR0917 - typer gives every option by its name
    volume: VolumeArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The snapshot's, such as before.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Keep the data as they are now. Of a plain directory only when no task has it.

    Example: flumina volume snapshot database-volume-data-0 before --why "an upgrade"
    """
    _order(volume, "snapshot", name, why, api, data_dir, as_json=as_json)


@app.command()
def clone(  # noqa: PLR0917 - as above
    volume: VolumeArgument,
    clone_id: Annotated[str, typer.Argument(metavar="CLONE", help="The id of the clone.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Copy the data into a volume of their own, which a job can name in volumeIds.

    Example: flumina volume clone database-volume-data-0 copy --why "a test"
    """
    _order(volume, "clone", clone_id, why, api, data_dir, as_json=as_json)


@app.command()
def move(  # noqa: PLR0917 - as above
    volume: VolumeArgument,
    target: Annotated[str, typer.Argument(metavar="HOST|ZONE", help="To where.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Move the data to another host (directory, zfs) or zone (ebs); their task then runs there.

    Example: flumina volume move database-volume-data-0 agent-2 --why "agent-1 goes"
    """
    _order(volume, "move", target, why, api, data_dir, as_json=as_json)


@app.command()
def archive(
    volume: VolumeArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Put the data into the store (FLUMINA_STORE) and take them off their host.

    Example: flumina volume archive database-volume-data-0 --why "not needed this year"
    """
    _order(volume, "archive", "", why, api, data_dir, as_json=as_json)


@app.command()
def restore(  # noqa: PLR0917 - as above
    volume: VolumeArgument,
    host: Annotated[
        str | None, typer.Argument(metavar="[HOST]", help="Where an archive is restored to.")
    ] = None,
    of_snapshot: Annotated[
        str | None, typer.Option("--snapshot", metavar="NAME", help="Go back to this snapshot.")
    ] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Bring archived data back to a host, or go back to a snapshot.

    Example: flumina volume restore database-volume-data-0 agent-1 --why "needed again"
    """
    if (host is None) == (of_snapshot is None):
        raise typer.BadParameter("Give a host, or --snapshot NAME.")
    argument = host or f"snapshot:{of_snapshot}"
    _order(volume, "restore", argument, why, api, data_dir, as_json=as_json)


@app.command()
def delete(
    volume: VolumeArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Delete the data of a volume that no active job has, after the time of grace (volume_grace).

    Example: flumina volume delete database-volume-data-0 --why "moved to RDS"
    """
    _order(volume, "delete", "", why, api, data_dir, as_json=as_json)


@app.command()
def undelete(
    volume: VolumeArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Keep a volume that was to be deleted.

    Example: flumina volume undelete database-volume-data-0 --why "still needed"
    """
    _order(volume, "undelete", "", why, api, data_dir, as_json=as_json)


@app.command()
def retry(
    volume: VolumeArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Try again what failed until the cell gave it up.

    Example: flumina volume retry database-volume-data-0 --why "the disk was full"
    """
    _order(volume, "retry", "", why, api, data_dir, as_json=as_json)


@app.command()
def release(
    task: Annotated[str, typer.Argument(metavar="TASK", help="That is known to have ended.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Free the volumes and addresses of a task of which the cell never heard the end.

    Only when you know that it does not run: two tasks that write to one volume ruin it.

    Example: flumina volume release database-worker-0-1 --why "its host was scrapped"
    """
    with api_here(api, data_dir) as there:
        taken = there.command("release-holds", {"taskId": task, "why": needed_why(why)})
        there.wait_for(taken)
    if as_json:
        print_json({"id": task})
    else:
        out().print(f"What {task} held is free.", markup=False)


def _order(  # noqa: PLR0917 - what all orders are given
    volume: str,
    order: str,
    argument: str,
    why: str,
    api: ApiOption,
    data_dir: DataDirOption,
    *,
    as_json: bool,
) -> None:
    body = {"order": order, "why": needed_why(why)} | ({"argument": argument} if argument else {})
    path = f"{PATH}/{segment(volume)}"
    with api_here(api, data_dir) as there:
        taken = decoded(there.connection.ask("POST", path, body=body).body, Taken)
        there.wait_for(taken)
        found = orjson.loads(there.connection.get(path))
    if as_json:
        print_json(found)
        return
    waits = ", which waits until no task has it" if found["isWorkPending"] else ""
    if order == "delete" and found["deleteAtMs"]:
        waits = f": its data go at {_instant(found['deleteAtMs'])}"
    out().print(f"{order} of {volume} is taken{waits}; it is {found['state']}.", markup=False)
