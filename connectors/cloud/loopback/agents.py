"""Instances of the double as agents of a dev cluster: they come, end, and fall ill together.

The one thing to know: nothing is remembered but who runs on which agent. Every look compares what
the groups want with what the dev cluster's supervisor says that runs, and does what is missing; a
look that fails is made again. An agent that stands for an instance of which nobody knows any more
is ended, so a double that begins anew leaves nothing behind.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from moto.core.exceptions import ServiceException
from werkzeug.exceptions import HTTPException

from connectors.cloud.loopback.groups import LOCK, Account
from connectors.cloud.loopback.pools import WARMED
from connectors.cloud.loopback.shapes import Shape, shape_of
from connectors.devcluster.node import AGENT_PROCESSES_MAX, ClusterConfig, ConfigError, log
from connectors.devcluster.supervise.control import ask
from connectors.devcluster.supervise.operating import mark_gone

IMPAIRED_S: Final = 30.0
"""An instance whose agent has not run for so long fails its status check. EC2 looks every minute
and groups take two failures; a drill that kills an agent and starts it again is quicker."""


class Wanted(msgspec.Struct, frozen=True):
    """An instance as EC2 and its group have it."""

    instance_id: str
    machine_type: str
    zone: str
    region: str
    is_running: bool
    group: str = ""
    """None for an instance that somebody started by itself, or took out of its group."""
    state: str = ""
    """Where it is in its group's life of instances."""

    @property
    def is_over(self) -> bool:
        """Whether no host is to be: hooks that still hold it keep the host, too."""
        is_ending = self.state in {"Terminating", "Terminating:Proceed"}
        return not self.is_running or is_ending or self.state.startswith(WARMED)


class Hosts:
    """The agents that stand for instances, in one dev cluster."""

    def __init__(self, root: Path, accounts: Iterable[Account]) -> None:
        """``root`` is the data directory of a dev cluster that runs."""
        self._root = root
        self._accounts = list(accounts)
        self._nodes: dict[str, str] = {}
        """The agent of an instance."""
        self._dead_since_s: dict[str, float] = {}
        self._said = ""

    def look(self) -> None:
        """Compare once, and do what is missing; what fails is said, and tried at the next look."""
        try:
            self._look()
            self._said = ""
        except (ConfigError, OSError, ValueError) as error:
            if str(error) != self._said:
                log("agents do not follow the groups", why=str(error))
            self._said = str(error)

    def _look(self) -> None:
        running = self._running()
        with LOCK:
            for account in self._accounts:
                account.tick()
            wanted = {each.instance_id: each for each in self._wanted()}
        self._end_strangers(running)
        for instance_id in [each for each, node in self._nodes.items() if node not in running]:
            del self._nodes[instance_id]  # The dev cluster began anew: the machine boots again.
        for instance_id in list(self._nodes):
            each = wanted.get(instance_id)
            if each is None or each.is_over:
                self._end(instance_id)
        for each in wanted.values():
            if each.instance_id in self._nodes:
                continue
            if each.is_over and each.group:
                self._tell_down(each.instance_id)
            elif not each.is_over:
                self._start(each, running)
        self._judge(running)

    def _wanted(self) -> Iterable[Wanted]:
        for account in self._accounts:
            states = {
                each.instance_id: (group.name, each.lifecycle_state)
                for group in account.groups()
                for each in (*group.instances, *group.pool.states)
            }
            for instance in account.ec2_backend.all_instances():
                if instance.state == "terminated":
                    continue
                group, state = states.get(instance.id, ("", ""))
                yield Wanted(
                    instance.id,
                    str(instance.instance_type),
                    str(instance.placement.zone),
                    account.region_name,
                    instance.state in {"pending", "running"},
                    group,
                    state,
                )

    def _start(self, each: Wanted, running: dict[str, bool]) -> None:
        node = self._free_node(running)
        if node is None:
            return  # The instance stays pending, and so the group says that it has too few.
        with LOCK:
            shape = shape_of_type(self._accounts[0], each.machine_type)
        attributes = {
            "zone": each.zone,
            "region": each.region,
            "group": each.group,
            "instance-type": each.machine_type,
            "instance-id": each.instance_id,
        }
        words = ";".join(f"{name}:{value}" for name, value in attributes.items() if value)
        self._ask("start", node, as_host={"resources": shape.resources, "attributes": words})
        running[node] = True
        self._nodes[each.instance_id] = node
        log("an instance runs", instance=each.instance_id, agent=node, group=each.group)
        with LOCK:
            for account in self._accounts:
                if account.region_name == each.region:
                    account.host_is_up(each.instance_id)

    def _end(self, instance_id: str) -> None:
        """End an instance's agent with all that runs there; the master hears that it is gone.

        A machine that is shut down says so to the master; what only dies is missed by its pings.
        """
        node = self._nodes[instance_id]
        self._ask("kill", node, host=True)
        try:
            mark_gone(ClusterConfig.read(self._root), node)
        except ConfigError as error:
            # It never registered, or no master leads: then its pings tell.
            log("the master was not told", agent=node, why=str(error))
        del self._nodes[instance_id]
        self._dead_since_s.pop(instance_id, None)
        log("an instance has ended", instance=instance_id, agent=node)
        self._tell_down(instance_id)

    def _tell_down(self, instance_id: str) -> None:
        with LOCK:
            for account in self._accounts:
                account.host_is_down(instance_id)

    def _end_strangers(self, running: dict[str, bool]) -> None:
        """End agents of instances that an earlier double had."""
        known = set(self._nodes.values())
        for node in ClusterConfig.read(self._root).hosts:
            if running.get(node) and node not in known:
                self._ask("kill", node, host=True)
                running[node] = False

    def _judge(self, running: dict[str, bool]) -> None:
        """An instance whose agent does not run for a while is unhealthy, and its group's affair."""
        now_s = time.monotonic()
        for instance_id, node in self._nodes.items():
            if running.get(node):
                self._dead_since_s.pop(instance_id, None)
            elif now_s >= self._dead_since_s.setdefault(instance_id, now_s) + IMPAIRED_S:
                with LOCK:
                    for account in self._accounts:
                        account.impaired(instance_id)

    def _free_node(self, running: dict[str, bool]) -> str | None:
        config = ClusterConfig.read(self._root)
        taken = set(self._nodes.values())
        for node in config.hosts:
            if node not in taken and not running.get(node):
                return node  # Its instance is gone for good: the next one has its place.
        number = config.agents + 1
        return f"agent{number}" if number <= AGENT_PROCESSES_MAX else None

    def _running(self) -> dict[str, bool]:
        """Which agents there are, and whether each runs."""
        nodes = msgspec.convert(self._ask("status").get("nodes", ()), list[_Node])
        return {each.node: each.pid is not None for each in nodes}

    def _ask(self, verb: str, node: str | None = None, **options: object) -> dict[str, object]:
        answer = ask(self._root, verb, node, **options)
        if not answer.get("ok"):
            raise ConfigError(str(answer.get("error")))
        return answer


def shape_of_type(account: Account, machine_type: str) -> Shape:
    """What a machine of this type offers here; raises `ConfigError` for a type that EC2 has not."""
    try:
        (known,) = account.ec2_backend.describe_instance_types([machine_type])
    except (HTTPException, ServiceException, ValueError) as error:
        raise ConfigError(f"there is no instance type {machine_type!r}: {error}") from error
    return shape_of(int(known["VCpuInfo"]["DefaultVCpus"]), int(known["MemoryInfo"]["SizeInMiB"]))


class _Node(msgspec.Struct):
    node: str
    pid: int | None = None
