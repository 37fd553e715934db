"""`safe`: what a safe cell has found, and the operator's word on it.

The one thing to know: confirming says that the list is so (what Mesos does not have is replaced,
orphans stay), rejecting that it is wrong (everything stays as it was, Mesos is asked anew). Either
is a record of the log, with who and why; until then nothing that is only inferred is done.
"""

from typing import Annotated

import orjson
import typer
from rich.console import Console

from connectors.client.shapes import Finding
from streams.cli.client import decoded
from streams.cli.commands_explain import needed_why
from streams.cli.commands_operate import skip
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.render import cell_text, clock, out, print_json, show, table

PATH = "/api/flumina/safe"

app = typer.Typer(
    help="See what a safe cell has found, and confirm or reject it.\n\n"
    "Example: flumina safe status",
    no_args_is_help=True,
)


@app.command()
def status(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """Say whether the cell is safe or halted, why, and list the tasks that it is about.

    Example: flumina safe status
    """
    with api_here(api, data_dir) as there:
        raw = there.connection.get(PATH)
        if as_json:
            print_json(orjson.loads(raw))
        else:
            print_finding(decoded(raw, Finding), there.standing().halt, out())


def print_finding(found: Finding, halt: str, console: Console) -> None:
    """Print the finding: what holds, the list, and what to do."""
    if halt:
        console.print(cell_text(halt, "bold red"))
    if not found.is_safe:
        console.print("The cell is not safe: it trusts what it hears.", markup=False)
    else:
        console.print(cell_text(f"The cell is safe since {clock(found.since_ms)}.", "bold yellow"))
        console.print(f"{found.why} ({found.address}).", markup=False)
    if found.kills_held:
        console.print(f"{found.kills_held} kills that no user asked for wait.", markup=False)
    rows = [
        (each.task_id, what, each.state, each.hostname, clock(each.since_ms))
        for what, listed in (("missing", found.missing), ("orphan", found.orphans))
        for each in listed
    ]
    if rows:
        show(console, table("", ("task", "what", "Mesos says", "host", "since"), rows))
    further = found.missing_total + found.orphans_total - len(rows)
    if further:
        console.print(f"{further} further tasks", markup=False)
    if found.is_safe:
        console.print(
            f"If this is so: flumina safe confirm {found.finding} --tasks {found.tasks} --why "
            "REASON (what is missing is replaced, orphans stay). If it is wrong: flumina safe "
            f"reject {found.finding} --why REASON (everything stays, Mesos is asked anew).",
            markup=False,
        )


FindingArgument = Annotated[
    int, typer.Argument(metavar="FINDING", min=0, help="As `flumina safe status` names it.")
]


@app.command()
def confirm(  # noqa: PLR0917 - typer gives every option by its name
    finding: FindingArgument,
    tasks: Annotated[
        int, typer.Option(metavar="N", min=0, help="How many tasks you saw on the list.")
    ],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Say that a finding is so: what Mesos does not have is replaced, orphans alarm no more.

    Example: flumina safe confirm 10542 --tasks 12 --why "rack 7 was wiped"
    """
    asked = {"finding": finding, "tasks": tasks, "why": needed_why(why)}
    with api_here(api, data_dir) as there:
        there.wait_for(there.command("confirm-finding", asked))
    _told(finding, "confirmed", as_json=as_json)


@app.command()
def reject(
    finding: FindingArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Say that a finding is wrong: tasks stay as they were, and Mesos is asked for all anew.

    Example: flumina safe reject 10542 --why "the master had just begun"
    """
    asked = {"finding": finding, "why": needed_why(why)}
    with api_here(api, data_dir) as there:
        there.wait_for(there.command("reject-finding", asked))
    _told(finding, "rejected", as_json=as_json)


app.command("skip", help=f"The same as `flumina skip`. {skip.__doc__ or ''}")(skip)


def _told(finding: int, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"finding": finding, "is": what})
    else:
        out().print(f"Finding {finding} is {what}; the cell is safe no longer.", markup=False)
