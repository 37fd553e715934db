"""What the processes of a cluster share: their configuration, their lifeline, their HTTP server.

The one thing to know: the lifeline is the reading end of a pipe whose writing end only the
supervisor holds. However the supervisor ends, every process reads end-of-file and ends too, while
kill -9 of a single master or agent leaves the others alone.
"""

import asyncio
import ipaddress
import json
import os
import sys
import time
import traceback
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeGuard

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connectors.devcluster.network.cuts import Gate, address_of, gated_protocol

LIFELINE_VARIABLE = "FLUMINA_DEV_CLUSTER_LIFELINE"
CONFIG_FILE = "cluster.json"
# Each has a port and a loopback address of its own.
AGENT_PROCESSES_MAX = 64
TOKEN_HEADER = "X-Flumina-Dev-Cluster-Token"  # noqa: S105 - the name of a header


class ConfigError(ValueError):
    """The cluster cannot be started like this; the text says what to change."""


@dataclass(frozen=True)
class ClusterConfig:
    """How a cluster was asked for; written into its data directory, read by every process."""

    data_dir: str
    token: str
    host: str = "127.0.0.1"
    port: int = 5050
    agents: int = 2
    resources: str = "cpus:4;mem:8192;disk:10000;ports:[31000-31999]"
    attributes: str = ""
    ping_timeout_seconds: float = 15.0
    # Mesos' --max_agent_ping_timeouts.
    missed_pings_max: int = 5
    reregister_timeout_seconds: float = 600.0
    masters: int = 1
    # What tasks are confined by: words of `agent/isolation.py`.
    isolation: str = "auto"
    # Whether agents divide the computer's threads among their tasks: `agent/cpu_sets.py`.
    cpu_sets: bool = False
    # Mesos' --container_disk_watch_interval, where disk is among those words.
    disk_watch_seconds: float = 15.0
    # Where agents ship what tasks write, and how much of one file is kept: `agent/log_shipping.py`.
    store_url: str = ""
    task_log_mib: int = 64
    # So many agents inside the master's own process instead of `agents`, with their model and seed.
    simulate: int = 0
    tasks_model: str = ""
    seed: int | None = None
    # Agents that are hosts of their own (instances of a cloud): by name, their resources and
    # attributes, which stand in place of the cluster's.
    hosts: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The data directory."""
        return Path(self.data_dir)

    @property
    def master_url(self) -> str:
        """Where the first master serves; it leads when it is the only one."""
        return f"http://{self.host}:{self.port}"

    @property
    def master_names(self) -> list[str]:
        """The masters: ``master`` if there is one, else ``master1`` and so on."""
        if self.masters == 1:
            return ["master"]
        return [f"master{n}" for n in range(1, self.masters + 1)]

    @property
    def agent_names(self) -> list[str]:
        """The agents that are processes: ``agent1`` and so on."""
        if self.simulate:
            return []
        return [f"agent{n}" for n in range(1, self.agents + 1)]

    def node_names(self) -> list[str]:
        """The masters and the agents, by the names that the commands take."""
        return [*self.master_names, *self.agent_names]

    def port_of(self, node: str) -> int:
        """The port a node listens on: the masters' in a row, then the agents'."""
        if node.startswith("master"):
            return self.port + int(node.removeprefix("master") or 1) - 1
        return self.port + self.masters - 1 + int(node.removeprefix("agent"))

    def source_of(self, node: str) -> tuple[str, int] | None:
        """What a part of the cluster binds before it calls another; None off loopback."""
        return None if loopback_error(self.host) else (address_of(node), 0)

    def resources_of(self, node: str) -> str:
        """The resources of an agent."""
        return self.hosts.get(node, {}).get("resources", self.resources)

    def attributes_of(self, node: str) -> str:
        """The attributes of an agent; ``zone:zN`` unless others were asked for."""
        number = node.removeprefix("agent")
        usual = (self.attributes or "zone:z{n}").replace("{n}", number)
        text = self.hosts.get(node, {}).get("attributes", usual)
        # For jobs that want their threads to themselves: a constraint on a host attribute.
        return f"{text};cpuSets:true" if self.cpu_sets and not self.simulate else text

    def with_host(self, node: str, words: object) -> "ClusterConfig":
        """The configuration in which this agent is a host with these words; raises `ConfigError`.

        ``words`` are ``resources`` and ``attributes``, as the cluster's own are written.
        """
        told = {str(name): str(text) for name, text in words.items()} if _is_dict(words) else {}
        if told.keys() != {"resources", "attributes"} or not node.startswith("agent"):
            raise ConfigError(f"{node} is no host; an agent with resources and attributes is one")
        return replace(self, hosts=self.hosts | {node: told})

    def cgroup_prefix(self, node: str) -> str:
        """What the names of an agent's cgroups begin with, different for every data directory."""
        return f"flumina-{zlib.crc32(self.data_dir.encode()):08x}-{node}-"

    def write(self) -> Path:
        """Write the configuration, readable by its owner only, and give its path."""
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / CONFIG_FILE
        write_atomically(path, json.dumps(asdict(self), indent=1).encode())
        return path

    @staticmethod
    def read(data_dir: Path) -> "ClusterConfig":
        """The configuration of the cluster in this data directory."""
        return ClusterConfig(**json.loads((data_dir / CONFIG_FILE).read_bytes()))


def _is_dict(value: object) -> TypeGuard[dict[object, object]]:
    return isinstance(value, dict)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a process killed here, sees the old or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)


class Clock:
    """Seconds since 1970 that never jump: the wall clock at the start plus steady time."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """The time now."""
        return self._offset + time.monotonic()


def lifeline() -> int | None:
    """The descriptor of the lifeline that this process was started with, if any."""
    text = os.environ.get(LIFELINE_VARIABLE)
    return int(text) if text else None


def end_with_supervisor() -> None:
    """End this process at once when the supervisor is gone."""
    descriptor = lifeline()
    if descriptor is not None:
        asyncio.get_running_loop().add_reader(descriptor, os._exit, 0)


def end_if_failed(task: "asyncio.Task[None]") -> None:
    """A node without its clock or links would look alive and be dead: end it, with the cause."""
    if not task.cancelled() and (error := task.exception()) is not None:
        traceback.print_exception(error)
        raise SystemExit("a part of this node failed, and so the node ends") from error


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    gate: Gate,
    on_listening: Callable[[], None],
    *,
    protocol: Callable[[type[HttpToolsProtocol]], type[HttpToolsProtocol]] = lambda base: base,
) -> None:
    """Serve HTTP until the process is ended, to whoever the gate does not cut off."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="asyncio",
        http=protocol(gated_protocol(gate)),
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            await serving
            raise ConfigError(f"nothing could be served on {host}:{port}")
        await asyncio.sleep(0.005)
    on_listening()
    await serving


def main_arguments() -> tuple[ClusterConfig, str]:
    """The configuration and the name of the node, from the command line of a node process."""
    data_dir, node = sys.argv[1:3]
    return ClusterConfig.read(Path(data_dir)), node


def loopback_error(host: str) -> str | None:
    """Why the cluster must not listen there, or None: it runs whatever it is sent, unasked."""
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        return f"{host!r} is not an IPv4 address; the development cluster listens on 127.0.0.1"
    if address.is_loopback:
        return None
    return (
        f"{host} can be reached by others, and the development cluster runs any command that it "
        "is sent, without asking who sends it; use 127.0.0.1, or add --unsafe-listen"
    )


def log(text: str, **facts: object) -> None:
    """Write a line to the node's log, which is its standard error."""
    more = "".join(f" {k}={v}" for k, v in facts.items())
    stamp = time.strftime("%H:%M:%S")
    print(f"{stamp} {text}{more}", file=sys.stderr, flush=True)
