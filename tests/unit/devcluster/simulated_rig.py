"""A simulated fleet with its real master, both without input and output, on a clock of its own.

The one thing to know: whatever either puts out is given to the other at once, as the process does;
time moves only by ``pass_time``, from one thing that happens to the next.
"""

import base64
from collections.abc import Iterator
from itertools import count
from typing import Any

from connectors.devcluster.master.model import EndLink, Record, Settings, ToAgent, ToStream
from connectors.devcluster.master.state import MasterState
from connectors.devcluster.simulated import outputs
from connectors.devcluster.simulated.fleet import Fleet, agent_info
from connectors.devcluster.simulated.model import Model, Weather
from connectors.devcluster.words import Json

STREAM = "stream"
START = 1_000_000.0
RESOURCES = "cpus:64;mem:65536;ports:[31000-31999]"


class SimulatedRig:
    """A master, its fleet, and one framework that may launch whatever is offered."""

    def __init__(self, model: Model, seed: int = 1, agents: int = 1, **framework: object) -> None:
        self.now = START
        self.journal: list[tuple[float, str, Json]] = []
        self.updates: list[Json] = []
        self.operations: list[Json] = []
        self.offers: list[Json] = []
        self.framework: Json = {
            "user": "u",
            "name": "n",
            "checkpoint": True,
            "failover_timeout": 1e6,
            "capabilities": [{"type": "PARTITION_AWARE"}],
        } | framework
        self._ids = ids()
        settings = Settings("127.0.0.1", 5050, tasks_max=100_000)
        self.master = MasterState(settings, {}, lambda: next(self._ids), self.now)
        infos = [agent_info(n, RESOURCES, f"zone:z{n}") for n in range(1, agents + 1)]
        weather = Weather(model, seed)
        self.fleet = Fleet(
            weather, infos, lambda: next(self._ids), lambda: uuid_of(next(self._ids))
        )
        self.fleet.start(self.now)
        self.pass_time(1.0)
        self.subscribe()

    def subscribe(self) -> None:
        """Open the framework's stream."""
        call = {"subscribe": {"framework_info": self.framework}}
        self.master.subscribe(call, STREAM, self.now)
        self._exchange()

    def call(self, kind: str, **body: object) -> None:
        """Make a call of the framework."""
        framework_id = next(iter(self.master.cluster.frameworks))
        request = {"type": kind, "framework_id": {"value": framework_id}, kind.lower(): body}
        answer = self.master.call(request, STREAM, self.now)
        assert answer.status == 202, answer
        self._exchange()

    def launch(self, *tasks: Json, offer: Json | None = None) -> None:
        """Launch these tasks on an offer, the newest one unless another is named."""
        offer = offer or self.offers[-1]
        infos = [task | {"agent_id": offer["agent_id"]} for task in tasks]
        self.call(
            "ACCEPT",
            offer_ids=[offer["id"]],
            operations=[{"type": "LAUNCH", "launch": {"task_infos": infos}}],
            filters={"refuse_seconds": 0.0},
        )

    def acknowledge(self, status: Json) -> None:
        """Acknowledge an update."""
        named = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
        self.call("ACKNOWLEDGE", **named)

    def acknowledge_all(self) -> None:
        """Acknowledge every update that was given so far and has not been."""
        for status in [s for s in self.updates if "uuid" in s]:
            self.acknowledge(status)

    def states(self, task_id: str) -> list[str]:
        """The states that the framework was told of a task, repeated ones once."""
        told = [s["state"] for s in self.updates if s["task_id"]["value"] == task_id]
        return [s for n, s in enumerate(told) if n == 0 or told[n - 1] != s]

    def lines(self, what: str) -> list[tuple[float, Json]]:
        """The lines of one kind in the journal, with their times since the start."""
        return [(round(at - START, 6), facts) for at, kind, facts in self.journal if kind == what]

    def pass_time(self, seconds: float, *, is_acknowledging: bool = False) -> None:
        """Let time pass, with everything that happens in it at its own moment."""
        until = self.now + seconds
        while (due := self.fleet.next_at) is not None and due <= until:
            self._step(due, is_acknowledging=is_acknowledging)
        self._step(until, is_acknowledging=is_acknowledging)

    def _step(self, now: float, *, is_acknowledging: bool) -> None:
        self.now = max(self.now, now)
        seen = len(self.updates)
        self.fleet.advance(self.now)
        self.master.tick(self.now)
        self._exchange()
        while is_acknowledging and seen < len(self.updates):
            news, seen = self.updates[seen:], len(self.updates)
            for status in news:
                if "uuid" in status:
                    self.acknowledge(status)

    def _exchange(self) -> None:
        while True:
            said, told = self.fleet.take(), self.master.take()
            if not said and not told:
                return
            for output in said:
                self._from_fleet(output)
            for order in told:
                match order:
                    case ToAgent(link_id=link_id, message={"type": "PING"}):
                        self.master.from_agent(link_id, [{"type": "PONG"}])
                    case ToAgent():
                        self.fleet.from_master(order.link_id, order.message, self.now)
                    case EndLink():
                        self.fleet.link_ended(order.link_id, self.now)
                    case ToStream(event={"type": "UPDATE", "update": update}):
                        self.updates.append(update["status"])
                    case ToStream(event={"type": "UPDATE_OPERATION_STATUS"}):
                        self.operations.append(order.event["update_operation_status"]["status"])
                    case ToStream(event={"type": "OFFERS", "offers": body}):
                        self.offers += body["offers"]
                    case Record():
                        self.journal.append((self.now, order.what, order.facts))
                    case _:
                        pass

    def _from_fleet(self, output: outputs.FleetOutput) -> None:
        match output:
            case outputs.ToMaster():
                self.master.from_agent(output.link_id, [output.message])
            case outputs.OpenLink():
                self.master.register(output.link_id, output.message, self.now)
            case outputs.CloseLink():
                self.master.link_closed(output.link_id, self.now)
            case outputs.Journal():
                self.journal.append((self.now, output.what, output.facts))


def ids() -> Iterator[str]:
    """Ids that are the same in every run."""
    return (f"id{number}" for number in count())


def uuid_of(text: str) -> str:
    """A uuid as the v1 API writes it, from a text."""
    return base64.b64encode(text.encode().ljust(16, b"0")[:16]).decode()


def task(task_id: str, image: Any = "", **more: Any) -> Json:
    """A small task, perhaps with an image."""
    info: Json = {
        "name": task_id,
        "task_id": {"value": task_id},
        "command": {"value": "simulated"},
        "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}, "role": "*"}],
    }
    if image:
        docker = {"type": "DOCKER", "docker": {"name": image}}
        info["container"] = {"type": "MESOS", "mesos": {"image": docker}}
    return info | more
