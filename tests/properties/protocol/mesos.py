"""A Mesos reduced to what the protocol leans on: streams, offers, tasks, updates, reconciliation.

The one thing to know: the answers follow the observed table of a real Mesos 1.11. A launch has two
steps (master knows it, agent has it), a SUBSCRIBE too (answered, then in force).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .records import FINAL_STATES


class Link(Enum):
    """What the master thinks of an agent."""

    UP = "up"
    AWAY = "not back since the master's failover"
    UNREACHABLE = "unreachable"
    FORGOTTEN = "no longer in the registry"


@dataclass
class Agent:
    """A host as Mesos has it; `running` is what really runs there, seen by the master or not."""

    name: str
    link: Link = Link.UP
    is_dead: bool = False
    running: set[int] = field(default_factory=set)
    updates: dict[int, list[tuple[str, int]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A scheduler call, as it stands in a socket."""

    kind: str
    stream: int = -1
    proposal: int = -1
    offer: int = -1
    tasks: tuple[tuple[int, str], ...] = ()
    implicit: bool = False
    uuid: int = -1


@dataclass(frozen=True)
class Event:
    """An event on a stream."""

    kind: str
    offer: int = -1
    host: str = ""
    task: int = -1
    state: str = ""
    uuid: int | None = None


@dataclass
class Mesos:
    """Master and agents."""

    agents: dict[str, Agent] = field(default_factory=lambda: {"h0": Agent("h0"), "h1": Agent("h1")})
    stream: int | None = None
    streams: dict[int, list[Event]] = field(default_factory=dict)
    pending: list[int] = field(default_factory=list)
    offers: dict[int, str] = field(default_factory=dict)
    known: dict[int, tuple[str, str]] = field(default_factory=dict)
    runs: list[tuple[int, str]] = field(default_factory=list)
    launches: list[int] = field(default_factory=list)
    moment: int = 0
    in_force_since: dict[int, int] = field(default_factory=dict)
    last_out: dict[str, int] = field(default_factory=dict)
    ended: dict[int, str] = field(default_factory=dict)
    number: int = 0

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _say(self, event: Event) -> None:
        if self.stream is not None:
            self.streams[self.stream].append(event)

    def _status(self, task: int, state: str, uuid: int | None = None) -> None:
        self._say(Event("STATUS", task=task, state=state, uuid=uuid))

    # Calls.

    def handle(self, call: Call) -> str:
        """The HTTP answer: `accepted`, `refused`, or the new stream id."""
        self.moment += 1
        if call.kind == "SUBSCRIBE":
            stream = self._next()
            self.streams[stream] = []
            self.pending.append(stream)
            return str(stream)
        if call.stream != self.stream:
            return "refused"
        match call.kind:
            case "ACCEPT":
                self._accept(call)
            case "KILL":
                for task, host in call.tasks:
                    self._kill(task, host)
            case "RECONCILE":
                for task, host in call.tasks:
                    self._answer(task, host)
                for task in list(self.known) if call.implicit else []:
                    self._answer(task, self.known[task][0])
            case "ACKNOWLEDGE":
                self._acknowledge(call.tasks[0][0], call.uuid)
            case _:
                raise ValueError(f"no such call: {call}")
        return "accepted"

    def _accept(self, call: Call) -> None:
        task = call.proposal
        host = self.offers.pop(call.offer, None)
        if host is None or self.agents[host].link is not Link.UP:
            self._status(task, "DROPPED")
            return
        self.launches.append(task)
        self.known[task] = (host, "STAGING")
        self.runs.append((task, host))

    def _answer(self, task: int, host: str) -> None:
        if task in self.known:
            self._status(task, self.known[task][1])
            return
        match self.agents[host].link:
            case Link.UP:
                self._status(task, "GONE")
            case Link.UNREACHABLE:
                self._status(task, "UNREACHABLE")
            case Link.FORGOTTEN:
                self._status(task, "UNKNOWN")
            case Link.AWAY:
                pass  # Silence, as the real one.

    def _kill(self, task: int, host: str) -> None:
        if task not in self.known:
            self._answer(task, host)
            return
        agent = self.agents[self.known[task][0]]
        if (task, agent.name) in self.runs:
            self.runs.remove((task, agent.name))
            self._update(agent, task, "KILLED")
        elif task in agent.running:
            agent.running.remove(task)
            self._update(agent, task, "KILLED")

    def _acknowledge(self, task: int, uuid: int) -> None:
        for agent in self.agents.values():
            queue = agent.updates.get(task, [])
            if agent.link is Link.UP and queue and queue[0][1] == uuid:
                state, _ = queue.pop(0)
                if queue:
                    self._forward(agent, task)
                elif state in FINAL_STATES:
                    self.known.pop(task, None)
                    del agent.updates[task]

    # Updates of agents.

    def _update(self, agent: Agent, task: int, state: str) -> None:
        if state in FINAL_STATES:
            self.ended[task] = state
        queue = agent.updates.setdefault(task, [])
        queue.append((state, self._next()))
        if len(queue) == 1:
            self._forward(agent, task)

    def _forward(self, agent: Agent, task: int) -> None:
        if agent.link is Link.UP:
            state, uuid = agent.updates[task][0]
            self.known[task] = (agent.name, state)
            self._status(task, state, uuid)

    def resend(self) -> None:
        """All unacknowledged updates are said again, as agents do."""
        for agent in self.agents.values():
            for task, queue in agent.updates.items():
                if queue:
                    self._forward(agent, task)

    def unacknowledged(self) -> list[int]:
        """Tasks with an update that reached nobody for good, on hosts in contact."""
        up = [a for a in self.agents.values() if a.link is Link.UP]
        return [task for a in up for task, queue in a.updates.items() if queue]

    # What happens by itself.

    def step(self) -> bool:
        """Whether something was done: a subscription in force, a run delivered, an offer made."""
        self.moment += 1
        if self.pending:
            self._put_in_force(self.pending.pop(0))
            return True
        for task, host in self.runs:
            if self.agents[host].link is Link.UP:
                self.runs.remove((task, host))
                self.agents[host].running.add(task)
                self._update(self.agents[host], task, "RUNNING")
                return True
        if self.stream is not None:
            for agent in self.agents.values():
                if agent.link is Link.UP and agent.name not in self.offers.values():
                    offer = self._next()
                    self.offers[offer] = agent.name
                    self._say(Event("OFFER", offer=offer, host=agent.name))
                    return True
        return False

    def _put_in_force(self, stream: int) -> None:
        self._say(Event("ENDED"))
        self.stream = stream
        self.in_force_since[stream] = self.moment
        self.offers.clear()
        self._say(Event("SUBSCRIBED"))
        self.resend()

    # What goes wrong, or at least changes.

    def rescind(self, offer: int) -> None:
        """An offer is taken back."""
        self.offers.pop(offer)
        self._say(Event("RESCIND", offer=offer))

    def end_task(self, task: int, state: str) -> None:
        """A running task ends by itself."""
        for agent in self.agents.values():
            if task in agent.running:
                agent.running.remove(task)
                self._update(agent, task, state)

    def _cut(self, agent: Agent, runs_arrive: bool) -> None:
        """Runs on their way arrive just before the contact ends, or never."""
        for task, host in [r for r in self.runs if r[1] == agent.name]:
            self.runs.remove((task, host))
            if runs_arrive:
                agent.running.add(task)
                agent.updates[task] = [("RUNNING", self._next())]

    def lose_agent(self, name: str, *, runs_arrive: bool, dies: bool) -> None:
        """An agent is marked unreachable; its tasks go on running there unless the host died."""
        agent = self.agents[name]
        self._cut(agent, runs_arrive)
        for offer in [o for o, host in self.offers.items() if host == name]:
            self.rescind(offer)
        agent.link = Link.UNREACHABLE
        for task in [t for t, (host, _) in self.known.items() if host == name]:
            del self.known[task]
            self._status(task, "UNREACHABLE")
        if dies:
            agent.is_dead = True
            agent.running.clear()
            agent.updates.clear()

    def forget_agent(self, name: str) -> None:
        """The registry drops an unreachable agent; it may still come back."""
        self.agents[name].link = Link.FORGOTTEN

    def time_out_agent(self, name: str) -> None:
        """An agent did not come back after the master's failover: no word about its tasks."""
        self.agents[name].link = Link.UNREACHABLE

    def return_agent(self, name: str) -> None:
        """An agent is back with its tasks; what the master launched and it never got is dropped."""
        agent = self.agents[name]
        was_counted_out = agent.link is not Link.AWAY
        self.moment += 1
        self.last_out[name] = self.moment
        agent.link = Link.UP
        for task in sorted(agent.running | set(agent.updates)):
            queue = agent.updates.get(task, [])
            if task in agent.running or queue:
                self.known[task] = (name, queue[0][0] if queue else "RUNNING")
            if task in agent.running and was_counted_out:
                self._status(task, "RUNNING")
            if queue:
                self._forward(agent, task)

    def fail_over(self, *, runs_arrive: bool) -> None:
        """A new master: streams, offers and tasks are forgotten until agents come back."""
        self._say(Event("ENDED"))
        for stream in self.pending:
            self.streams[stream].append(Event("ENDED"))
        self.stream = None
        self.pending.clear()
        self.offers.clear()
        self.known.clear()
        for agent in self.agents.values():
            if agent.link is Link.UP:
                self._cut(agent, runs_arrive)
                agent.link = Link.AWAY

    def living(self) -> dict[int, str]:
        """Every task that runs, or is on its way to run, and its host."""
        found = {task: a.name for a in self.agents.values() for task in a.running}
        found.update(dict(self.runs))
        return found
