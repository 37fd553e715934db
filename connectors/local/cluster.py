"""A cluster manager whose cluster is this computer: no ports, no processes but those of tasks.

The one thing to know: nothing is decided or translated here a second time. The master's state and
the agent are those of the development cluster, calls and events those of the Mesos connector; this
module only carries messages between them. Tasks live in keepers as on the development cluster, and
the lifeline ends them however this process ends.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

import orjson

from connectors.devcluster.agent.model import LocalTask
from connectors.devcluster.agent.process import Agent
from connectors.devcluster.master.model import Settings, ToAgent, ToStream
from connectors.devcluster.master.process import new_uuid
from connectors.devcluster.master.state import MasterState
from connectors.devcluster.node import Clock, ClusterConfig
from connectors.devcluster.words import Json
from connectors.mesos.calls import acknowledge_call, call_of, subscribe_call, verdict
from connectors.mesos.settings import MesosSettings
from connectors.mesos.translate import StreamIdentity, heard
from scheduler.model.effects import Called, Effect
from scheduler.model.ids import StreamId
from scheduler.model.mesos import MesosRecord, StatusUpdate, StreamEnded, Unrecognised

NODE: Final = "agent1"
LINK: Final = "here"
TICK_S: Final = 0.05
"""As the development cluster's own processes look at the time."""
ALLOCATION_S: Final = 0.1
"""How soon resources that were given back are offered again; Mesos takes a second for many hosts,
and here there is one that nobody else wants."""
KEEPERS_S_MAX: Final = 5.0
"""A keeper gives its task one second when the lifeline is cut, and then kills it."""


class _Agent(Agent):
    """An agent that tells its master through a list."""

    def __init__(self, config: ClusterConfig, lifeline_end: int, said: deque[Json]) -> None:
        super().__init__(config, NODE, lifeline_end=lifeline_end)
        self._said = said

    def tell_master(self, message: Json) -> None:
        self._said.append(message)


class LocalCluster:
    """One host, this one, and one framework on it; a ``ClusterManager`` of ``connectors.ports``."""

    def __init__(
        self, directory: Path, resources: str, attributes: str, settings: MesosSettings
    ) -> None:
        """``resources`` and ``attributes`` as `flumina dev-cluster` takes them."""
        self._settings = settings
        self._clock = Clock()
        config = ClusterConfig(
            str(directory), token="", resources=resources, attributes=attributes, agents=1
        )
        self._lifeline, self._lifeline_end = os.pipe()
        os.set_inheritable(self._lifeline, True)
        self._said: deque[Json] = deque()
        self._agent = _Agent(config, self._lifeline, self._said)
        master = Settings(config.host, config.port, allocation_seconds=ALLOCATION_S)
        self._master = MasterState(master, {}, new_uuid, self._clock.now())
        self._events: asyncio.Queue[Json | None] = asyncio.Queue()
        self._identity: StreamIdentity | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Be ready for tasks."""
        await self._agent.begin()
        self._master.register(LINK, self._agent.state.registration(), self._clock.now())
        self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            self._master.tick(self._clock.now())
            self._carry()
            await asyncio.sleep(TICK_S)

    def _carry(self) -> None:
        """Hand over what each has for the other, until neither has anything."""
        while True:
            for output in self._master.take():
                match output:
                    case ToAgent():
                        self._agent.hear(output.message)
                    case ToStream():
                        self._events.put_nowait(output.event)
                    case _:  # The journal, and what a master keeps for the next one.
                        pass
            if not self._said:
                return
            messages = list(self._said)
            self._said.clear()
            self._master.from_agent(LINK, messages)

    async def subscribe(self, epoch: int) -> AsyncGenerator[MesosRecord, None]:
        """The records of the only stream that there is, until `close`."""
        assert self._identity is None, "nobody else subscribes here, and nothing breaks the stream"
        identity = StreamIdentity(StreamId(new_uuid()), epoch, "this computer")
        self._identity = identity
        call = subscribe_call(self._settings)
        self._master.subscribe(call, identity.stream_id, self._clock.now())
        self._carry()
        while (event := await self._events.get()) is not None:
            for record in heard(orjson.dumps(event), identity).records:
                yield record
        yield StreamEnded(identity.stream_id, "closed by ourselves")

    async def carry_out(self, effect: Effect, stream_id: StreamId) -> Called:
        """Do it, and tell what the master said."""
        return self._called(call_of(effect, self._settings), stream_id)

    async def acknowledge(self, update: StatusUpdate | Unrecognised, stream_id: StreamId) -> Called:
        """Let the agent forget the update."""
        assert update.host_id is not None, "an agent's update names its host"
        assert update.task_id is not None, "an agent's update names its task"
        call = acknowledge_call(update.task_id, update.host_id, update.uuid, self._settings)
        return self._called(call, stream_id)

    async def acknowledge_all(
        self, updates: Sequence[StatusUpdate | Unrecognised], stream_id: StreamId
    ) -> list[Called]:
        """Let the agent forget all of them."""
        return [await self.acknowledge(each, stream_id) for each in updates]

    def _called(self, call: Json, stream_id: StreamId) -> Called:
        answer = self._master.call(call, stream_id, self._clock.now())
        self._carry()
        found = verdict(answer.status, answer.text)
        return Called(found.fate, stream_id, found.detail)

    def sandbox_of(self, task_id: str) -> Path | None:
        """The directory of the task, once it was made."""
        for task in self._tasks():
            if task.task_id == task_id:
                sandbox = self._agent.sandbox_of(task)
                return sandbox if sandbox.exists() else None
        return None

    def _tasks(self) -> list[LocalTask]:
        return [*self._agent.state.tasks.values(), *self._agent.state.completed]

    async def close(self) -> None:
        """End every task that still runs, and wait until nothing of it is left."""
        if self._ticking is None:
            return
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        self._ticking = None
        self._events.put_nowait(None)
        keepers = [pid for each in self._tasks() if (pid := each.executor_pid)]
        os.close(self._lifeline_end)
        await self._agent.stop()
        os.close(self._lifeline)
        until_s = self._clock.now() + KEEPERS_S_MAX
        while any(map(_is_alive, keepers)) and self._clock.now() < until_s:  # noqa: ASYNC110 - 5 s
            await asyncio.sleep(TICK_S)


def _is_alive(pid: int) -> bool:
    """Whether there is a process that does something; one that has ended may wait to be reaped."""
    try:
        words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return words[0] != b"Z"
