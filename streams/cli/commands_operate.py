"""`skip`: what an operator orders of a halted cell, with his name and his reason in the log.

The one thing to know: an order is a record like any other. The cell folds it at its place, and
every replay does the same.
"""

import time
from typing import Annotated, Final

import typer

from streams.cli.calls import Api
from streams.cli.commands_explain import needed_why
from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    WhyOption,
    api_here,
)
from streams.cli.render import out, print_json
from streams.clock import elapsed_s
from streams.errors import OperatorError

SKIP_TIMEOUT_S: Final = 30.0
"""The log is folded anew from its beginning, by the leader and by the API."""
POLL_S: Final = 0.3


def skip(  # noqa: PLR0917 - typer gives every option by its name
    offset: Annotated[int, typer.Argument(metavar="OFFSET", min=0, help="Of the halt report.")],
    digest: Annotated[str, typer.Option(metavar="D", help="Of the halt report.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Let a halted fold pass one record that it cannot apply.

    Only when you know what the record holds (`flumina log show OFFSET`): it will never be applied,
    in no replay either. The offset and the digest are in the halt report, which `flumina state`
    shows.

    Example: flumina skip 1042 --digest 00112233445566778899aabbccddeeff --why "test record"
    """
    with api_here(api, data_dir) as there:
        reason = needed_why(why)
        taken = there.command("skip", {"offset": offset, "digest": digest, "why": reason})
        _until_it_goes_on(there, offset)
        if as_json:
            print_json({"id": taken.id})
        else:
            out().print(f"The fold goes on behind offset {offset}.", markup=False)


def _until_it_goes_on(there: Api, offset: int) -> None:
    """Return when the fold is halted no longer, or halted at another offset, which is shown."""
    deadline = elapsed_s() + SKIP_TIMEOUT_S
    while f" at offset {offset}:" in (halt := there.standing().halt):
        if elapsed_s() > deadline:
            raise OperatorError(
                f"The fold is still halted at offset {offset}.",
                "The digest is not that of the halt report, or nobody copies the command because "
                "no cell's process runs.",
                f"Compare with the report and start a cell's process. {halt}",
            )
        time.sleep(POLL_S)
