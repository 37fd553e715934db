"""`heal`: runbooks, their runs, and the operator's word about both.

The one thing to know: a runbook file is YAML with a list `runbooks`; it is checked whole by the
cell, and set whole: what is not in the file is no runbook any more.
"""

from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from connectors.client.asking import segment
from connectors.client.shapes import Taken
from scheduler.model.reading.faults import Faults
from streams.cli.client import decoded
from streams.cli.commands_explain import needed_why
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.render import clock, out, print_json, show, table
from streams.errors import OperatorError
from streams.policy_file.reading import read_yaml

PATH: Final = "/api/flumina/healing"
app = typer.Typer(
    help="Heal sick hosts by runbooks: set them, see their runs, approve and stop them.\n\n"
    "Example: flumina heal list",
    no_args_is_help=True,
)
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="As `heal list` shows it.")]
BookArgument = Annotated[str, typer.Argument(metavar="RUNBOOK", help="Its name.")]


@app.command("list")
def list_runs(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """List the runs that are remembered, the newest first.

    Example: flumina heal list
    """
    items = _read(f"{PATH}/runs", api, data_dir)["items"]
    if as_json:
        print_json({"items": items})
        return
    if not items:
        out().print("No runbook has run yet. `flumina heal runbooks` shows what there is.")
        return
    columns = ("run", "host", "runbook", "state", "step", "began", "why")
    rows = [
        (
            *(each["runId"], each["hostname"], each["runbook"], each["state"], each["step"]),
            clock(each["beganMs"]),
            each["why"] or each["cause"],
        )
        for each in items
    ]
    show(out(), table("", columns, rows))


@app.command("show")
def show_run(
    run: RunArgument,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show a run with every step that it took, and what its scripts wrote.

    Example: flumina heal show heal-1042.0.0
    """
    found = _read(f"{PATH}/runs/{segment(run)}", api, data_dir)
    if as_json:
        print_json(found)
        return
    head = f"{found['runbook']} on {found['hostname']}: {found['state']}"
    out().print(f"{head}\nCause: {found['cause']}", markup=False)
    for each in found["steps"]:
        code = "" if each["exitCode"] is None else f", exit code {each['exitCode']}"
        line = f"{clock(each['endedMs'])} {each['name']}: {each['outcome']}{code}. {each['detail']}"
        out().print(line, markup=False)
        for text in each["output"].splitlines():
            out().print(f"    {text}", markup=False)
    if found["step"]:
        out().print(f"Now: {found['step']}, since {clock(found['stepSinceMs'])}", markup=False)
    elif found["why"]:
        out().print(f"{found['why']}", markup=False)


@app.command("approve")
def approve(
    run: RunArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Let a run begin that waits for approval.

    Example: flumina heal approve heal-1042.0.0 --why "seen the diagnosis"
    """
    path = f"{PATH}/runs/{segment(run)}/approve"
    _order(
        (api, data_dir),
        ("POST", path, {"why": needed_why(why)}),
        f"{run} goes on.",
        as_json=as_json,
    )


@app.command("stop")
def stop(
    run: RunArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """End a run; a script that is under way is not taken back.

    Example: flumina heal stop heal-1042.0.0 --why "I look at it myself"
    """
    path = f"{PATH}/runs/{segment(run)}/stop"
    _order(
        (api, data_dir),
        ("POST", path, {"why": needed_why(why)}),
        f"{run} is stopped.",
        as_json=as_json,
    )


@app.command("start")
def start(
    runbook: BookArgument,
    host: Annotated[str, typer.Argument(metavar="HOST", help="Its name or its id.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Run a runbook on a host, whatever its limits say.

    Example: flumina heal start runtime agent1 --dry-run --why "to see what it would do"
    """
    body = {"runbook": runbook, "hostId": host, "why": needed_why(why), "dryRun": dry_run}
    _order(
        (api, data_dir),
        ("POST", f"{PATH}/runs", body),
        f"{runbook} runs on {host}.",
        as_json=as_json,
    )


@app.command("resume")
def resume(
    runbook: BookArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Let a runbook run again that had stopped because it made nothing better.

    Example: flumina heal resume runtime --why "its script is fixed"
    """
    path = f"{PATH}/runbooks/{segment(runbook)}/resume"
    _order(
        (api, data_dir),
        ("POST", path, {"why": needed_why(why)}),
        f"{runbook} runs again.",
        as_json=as_json,
    )


@app.command("runbooks")
def runbooks(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="YAML to set; without, show them.")
    ] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show the runbooks and how they do; or set them all by a YAML file.

    Example: flumina heal runbooks docs/examples/runbooks.yaml --why "the first ones"
    """
    if file is not None:
        body = {"runbooks": read_runbook_file(file), "why": needed_why(why)}
        said = f"The cell has the runbooks of {file}."
        _order((api, data_dir), ("PUT", f"{PATH}/runbooks", body), said, as_json=as_json)
        return
    items = _read(f"{PATH}/runbooks", api, data_dir)["items"]
    if as_json:
        print_json({"items": items})
        return
    if not items:
        out().print("There is no runbook. docs/healing.md shows how to write some.")
        return
    columns = ("runbook", "for", "steps#", "last hour#", "note")
    show(out(), table("", columns, map(_runbook_row, items)))


def _runbook_row(each: dict[str, Any]) -> tuple[str, ...]:
    names = [*each["when"].get("detectors", []), *each["when"].get("probes", [])]
    held = "; ".join(f"{one['hostname']}: {one['why']}" for one in each["held"])
    manner = "dry run" if each["dryRun"] else "wants approval" if each["approval"] else ""
    note = each["stoppedWhy"] or held or manner
    return each["name"], ", ".join(names), str(len(each["steps"])), str(each["runsLastHour"]), note


def read_runbook_file(file: Path) -> list[Any]:
    """The runbooks of a YAML file, as they stand there; the cell says what is wrong with them."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"{file} cannot be read: {error}.", "It is not there, or no text.", "Name another."
        ) from error
    faults = Faults()
    raw = read_yaml(text, faults).document
    if faults:
        raise OperatorError(
            f"{file} {faults.all()[0].text}.",
            "Often a colon without a space, or a tab.",
            "docs/healing.md has an example.",
        )
    found = raw.get("runbooks") if isinstance(raw, dict) else None
    if not isinstance(found, list) or set(raw) != {"runbooks"}:
        raise OperatorError(
            f"{file} must hold one field, runbooks, with a list.",
            "It is of another kind, or a runbook stands at its top.",
            "docs/healing.md has an example.",
        )
    return found


def _read(path: str, api: str | None, data_dir: Path | None) -> dict[str, Any]:
    with api_here(api, data_dir) as there:
        found: dict[str, Any] = orjson.loads(there.connection.get(path))
    return found


def _order(
    there: tuple[str | None, Path | None],
    asked: tuple[str, str, dict[str, Any]],
    said: str,
    *,
    as_json: bool,
) -> None:
    """Ask for it, wait until the cell has taken it, and say so."""
    method, path, body = asked
    with api_here(*there) as api:
        taken = decoded(api.connection.ask(method, path, body=body).body, Taken)
        api.wait_for(taken)
    if as_json:
        print_json({"id": taken.id})
    else:
        out().print(said, markup=False)
