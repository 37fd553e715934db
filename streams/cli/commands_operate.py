"""`skip` and `policy`: what operators order, with their name and their reason in the log.

The one thing to know: an order is a record like any other. The cell folds it at its place, and
every replay does the same.
"""

from typing import Annotated

import typer

from streams.cli.calls import Api
from streams.cli.client import decoded
from streams.cli.commands_explain import needed_why
from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    WhyOption,
    api_here,
    policy_numbers,
)
from streams.cli.render import out, print_json, show, table
from streams.cli.shapes import State


def skip(  # noqa: PLR0917 - typer gives every option by its name
    offset: Annotated[int, typer.Argument(metavar="OFFSET", min=0, help="Of the halt report.")],
    digest: Annotated[str, typer.Option(metavar="D", help="Of the halt report.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Let a halted fold pass one record that it cannot apply.

    Only when you know what the record holds: it will never be applied, in no replay either. The
    offset and the digest are in the halt report, which `flumina state` shows.

    Example: flumina skip 1042 --digest 00112233445566778899aabbccddeeff --why "test record"
    """
    there = Api(api_here(api, data_dir))
    reason = needed_why(why)
    taken = there.command("skip", {"offset": offset, "digest": digest, "why": reason})
    if as_json:
        print_json({"id": taken.id})
    else:
        out().print(f"The fold goes on behind offset {offset}.", markup=False)


def policy(
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="What to change.")
    ] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show the numbers that the cell decides by, or change some.

    Example: flumina policy unreachable_timeout_ms=30000 --why "hosts come back quickly here"
    """
    there = Api(api_here(api, data_dir))
    if values:
        numbers = policy_numbers(values)
        there.command("policy", {"values": numbers, "why": needed_why(why)})
    shown = decoded(there.state(), State)
    if as_json:
        print_json({"version": shown.policy_version, "policy": shown.policy})
        return
    out().print(f"Policy version {shown.policy_version}", markup=False)
    show(out(), table("", ("name", "value #"), sorted(shown.policy.items())))
