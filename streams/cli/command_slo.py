"""`slo`: the three objectives of a cell, its owners, applications and capacity groups.

The one thing to know: they are counted from the cell's log, so an instant of the last thirty days
can be named, or a place of the log, which stands for the time of its record; beyond six hours ago
windows are told in whole hours.
"""

from typing import Annotated, Any, Final

import orjson
import typer

from streams.cli.common import ApiOption, DataDirOption, JsonOption, api_here
from streams.cli.render import clock, out, print_json, show, table

PATH: Final = "/api/flumina/slo"


def slo(
    scope: Annotated[
        str, typer.Option(help="cell, owner, application, capacity_group or all.")
    ] = "cell",
    at: Annotated[
        str, typer.Option(metavar="TIME", help="Such as -1h, 03:12 or an offset; default now.")
    ] = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show the three objectives: budgets, what is left of them, and how fast they burn.

    Example: flumina slo --scope owner
    """
    with api_here(api, data_dir) as there:
        body = there.connection.get(PATH, {"scope": scope, "at": at or None})
    found: dict[str, Any] = orjson.loads(body)
    if as_json:
        print_json(found)
        return
    columns = ("objective", "whose", "promised", "good", "events", "bad", "failed", "budget left")
    burns = [each["name"] for each in found["items"][0]["burns"]] if found["items"] else []
    rows = [
        (
            each["slo"],
            " ".join(word for word in (each["scope"], each["name"]) if word),
            _promised(each),
            f"{each['goodPpm'] / 10_000:.3f} %",
            each["total"],
            each["bad"],
            each["failed"] if each["slo"] == "crashing" else "",
            f"{each['budgetLeftPpm'] / 10_000:.1f} %",
            *(_burn(one) for one in each["burns"]),
        )
        for each in found["items"]
    ]
    show(out(), table("", (*columns, *(f"burn {each}" for each in burns)), rows))
    since = clock(found["sinceMs"]) if found["sinceMs"] else "now"
    gaps = f" Records were passed over {found['gaps']} times." if found["gaps"] else ""
    out().print(f"Counted since {since}, for thirty days at most.{gaps}", markup=False)


def _promised(item: dict[str, Any]) -> str:
    within = f" within {item['withinMs'] / 1_000:g} s" if item["withinMs"] else ""
    return f"{item['targetPpm'] / 10_000:g} %{within}"


def _burn(burn: dict[str, Any]) -> str:
    rate = min(burn["longMilli"], burn["shortMilli"]) / 1_000
    return f"{rate:.1f}{' (too fast)' if burn['isTooFast'] else ''}"
