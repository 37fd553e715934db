"""`flumina dashboard`: the dashboards there are, one of them, and whether a file describes one.

The one thing to know: dashboards are files. These commands read files alone and need nothing to
run; the console shows what they show.
"""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from projections.dashboards.model import Panel
from streams.cli.common import DataDirOption, JsonOption, data_dir_of, settings_here
from streams.cli.render import errors, out, plain, print_json, show, table
from streams.dashboards.files import PLACE, Dashboards, Found, checked_file
from streams.errors import OperatorError

EXIT_FAULTS = 1
app = typer.Typer(
    help="List, show and check dashboards.\n\nExample: flumina dashboard show cell",
    no_args_is_help=True,
)


@app.command("list")
def list_dashboards(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List all dashboards, and what is wrong with those that cannot be shown.

    Ends with 1 where a file has a fault.

    Example: flumina dashboard list
    """
    found = _dashboards(data_dir).all()
    good = [each for each in found if each.dashboard is not None]
    faults = [str(fault) for each in found for fault in each.faults]
    if as_json:
        print_json({"dashboards": [_summary(each) for each in good], "faults": faults})
    else:
        rows = [_row(each) for each in good]
        show(out(), table("", ("name", "panels #", "about", "file", "title"), rows))
        for each in faults:
            errors().print(plain(each), markup=False)
    if faults:
        raise typer.Exit(EXIT_FAULTS)


@app.command("show")
def show_dashboard(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of `flumina dashboard list`.")],
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Show what a dashboard is made of: its panels and the question behind each.

    Example: flumina dashboard show queue
    """
    found = _dashboards(data_dir).find(name)
    if found is None:
        raise OperatorError(
            f"There is no dashboard {plain(name)}.",
            "No file of that name is delivered, or in the folder of own ones.",
            "`flumina dashboard list` names all.",
        )
    if found.dashboard is None:
        raise OperatorError(
            f"{found.path} describes no dashboard that can be shown.",
            "\n".join(map(str, found.faults)) + ".",
            "Mend these places; docs/dashboards.md has every field.",
        )
    dashboard = found.dashboard
    if as_json:
        print_json(msgspec.to_builtins(dashboard) | {"file": str(found.path)})
        return
    out().print(f"{dashboard.title}: {dashboard.description}", markup=False)
    rows = [(each.id, each.kind, each.title, _question(each)) for each in dashboard.panels]
    show(out(), table("", ("panel", "kind", "title", "question"), rows))


@app.command("check")
def check_dashboard(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Dashboards' files.")],
    as_json: JsonOption = False,
) -> None:
    """Say whether files describe dashboards; every fault is told with its line and field.

    Example: flumina dashboard check my-dashboards/*.yaml
    """
    checked = [(path, checked_file(path)) for path in files]
    if as_json:
        print_json([{"file": str(path), "name": each.name, "faults": []} for path, each in checked])
        return
    for path, each in checked:
        out().print(f"{path} is right: {each.name}, {len(each.panels)} panels.", markup=False)


def _dashboards(data_dir: Path | None) -> Dashboards:
    settings = settings_here()
    return Dashboards(settings.dashboards or data_dir_of(settings, data_dir) / PLACE)


def _row(found: Found) -> tuple[object, ...]:
    assert found.dashboard is not None
    about = ", ".join(each.name for each in found.dashboard.variables)
    file = str(found.path) if found.is_own else "delivered"
    return found.dashboard.name, len(found.dashboard.panels), about, file, found.dashboard.title


def _summary(found: Found) -> dict[str, object]:
    assert found.dashboard is not None
    return {
        "name": found.dashboard.name,
        "title": found.dashboard.title,
        "description": found.dashboard.description,
        "variables": msgspec.to_builtins(found.dashboard.variables),
        "panels": len(found.dashboard.panels),
        "isOwn": found.is_own,
        "file": str(found.path),
    }


def _question(panel: Panel) -> str:
    return panel.query or panel.path or str(panel.options.get("text", "")).split("\n")[0]
