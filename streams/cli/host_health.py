"""`host health` and `host release`: what speaks against hosts, and an operator's word against that.

The one thing to know: what is shown is the fold's own judgement with its evidence; a release makes
it forget, and puts the host on trial.
"""

from typing import Annotated, Any, Final

import orjson
import typer

from connectors.client.asking import segment
from connectors.client.shapes import Taken
from streams.cli.client import decoded
from streams.cli.commands_explain import needed_why
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.render import clock, out, print_json, show, table

PATH: Final = "/api/flumina/health"


def health(
    host: Annotated[
        str, typer.Argument(metavar="[HOST]", help="Its name or its id; without, all.")
    ] = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show the hosts that are not simply well, or all that speaks against one.

    Example: flumina host health agent-3
    """
    path = f"{PATH}/hosts/{segment(host)}" if host else PATH
    with api_here(api, data_dir) as there:
        found: dict[str, Any] = orjson.loads(there.connection.get(path))
    if as_json:
        print_json(found)
    elif host:
        _show_host(found)
    else:
        _show_all(found)


def release(
    host: Annotated[str, typer.Argument(metavar="HOST", help="Its name or its id.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Forget what was said against a host: it gets tasks again, few at first.

    Example: flumina host release agent-3 --why "its disk was changed"
    """
    with api_here(api, data_dir) as there:
        path, body = f"{PATH}/hosts/{segment(host)}/release", {"why": needed_why(why)}
        there.wait_for(decoded(there.connection.ask("POST", path, body=body).body, Taken))
    if as_json:
        print_json({"hostId": host})
    else:
        out().print(f"{host} is released, and on trial.", markup=False)


def _show_all(found: dict[str, Any]) -> None:
    total, away = found["hostsTotal"], found["awayTotal"]
    out().print(f"{total} hosts, {away} of them away for their health.")
    if found["hosts"]:
        names = ("hostname", "group", "standing", "falls", "tasks", "why")
        rows = ([each[name] for name in names] for each in found["hosts"])
        columns = ("host", "group", "standing", "falls#", "tasks#", "why")
        show(out(), table("", columns, rows))
    if any(each["standing"] == "spared" for each in found["hosts"]):
        text = "Spared hosts go on getting tasks: as many of their group are away as may be"
        out().print(f"{text} (health_away_percent; one always may).", markup=False)
    for each in found["silentTasks"]:
        text = f"Silent since {clock(each['sinceMs'])}: {each['taskId']} ({each['detail']})"
        out().print(text, markup=False)
    for each in found["failingKinds"]:
        if each["isPaged"]:
            text = f"{each['name']}: {each['failures']} failures of {len(each['jobs'])} jobs"
            out().print(f"{text} on {len(each['hosts'])} hosts", markup=False)


def _show_host(found: dict[str, Any]) -> None:
    head = f"{found['hostname']} ({found['hostId']}): {found['standing']}"
    out().print(f"{head}{': ' + found['why'] if found['why'] else ''}", markup=False)
    if found["awaySinceMs"]:
        out().print(f"Away since {clock(found['awaySinceMs'])}, {found['falls']} times lately")
    if found["launchingMax"]:
        out().print(f"On trial: {found['launchingMax']} tasks at most that have not started")
    for each in found["verdicts"]:
        out().print(f"{each['detector']}: {each['standing']}, {each['scoreMilli']} of 1000")
        for piece in each["evidence"]:
            source = f" [{piece['source']}]" if piece["source"] else ""
            out().print(f"    {piece['kind']}: {piece['text']}{source}", markup=False)
    for each in found["probes"]:
        failing = "keeps tasks away" if each["isFailing"] else "good again"
        text = f"check {each['name']}: {each['state']}, {failing}. {each['detail']}"
        out().print(text, markup=False)
