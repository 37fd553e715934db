"""The verbs of ``flumina dev-cluster`` that are an operator's words to the leading master.

The one thing to know: these are calls of Mesos' v1 operator API, and mean what they mean there.
"""

from pathlib import Path
from typing import Annotated

import typer

from connectors.devcluster.node import ClusterConfig, ConfigError
from connectors.devcluster.supervise import consequences, operating
from streams.cli.dev_cluster_common import (
    AgentArgument,
    DirOption,
    JsonOption,
    PortOption,
    asked,
    fail,
    parse_duration,
    say,
)


def register(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    for verb in (gone, drain, reactivate, maintenance):
        app.command()(verb)


def gone(
    node: AgentArgument,
    port: PortOption = 5050,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an agent up for good, as an operator does; it may never come back.

    Example: flumina dev-cluster gone agent2
    """
    config, answer = _there(port, data_dir)
    try:
        operating.mark_gone(config, node)
    except ConfigError as error:
        fail(str(error))
    say(answer, f"{node} is gone for good", consequences.of_gone(), as_json=as_json)


def drain(
    node: AgentArgument,
    *,
    mark_gone: Annotated[
        bool, typer.Option("--mark-gone", help="Mark it gone for good when it is drained.")
    ] = False,
    grace: Annotated[
        str | None, typer.Option(help="The longest time that a task is given to end: 30s.")
    ] = None,
    port: PortOption = 5050,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have an agent's tasks ended, and nothing started there any more.

    Example: flumina dev-cluster drain agent1 --grace 30s
    """
    config, answer = _there(port, data_dir)
    seconds = None if grace is None else parse_duration(grace)
    try:
        operating.drain(config, node, seconds, is_marked_gone=mark_gone)
    except ConfigError as error:
        fail(str(error))
    follows = consequences.of_drain(node, grace, is_marked_gone=mark_gone)
    say(answer, f"{node} is being drained", follows, as_json=as_json)


def reactivate(
    node: AgentArgument,
    port: PortOption = 5050,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a drained agent take tasks again.

    Example: flumina dev-cluster reactivate agent1
    """
    config, answer = _there(port, data_dir)
    try:
        operating.reactivate(config, node)
    except ConfigError as error:
        fail(str(error))
    say(answer, f"{node} is active again", "Its resources are offered again.", as_json=as_json)


def maintenance(
    node: AgentArgument,
    *,
    in_: Annotated[str, typer.Option("--in", help="When the window begins: 30s, 10mins.")] = "1s",
    for_: Annotated[
        str | None, typer.Option("--for", help="How long it lasts; without end if not given.")
    ] = None,
    down: Annotated[bool, typer.Option("--down", help="It begins: shut the agent down.")] = False,
    up: Annotated[bool, typer.Option("--up", help="It is over: the agent may return.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Take the schedule back.")] = False,
    port: PortOption = 5050,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Schedule maintenance of an agent's machine, begin it, or end it.

    Example: flumina dev-cluster maintenance agent1 --in 30s --for 10mins
    """
    if down + up + clear > 1:
        fail("--down, --up and --clear exclude each other")
    config, answer = _there(port, data_dir)
    try:
        if clear:
            operating.clear_maintenance(config)
            what, follows = "the schedule of maintenance is empty", "Inverse offers are rescinded."
        elif down:
            operating.start_maintenance(config, node)
            what = f"the maintenance of {node} has begun"
            follows = (
                "Its agent is refused and its tasks are ended; it may return after "
                f"'flumina dev-cluster maintenance {node} --up'."
            )
        elif up:
            operating.stop_maintenance(config, node)
            what = f"the maintenance of {node} is over"
            follows = (
                "Its agent, which asks once a second, is taken again; one that was killed needs "
                f"'flumina dev-cluster start {node}'."
            )
        else:
            lasts = None if for_ is None else parse_duration(for_)
            operating.schedule_maintenance(config, node, parse_duration(in_), lasts)
            what = f"maintenance of {node} is scheduled in {in_}"
            follows = (
                "Its offers are rescinded and made again with the window in them; frameworks "
                "with tasks there get inverse offers. Nothing is ended before '--down'."
            )
    except ConfigError as error:
        fail(str(error))
    say(answer, what, follows, as_json=as_json)


def _there(port: int, data_dir: Path | None) -> tuple[ClusterConfig, dict[str, object]]:
    """The running cluster's configuration, and what it says of itself."""
    answer = asked("status", port, data_dir)
    return ClusterConfig.read(Path(answer["data_dir"])), answer
