"""`dev-cluster break` and `mend`: have an active check of an agent fail, and take that back.

The one thing to know: these inject faults into what the prober finds, and break nothing else. What
follows (no new tasks, a runbook, a page) is real.
"""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from connectors.devcluster.node import ClusterConfig
from connectors.devcluster.supervise.control import CONTROL_SOCKET, data_dir_of
from connectors.healing.faults import PROBES, break_probe
from connectors.healing.faults import mend as take_back
from streams.cli.client import ApiError
from streams.cli.common import running_here, settings_here
from streams.cli.dev_cluster_common import (
    AgentArgument,
    DirOption,
    JsonOption,
    PortOption,
    asked,
    fail,
    say,
)

DEFAULT_PORT: Final = 5050
ProbeArgument = Annotated[str, typer.Argument(metavar="PROBE", help=f"One of {', '.join(PROBES)}.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    app.command("break")(break_)
    app.command()(mend)


def break_(
    node: AgentArgument,
    probe: ProbeArgument,
    *,
    detail: Annotated[str, typer.Option(help="What the check shall say.")] = "",
    port: PortOption = DEFAULT_PORT,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have an active check of an agent fail, until it is mended.

    Example: flumina dev-cluster break agent1 container --detail "the runtime hangs"
    """
    home, answer = _home(node, port, data_dir)
    _check(probe)
    break_probe(home, probe, detail)
    follows = "The prober reports it with its next round; the host gets no new tasks then."
    say(answer, f"check {probe} of {node} fails from now on", follows, as_json=as_json)


def mend(
    node: AgentArgument,
    probe: Annotated[str, typer.Argument(metavar="[PROBE]", help="Without, all of them.")] = "",
    *,
    port: PortOption = DEFAULT_PORT,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back what was broken.

    Example: flumina dev-cluster mend agent1
    """
    home, answer = _home(node, port, data_dir)
    if probe:
        _check(probe)
    take_back(home, probe)
    follows = "After some good rounds and a minute of quiet the host gets tasks again."
    say(answer, f"{node} is mended", follows, as_json=as_json)


def _check(probe: str) -> None:
    if probe not in PROBES:
        fail(f"{probe} is no check; known are {', '.join(PROBES)}")


def _home(node: str, port: int, data_dir: Path | None) -> tuple[Path, dict[str, object]]:
    answer = asked("status", port, data_dir or _of_up(port))
    home = ClusterConfig.read(Path(answer["data_dir"])).root / Path(node).name
    if not re.fullmatch(r"agent\d+", node) or not home.is_dir():
        fail(f"{node} is no agent of this cluster, or never ran")
    return home, answer


def _of_up(port: int) -> Path | None:
    """The dev cluster of the `up` that runs here, where no other one was named or is at hand."""
    if port != DEFAULT_PORT or (data_dir_of(port) / CONTROL_SOCKET).exists():
        return None
    try:
        running = running_here(settings_here(), None)
    except ApiError as error:
        fail(str(error))
    found = Path(running.data_dir) / "dev-cluster" if running else None
    return found if found is not None and found.is_dir() else None
