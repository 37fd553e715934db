"""`flumina doctor`: is everything as it must be, and if not, what to do.

The one thing to know: it changes nothing, and it goes on after a check that fails.
"""

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.text import Text

from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    api_of,
    data_dir_of,
    of_cell,
    running_here,
)
from streams.cli.doctor_checks import Finding, Status, local_findings, of_error, python, versions
from streams.cli.doctor_files import file_findings
from streams.cli.doctor_isolation import isolation_findings
from streams.cli.doctor_network import Places, network_findings
from streams.cli.doctor_query import query_findings
from streams.cli.doctor_store import store_findings
from streams.cli.each_cell import cells_meant
from streams.cli.quiet import speak_by_errors
from streams.cli.render import out, plain, print_json
from streams.errors import OperatorError
from streams.kafka.security import spoken_to_alike
from streams.settings import Settings, settings_of
from streams.supervise.up_file import CellAddress, UpView

MARKS: Final[dict[Status, tuple[str, str]]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}


WAIT_POLL_S: Final = 1.0
NEEDED: Final = ("leader", "api", "fold")
"""What must be there, and not only not wrong, before somebody who waits goes on."""

WaitOption = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0,
        help="Look again for so long, until a leader and an API answer and no check fails.",
    ),
]


def doctor(
    wait: WaitOption = 0,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Check this computer, Kafka, the cell, the store and Mesos, and say what to do.

    Ends with 1 if a check failed; warnings do not count.

    Example: flumina doctor --wait 120
    """
    speak_by_errors()
    deadline_s = time.monotonic() + wait
    findings = _findings(api, data_dir)
    while time.monotonic() < deadline_s and not _is_up(findings):
        time.sleep(WAIT_POLL_S)
        findings = _findings(api, data_dir)
    is_well = _is_up(findings) if wait else not _failed(findings)
    if as_json:
        print_json({"isWell": is_well, "checks": msgspec.to_builtins(findings)})
    else:
        _print(findings)
    sys.exit(0 if is_well else 1)


def _failed(findings: list[Finding]) -> bool:
    return any(each.status == "failed" for each in findings)


def _is_up(findings: list[Finding]) -> bool:
    """Whether nothing is wrong, and every cell is led and can be asked."""
    there = {each.check.partition(" of ")[0] for each in findings if each.status == "ok"}
    return not _failed(findings) and there.issuperset(NEEDED)


def _findings(api: str | None, data_dir: Path | None) -> list[Finding]:
    try:
        settings = settings_of(os.environ)
        running = running_here(settings, data_dir)
        cells = cells_meant(running)
        places = _places(settings, running, api) if not cells else None
    except OperatorError as error:
        # Without settings nobody knows whom to ask.
        return [of_error("settings", error), python(), *versions()]
    directory = Path(running.data_dir) if running else data_dir_of(settings, data_dir)
    local = [*local_findings(settings, directory, running), *query_findings(running)]
    local += file_findings(settings, directory)
    of_store = msgspec.structs.replace(settings, data_dir=directory)
    local += store_findings(of_store, is_running=running is not None)
    if places is not None:
        return [*local, *network_findings(places), *isolation_findings(places.mesos)]
    assert running is not None
    of_cells = {each.name: network_findings(_of_cell(settings, running, each)) for each in cells}
    return [*local, *together(of_cells), *isolation_findings(running.mesos)]


def together(of_cells: dict[str, list[Finding]]) -> list[Finding]:
    """What is found of every cell said once, what only one says with the cell's name."""
    first, *others = of_cells.values()
    common = [each for each in first if all(each in other for other in others)]
    own = [
        msgspec.structs.replace(each, check=f"{each.check} of {name}")
        for name, found in of_cells.items()
        for each in found
        if each not in common
    ]
    return [*common, *own]


def _of_cell(settings: Settings, running: UpView, cell: CellAddress) -> Places:
    names = tuple(each.name for each in running.cells)
    own = msgspec.structs.replace(
        settings,
        topic_prefix=running.topic_prefix,
        cells=len(names),
        cell_names=names,
        cell=cell.name,
    )
    kafka = spoken_to_alike(running.kafka, settings.kafka_brokers or "")
    return Places(own, kafka, running.mesos, cell.api, settings.actor)


def _places(settings: Settings, running: UpView | None, api: str | None) -> Places:
    """What runs here says where everything is; where nothing runs, the environment does."""
    if running is None:
        kafka, mesos = settings.kafka_brokers or "", settings.mesos_masters or ()
        return Places(settings, kafka, mesos, api or settings.api_url or "", settings.actor)
    own = of_cell(msgspec.structs.replace(settings, topic_prefix=running.topic_prefix), running)
    kafka = spoken_to_alike(running.kafka, settings.kafka_brokers or "")
    return Places(own, kafka, running.mesos, api or api_of(running), settings.actor)


def _print(findings: list[Finding]) -> None:
    console = out()
    width = max(len(each.check) for each in findings)
    for each in findings:
        mark, style = MARKS[each.status]
        line = Text(f"{mark} ", style=style)
        line.append(f"{each.check:<{width}}  ", style="")
        line.append(plain(each.text))
        console.print(line, soft_wrap=True)
        if each.remedy:
            remedy = f"  {'':<{width}}  → {plain(each.remedy)}"
            console.print(Text(remedy, style=style), soft_wrap=True)
    failed = sum(each.status == "failed" for each in findings)
    warned = sum(each.status == "warning" for each in findings)
    verdict = f"{failed} failed, {warned} warned of" if failed or warned else "All is well"
    console.print(Text(f"\n{verdict}."))
