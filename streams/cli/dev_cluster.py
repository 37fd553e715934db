"""``flumina dev-cluster``: start a development cluster, and kill, start, pause its parts.

The one thing to know: the command without a verb runs in the foreground and owns the cluster; with
Ctrl-C everything ends. The verbs speak to it from another terminal, by ``--port``.
"""

import json
import re
import secrets
import sys
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from connectors.devcluster import supervisor
from connectors.devcluster.node import ClusterConfig, ConfigError, loopback_error
from connectors.devcluster.resources import ResourceError, parse_attributes, parse_resources

app = typer.Typer(
    help="A Mesos-compatible master and agents that really run tasks, for development.",
    invoke_without_command=True,
    no_args_is_help=False,
)
_errors = Console(stderr=True)
_out = Console()

_UNITS = {"ms": 0.001, "s": 1.0, "secs": 1.0, "m": 60.0, "min": 60.0, "mins": 60.0, "h": 3600.0}
_AGENTS_MAX = 64

PortOption = Annotated[int, typer.Option(help="Port of the master; agent N listens on port + N.")]
DirOption = Annotated[
    Path | None, typer.Option(help="Where the cluster keeps state, logs and sandboxes.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
NodeArgument = Annotated[str, typer.Argument(help="master, agent1, agent2, ...")]


def parse_duration(text: str) -> float:
    """The seconds in ``1s``, ``250ms``, ``10mins`` or a bare number of seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text)
    if match is None or match[2] not in ("", *_UNITS) or float(match[1]) <= 0:
        raise typer.BadParameter(f"{text!r} is not a duration; write for example 1s, 250ms, 10mins")
    return float(match[1]) * _UNITS.get(match[2], 1.0)


@app.callback()
def run(
    context: typer.Context,
    *,
    port: PortOption = 5050,
    agents: Annotated[int, typer.Option(help="How many agents.")] = 2,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    data_dir: DirOption = None,
    resources: Annotated[
        str, typer.Option(help="Resources of each agent.")
    ] = "cpus:4;mem:8192;disk:10000;ports:[31000-31999]",
    attributes: Annotated[
        str, typer.Option(help="Attributes of each agent; {n} is its number.")
    ] = "zone:z{n}",
    ping_timeout: Annotated[
        str, typer.Option(help="How long a ping may take; four missed pings lose an agent.")
    ] = "15s",
    reregister_timeout: Annotated[
        str, typer.Option(help="How long a new master waits for agents of the registry.")
    ] = "10mins",
    unsafe_listen: Annotated[
        bool, typer.Option(help="Allow an address that others can reach.")
    ] = False,
) -> None:
    """Run a master and agents in the foreground until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    if not 1 <= agents <= _AGENTS_MAX:
        _fail(f"--agents {agents} is out of range; 1 to {_AGENTS_MAX} are possible")
    if not 1 <= port <= 65535 - agents:
        _fail(f"--port {port} leaves no ports for {agents} agents, which use the next ones")
    problem = loopback_error(host)
    if problem and not unsafe_listen:
        _fail(problem)
    try:
        parse_resources(resources)
        parse_attributes(attributes)
    except ResourceError as error:
        _fail(str(error))
    root = (data_dir or supervisor.default_data_dir(port)).resolve()
    config = ClusterConfig(
        data_dir=str(root),
        token=secrets.token_hex(16),
        host=host,
        port=port,
        agents=agents,
        resources=resources,
        attributes=attributes,
        ping_timeout_seconds=parse_duration(ping_timeout),
        reregister_timeout_seconds=parse_duration(reregister_timeout),
    )
    try:
        supervisor.Supervisor(config).run(lambda: _announce(config))
    except ConfigError as error:
        _fail(str(error))


def _announce(config: ClusterConfig) -> None:
    _out.print(
        f"dev cluster ready: master {config.master_url}, {config.agents} agents, "
        f"state in {config.data_dir} (Ctrl-C ends it)",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def status(
    port: PortOption = 5050, data_dir: DirOption = None, as_json: JsonOption = False
) -> None:
    """Show which parts of the cluster run."""
    answer = _ask("status", None, port, data_dir)
    if as_json:
        print(json.dumps(answer))
        return
    table = Table("node", "state", "pid", "port")
    for node in answer["nodes"]:
        state = "paused" if node["paused"] else "runs" if node["pid"] else "is not running"
        table.add_row(node["node"], state, str(node["pid"] or ""), str(node["port"]))
    _out.print(table)


@app.command()
def kill(node: NodeArgument, port: PortOption = 5050, data_dir: DirOption = None) -> None:
    """End the master or an agent with kill -9; tasks of an agent live on."""
    _ask("kill", node, port, data_dir)
    _out.print(f"{node} is dead")


@app.command()
def start(node: NodeArgument, port: PortOption = 5050, data_dir: DirOption = None) -> None:
    """Start the master or an agent again, and wait until it is back."""
    answer = _ask("start", node, port, data_dir)
    config = ClusterConfig.read(Path(answer["data_dir"]))
    deadline = time.monotonic() + supervisor.READY_SECONDS
    while time.monotonic() < deadline:
        if supervisor.is_back(config, node):
            _out.print(f"{node} is back")
            return
        time.sleep(0.05)
    _fail(f"{node} was started but is not back; see {config.root / (node + '.log')}")


@app.command()
def pause(node: NodeArgument, port: PortOption = 5050, data_dir: DirOption = None) -> None:
    """Stop the master or an agent with SIGSTOP."""
    _ask("pause", node, port, data_dir)
    _out.print(f"{node} is paused")


@app.command()
def resume(node: NodeArgument, port: PortOption = 5050, data_dir: DirOption = None) -> None:
    """Let a paused master or agent go on."""
    _ask("resume", node, port, data_dir)
    _out.print(f"{node} goes on")


@app.command()
def gone(node: NodeArgument, port: PortOption = 5050, data_dir: DirOption = None) -> None:
    """Give an agent up for good, as an operator does; it may never come back."""
    answer = _ask("status", None, port, data_dir)
    try:
        supervisor.mark_gone(ClusterConfig.read(Path(answer["data_dir"])), node)
    except ConfigError as error:
        _fail(str(error))
    _out.print(f"{node} is gone for good")


@app.command()
def stop(port: PortOption = 5050, data_dir: DirOption = None) -> None:
    """End the whole cluster and every task."""
    _ask("stop", None, port, data_dir)
    _out.print("the cluster has ended")


def _ask(verb: str, node: str | None, port: int, data_dir: Path | None) -> dict[str, Any]:
    root = data_dir.resolve() if data_dir else supervisor.data_dir_of(port)
    try:
        answer = supervisor.ask(root, verb, node)
    except ConfigError as error:
        _fail(str(error))
    if not answer["ok"]:
        _fail(answer["error"])
    return answer


def _fail(text: str) -> NoReturn:
    _errors.print(f"dev-cluster: {text}", style="red", highlight=False, soft_wrap=True)
    sys.exit(2)


if __name__ == "__main__":
    app()
