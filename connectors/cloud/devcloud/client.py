"""The agents of a running dev cluster as the instances of one group.

The one thing to know: an instance is an agent's process, by its name (``agent3``), so its attribute
``instance-id`` has to be ``agent{n}`` and ``group`` the group's name. Ending one ends all that runs
there, as a host's death does. The group's size and bounds stand in a file beside the cluster's
configuration; only who carries out effects writes it.
"""

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import msgspec

from connectors.cloud.ports import Carried, CloudFailed, Notice
from connectors.devcluster.node import ClusterConfig, ConfigError, write_atomically
from connectors.devcluster.supervise.control import ask
from scheduler.model.fleet import (
    CloudGroupObserved,
    CloudInstance,
    EndInstance,
    FleetEffect,
    ProtectInstances,
    SetDesiredCapacity,
)
from scheduler.model.network import InstanceNetworkObserved
from scheduler.model.warm_pools import WarmPoolObserved

GROUP: Final = "dev"
PROVIDER: Final = "devcloud"
FILE: Final = "cloud-group.json"
MAXIMUM: Final = 16
"""Agents of a group: each is a process of some 30 MiB."""


class _Group(msgspec.Struct):
    minimum: int = 0
    desired: int = 0
    maximum: int = MAXIMUM
    protected: list[str] = []


class DevCloud:
    """The agents of the dev cluster in a data directory."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    async def groups(
        self, cell: str, names: Collection[str], now_ms: int
    ) -> list[CloudGroupObserved]:
        """The one group, whichever the cell and the names; raises `CloudFailed`."""
        del cell, names
        try:
            running = await asyncio.to_thread(self._running)
        except (ConfigError, OSError, ValueError) as error:
            raise CloudFailed(str(error)) from error
        group = self._group(running)
        instances = tuple(
            CloudInstance(each, "inService", machine_type="agent", is_protected=each in protected)
            for protected in (frozenset(group.protected),)
            for each in running
        )
        return [
            CloudGroupObserved(
                group=GROUP,
                provider=PROVIDER,
                region=str(self._root),
                minimum=group.minimum,
                desired=group.desired,
                maximum=group.maximum,
                instances=instances,
                observed_at_ms=now_ms,
                instances_total=len(instances),
                machine_types=("agent",),
            )
        ]

    async def warm_pools(self, names: Collection[str], now_ms: int) -> list[WarmPoolObserved]:
        """None: an agent that does not run is nothing."""
        del names, now_ms
        return []

    async def networks(
        self, instances: Collection[tuple[str, str]], now_ms: int
    ) -> list[InstanceNetworkObserved]:
        """None: agents of a dev cluster share the computer's network."""
        del instances, now_ms
        return []

    async def notices(self, now_ms: int) -> list[Notice]:
        """None: nobody takes an agent away but by us."""
        del now_ms
        return []

    async def taken(self, handles: Sequence[str]) -> None:
        """Nothing waits."""

    async def carry_out(self, effect: FleetEffect) -> Carried:
        """Start and end agents until they are as the effect wants them."""
        try:
            return await asyncio.to_thread(self._carry_out, effect)
        except (ConfigError, OSError, ValueError) as error:
            return Carried("unknown", f"{type(error).__name__}: {error}"[:300])

    async def close(self) -> None:
        """Nothing is open between two questions."""

    def _carry_out(self, effect: FleetEffect) -> Carried:
        if effect.group != GROUP:
            return Carried("refused", f"gone: there is no group {effect.group}")
        running = self._running()
        group = self._group(running)
        match effect:
            case SetDesiredCapacity():
                group.minimum = group.minimum if effect.minimum is None else effect.minimum
                if not group.minimum <= effect.desired <= group.maximum:
                    bounds = f"{group.minimum} to {group.maximum}"
                    return Carried("refused", f"bounds: {effect.desired} is not in {bounds}")
                group.desired = effect.desired
            case EndInstance():
                if effect.instance_id not in running:
                    return Carried("refused", f"gone: {effect.instance_id} does not run")
                if effect.is_decrement and group.desired <= group.minimum:
                    return Carried("refused", f"bounds: {group.minimum} is the least")
                group.desired -= 1 if effect.is_decrement else 0
                self._end(effect.instance_id, group)
            case ProtectInstances():
                kept = {*group.protected} - {*effect.instance_ids}
                added = {*effect.instance_ids} if effect.is_protected else set()
                group.protected = sorted(kept | added)
            case _:
                return Carried("refused", "refused: a dev cluster has nothing like this")
        self._scale(group)
        self._write(group)
        return Carried("sent")

    def _scale(self, group: _Group) -> None:
        """What a cloud does by itself: as many instances as are desired, the protected kept."""
        running = self._running()
        free = [each for each in running if each not in group.protected]
        while len(running) > group.desired and free:
            self._end(free[0], group)
            running.remove(free.pop(0))
        number = 0
        while len(running) < group.desired:
            number += 1
            name = f"agent{number}"
            if name not in running:
                self._ask("start", name)
                running.append(name)

    def _end(self, name: str, group: _Group) -> None:
        self._ask("kill", name, host=True)
        group.protected = [each for each in group.protected if each != name]

    def _running(self) -> list[str]:
        agents = {*ClusterConfig.read(self._root).agent_names}
        nodes = msgspec.convert(self._ask("status").get("nodes", ()), list[_Node])
        return [each.node for each in nodes if each.node in agents and each.pid is not None]

    def _ask(self, verb: str, node: str | None = None, **options: object) -> dict[str, object]:
        answer = ask(self._root, verb, node, **options)
        if not answer.get("ok"):
            raise ConfigError(str(answer.get("error")))
        return answer

    def _group(self, running: Sequence[str]) -> _Group:
        try:
            return msgspec.json.decode((self._root / FILE).read_bytes(), type=_Group)
        except FileNotFoundError:
            return _Group(desired=len(running), maximum=max(MAXIMUM, len(running)))

    def _write(self, group: _Group) -> None:
        write_atomically(self._root / FILE, msgspec.json.encode(group))


class _Node(msgspec.Struct):
    node: str
    pid: int | None = None
