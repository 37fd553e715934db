"""A Mesos master in memory, with the rules that a framework can be hurt by, and its hosts.

The one thing to know: it is honest about what it forgets. A master that fails over knows no task
until the task's host is back, an unreachable host's tasks may run on, a message to a host that is
cut off is lost, and an answer to a question is silence where a real master is silent.
The rules are those of the dev cluster's master (`connectors/devcluster/master`), which contract
tests check with clients of others; here they cost microseconds, and there is one framework.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol
from zlib import crc32

from scheduler.model.effects import (
    AcceptOffers,
    AnswerInverseOffers,
    AskAll,
    AskState,
    DeclineOffers,
    Effect,
    KillOnHost,
    Revive,
    Suppress,
    TaskToRun,
)
from scheduler.model.ids import HostId, JobId, OfferId, StreamId, TaskId
from scheduler.model.mesos import (
    HostFacts,
    HostFailed,
    MesosRecord,
    MesosTaskState,
    Offer,
    OfferRescinded,
    OffersReceived,
    StatusUpdate,
    Subscribed,
)
from scheduler.model.resources import Need, Resources
from streams.simulation.hosts import (
    RESEND_S_MAX,
    RESEND_S_MIN,
    TERMINAL,
    Host,
    LiveTask,
    Said,
    whole_host,
)
from streams.simulation.loop import VirtualLoop

PING_TIMEOUT_S: Final = 75.0
"""Five pings of 15 s: then a host is unreachable."""
REREGISTER_TIMEOUT_S: Final = 600.0
ALLOCATION_S: Final = 1.0
SLOW_START_SHARE: Final = 0.04
SLOW_START_S_MAX: Final = 400.0
"""Some images are large: longer than a start may take by the shorter policies."""
OFFER_CPU_MILLI_MIN: Final = 100
OFFER_MEMORY_MIB_MIN: Final = 32


class OpenStream(Protocol):
    """A stream as the master sees it."""

    stream_id: StreamId

    def put(self, record: MesosRecord) -> None:
        """Send a record."""
        ...

    def close(self, why: str) -> None:
        """End it, after what was sent."""
        ...


class MesosWitness(Protocol):
    """Who looks at what reaches the hosts."""

    def launched(self, task: TaskToRun, host_id: HostId) -> None:
        """An ACCEPT with this task is being carried out."""
        ...

    def over_committed(self, host_id: HostId, why: str) -> None:
        """An ACCEPT asks for more than its offers have."""
        ...

    def killed(self, task_id: TaskId) -> None:
        """A KILL is being carried out."""
        ...


@dataclass(slots=True)
class Known:
    """A task in the master's memory."""

    host_id: HostId
    need: Need
    state: MesosTaskState = "TASK_STAGING"


class Master:
    """The master of the moment, its hosts, and the one framework's stream."""

    def __init__(
        self, loop: VirtualLoop, chance: Random, wall_ms: Callable[[], int], witness: MesosWitness
    ) -> None:
        self._loop = loop
        self._chance = chance
        self._wall_ms = wall_ms
        self._witness = witness
        self._salt = chance.randrange(1 << 30)
        self._number = 0
        self.hosts: dict[HostId, Host] = {}
        self.is_up = True
        self._masters = 0
        self.stream: OpenStream | None = None
        self.known: dict[TaskId, Known] = {}
        self.offers: dict[OfferId, tuple[HostId, Resources]] = {}
        self.recovered: set[HostId] = set()
        self.unreachable: set[HostId] = set()
        self.gone: set[HostId] = set()
        self.is_suppressed = False
        self._refused_until_s: dict[HostId, float] = {}
        self._allocates_at_s: float | None = None
        self.shuffled_until_s = 0.0
        self.doubled_until_s = 0.0

    # Streams and calls.

    def subscribe(self, stream: OpenStream, epoch: int) -> None:
        """Make this the framework's stream; an older one is ended."""
        if self.stream is not None:
            self.stream.close("Framework failed over")
        self.stream = stream
        self.offers.clear()
        self.is_suppressed = False
        self._refused_until_s.clear()
        stream.put(Subscribed(stream.stream_id, "simulated", epoch, 15_000, f"m{self._masters}"))
        self._allocate_soon()

    def connection_lost(self, stream: OpenStream) -> None:
        """The framework's side of a stream is gone."""
        if self.stream is stream:
            self.stream = None
            self.offers.clear()

    def call(self, effect: Effect) -> None:
        """Carry a call of the framework out."""
        match effect:
            case AcceptOffers():
                self._accept(effect)
            case DeclineOffers():
                for offer_id in effect.offer_ids:
                    self._give_back(offer_id, effect.refuse_ms / 1_000)
            case AnswerInverseOffers():
                pass  # This master takes no host away.
            case KillOnHost():
                self._witness.killed(effect.task_id)
                self._kill(effect.task_id, effect.host_id)
            case AskState():
                for task_id, host_id in effect.tasks:
                    self._answer(task_id, host_id)
            case AskAll():
                for task_id in list(self.known):
                    self._answer(task_id, None)
            case Suppress():
                self.is_suppressed = True
            case Revive():
                self.is_suppressed = False
                self._refused_until_s.clear()
                self._allocate_soon()

    def acknowledge(self, update: StatusUpdate) -> None:
        """Pass an acknowledgement on to the host that repeats the update."""
        if update.host_id is not None:
            self._to_host(update.host_id, self._acknowledged, update.task_id, update.uuid)

    def _acknowledged(self, host: Host, task_id: TaskId, uuid: str) -> None:
        said = host.unheard.get(task_id)
        if not said or said[0].uuid != uuid:
            return
        ended = said.popleft().state in TERMINAL
        if said:
            self._say(host, task_id, RESEND_S_MIN)
            return
        del host.unheard[task_id]
        if ended:
            self.known.pop(task_id, None)

    def _accept(self, effect: AcceptOffers) -> None:
        offers = [self.offers.pop(offer_id, None) for offer_id in effect.offer_ids]
        for task in effect.tasks:
            self._witness.launched(task, effect.host_id)
        self._allocate_soon()
        held = [each for each in offers if each is not None and each[0] == effect.host_id]
        if len(held) != len(offers):
            for task in effect.tasks:
                self._say_of(task.task_id, "TASK_DROPPED", effect.host_id, "REASON_INVALID_OFFERS")
            return
        cpu = sum(each.cpu_milli for _, each in held) - sum(t.need.cpu_milli for t in effect.tasks)
        memory = sum(each.memory_mib for _, each in held)
        memory -= sum(task.need.memory_mib for task in effect.tasks)
        if cpu < 0 or memory < 0:
            self._witness.over_committed(effect.host_id, f"{-cpu} cpu_milli, {-memory} memory_mib")
        for task in effect.tasks:
            if cpu < 0 or memory < 0:
                self._say_of(task.task_id, "TASK_ERROR", effect.host_id, "REASON_TASK_INVALID")
                continue
            self.known[task.task_id] = Known(effect.host_id, task.need)
            self._to_host(effect.host_id, self._run, task)

    def _answer(self, task_id: TaskId, host_id: HostId | None) -> None:
        """Say what is known of a task, or nothing where a real master keeps silent."""
        known = self.known.get(task_id)
        if known is not None:
            self._say_of(task_id, known.state, known.host_id, "REASON_RECONCILIATION")
            return
        state: MesosTaskState = "TASK_UNKNOWN"
        if (host_id is None and self.recovered) or host_id in self.recovered:
            return
        if host_id in self.gone:
            state = "TASK_GONE_BY_OPERATOR"
        elif host_id in self.unreachable:
            state = "TASK_UNREACHABLE"
        elif host_id in self.hosts and self.hosts[host_id].is_known:
            state = "TASK_GONE"
        self._say_of(task_id, state, host_id, "REASON_RECONCILIATION")

    def _say_of(
        self, task_id: TaskId, state: MesosTaskState, host_id: HostId | None, reason: str
    ) -> None:
        """The master's own word of a task; nobody repeats it."""
        if self.stream is not None:
            self.stream.put(
                StatusUpdate(
                    self.stream.stream_id,
                    task_id,
                    state,
                    host_id,
                    "SOURCE_MASTER",
                    reason,
                    observed_at_ms=self._wall_ms(),
                )
            )

    # Offers.

    def _allocate_soon(self, delay_s: float = ALLOCATION_S) -> None:
        at_s = self._loop.now_s + delay_s
        if self._allocates_at_s is None or at_s < self._allocates_at_s:
            self._allocates_at_s = at_s
            self._loop.at(at_s, self._allocate, at_s)

    def _allocate(self, at_s: float) -> None:
        if at_s != self._allocates_at_s:
            return  # An earlier one came before it.
        self._allocates_at_s = None
        if self.stream is None or not self.is_up or self.is_suppressed:
            return
        made: list[Offer] = []
        used = self._used()  # Once: what is offered of one host takes nothing of another.
        for host in self.hosts.values():
            until_s = self._refused_until_s.get(host.host_id, 0.0)
            if until_s > self._loop.now_s:
                self._allocate_soon(until_s - self._loop.now_s)
            elif host.is_known:
                made += self._offers_of(host, *used.get(host.host_id, (0, 0, 0)))
        if made:
            self.stream.put(OffersReceived(self.stream.stream_id, tuple(made)))

    def _used(self) -> dict[HostId, tuple[int, int, int]]:
        """What tasks and offers take of each host: cpu_milli, memory_mib, disk_mib."""
        used: dict[HostId, tuple[int, int, int]] = {}
        takers: list[tuple[HostId, Need | Resources]] = [*self.offers.values()]
        takers += [
            (each.host_id, each.need) for each in self.known.values() if each.state not in TERMINAL
        ]
        for host_id, taken in takers:
            cpu, memory, disk = used.get(host_id, (0, 0, 0))
            used[host_id] = (
                cpu + taken.cpu_milli,
                memory + taken.memory_mib,
                disk + taken.disk_mib,
            )
        return used

    def _offers_of(self, host: Host, cpu: int, memory: int, disk: int) -> list[Offer]:
        """An offer of what is left of the host, if that is worth one."""
        whole = whole_host()
        cpu, memory = whole.cpu_milli - cpu, whole.memory_mib - memory
        disk = whole.disk_mib - disk
        if cpu < OFFER_CPU_MILLI_MIN or memory < OFFER_MEMORY_MIB_MIN:
            return []
        self._number += 1
        offer_id = OfferId(f"o{self._number}")
        free = Resources(cpu, memory, max(0, disk))
        self.offers[offer_id] = (host.host_id, free)
        facts = HostFacts(f"name-of-{host.host_id}", attributes=(("zone", host.zone),))
        return [Offer(offer_id, host.host_id, free, facts)]

    def _give_back(self, offer_id: OfferId, refused_s: float) -> None:
        found = self.offers.pop(offer_id, None)
        if found is not None:
            self._refused_until_s[found[0]] = self._loop.now_s + refused_s
            self._allocate_soon(max(ALLOCATION_S, refused_s))

    def rescind(self, offer_ids: tuple[OfferId, ...]) -> None:
        """Take offers back."""
        for offer_id in offer_ids:
            if self.offers.pop(offer_id, None) is not None and self.stream is not None:
                self.stream.put(OfferRescinded(self.stream.stream_id, offer_id))
        self._allocate_soon(10 * ALLOCATION_S)

    def rescind_of(self, host_id: HostId) -> None:
        """Take every offer of a host back."""
        self.rescind(tuple(name for name, (owner, _) in self.offers.items() if owner == host_id))

    # Hosts.

    def _to_host(self, host_id: HostId, do: Callable[..., None], *given: object) -> None:
        """Have something done on a host, if the message gets there."""

        def arrive() -> None:
            host = self.hosts.get(host_id)
            if host is not None and host.is_reachable(self._loop.now_s):
                do(host, *given)

        self._loop.later(0.002 + 0.01 * self._chance.random(), arrive)

    def _run(self, host: Host, task: TaskToRun) -> None:
        habits = Random(crc32(task.task_id.encode()) ^ self._salt)  # noqa: S311 - a made-up world
        live = LiveTask(task.task_id, task.job_id, task.index, task.need)
        # As the simulator's submissions write it: seconds, and of a hundred how many fail.
        live.run_s = float(task.command[1]) * (0.5 + habits.random())
        live.is_failing = habits.random() * 100 < float(task.command[2])
        host.tasks[task.task_id] = live
        start_s = 0.2 + 8.0 * habits.random()
        if habits.random() < SLOW_START_SHARE:
            start_s += SLOW_START_S_MAX * habits.random()
        self._loop.later(start_s, self._runs, host, live)

    def _runs(self, host: Host, task: LiveTask) -> None:
        if task.task_id not in host.tasks or not host.is_alive:
            return
        task.state = "TASK_RUNNING"
        self._tell(host, task.task_id, "TASK_RUNNING")
        if task.run_s:
            self._loop.later(task.run_s, self._over, host, task)

    def _over(self, host: Host, task: LiveTask) -> None:
        self._end(host, task, "TASK_FAILED" if task.is_failing else "TASK_FINISHED")

    def _end(self, host: Host, task: LiveTask, state: MesosTaskState) -> None:
        if host.is_alive and host.tasks.pop(task.task_id, None) is not None:
            self._tell(host, task.task_id, state)

    def _kill(self, task_id: TaskId, host_id: HostId) -> None:
        known = self.known.get(task_id)
        if known is None:
            self._answer(task_id, host_id)
        else:
            self._to_host(known.host_id, self._end_gracefully, task_id)

    def _end_gracefully(self, host: Host, task_id: TaskId) -> None:
        task = host.tasks.get(task_id)
        if task is not None and not task.is_being_killed:
            task.is_being_killed = True
            self._loop.later(
                0.1 + 5.0 * self._chance.random(), self._end, host, task, "TASK_KILLED"
            )

    def _tell(self, host: Host, task_id: TaskId, state: MesosTaskState, reason: str = "") -> None:
        """Say something of a task until it is acknowledged; what was said before comes first."""
        self._number += 1
        said = host.unheard.setdefault(task_id, deque())
        said.append(Said(state, f"u{self._number}", reason))
        if len(said) == 1:
            self._say(host, task_id, RESEND_S_MIN)

    def _say(self, host: Host, task_id: TaskId, again_s: float) -> None:
        said = host.unheard[task_id][0]
        now_s = self._loop.now_s
        delay_s = 0.002 + 0.01 * self._chance.random()
        if now_s < self.shuffled_until_s:
            delay_s += 40.0 * self._chance.random()
        if host.is_reachable(now_s):
            self._loop.later(delay_s, self._forward, host, task_id, said)
            if now_s < self.doubled_until_s:
                self._loop.later(delay_s * 3, self._forward, host, task_id, said)
        self._loop.later(again_s, self._say_again, host, task_id, said, again_s)

    def _say_again(self, host: Host, task_id: TaskId, said: Said, waited_s: float) -> None:
        unheard = host.unheard.get(task_id)
        if host.is_alive and unheard and unheard[0] is said:
            self._say(host, task_id, min(2 * waited_s, RESEND_S_MAX))

    def _forward(self, host: Host, task_id: TaskId, said: Said) -> None:
        """A host's word has reached the master."""
        if not self.is_up or not host.is_known or not host.is_reachable(self._loop.now_s):
            return
        known = self.known.get(task_id)
        if known is not None and known.state not in TERMINAL:
            known.state = said.state
            if said.state in TERMINAL:
                self._allocate_soon()
        if self.stream is not None:
            self.stream.put(
                StatusUpdate(
                    self.stream.stream_id,
                    task_id,
                    said.state,
                    host.host_id,
                    "SOURCE_EXECUTOR",
                    said.reason,
                    uuid=said.uuid,
                    observed_at_ms=self._wall_ms(),
                )
            )

    # What happens to hosts and masters.

    def add_host(self, name: str, zone: str) -> None:
        """A new host registers."""
        host_id = HostId(name)
        self.hosts[host_id] = Host(host_id, zone)
        self._register(self.hosts[host_id])

    def _register(self, host: Host) -> None:
        """A host that can be reached tells the master what it has."""
        if not self.is_up or not host.is_reachable(self._loop.now_s) or host.host_id in self.gone:
            return
        was_away = host.host_id in self.unreachable
        self.unreachable.discard(host.host_id)
        self.recovered.discard(host.host_id)
        host.is_known = True
        states = host.states()
        lost = [
            task_id
            for task_id, known in self.known.items()
            if known.host_id == host.host_id
            and task_id not in states
            and known.state not in TERMINAL
        ]
        for task_id in lost:  # The launch never reached it.
            self._tell(host, task_id, "TASK_DROPPED", "REASON_SLAVE_RESTARTED")
        for task_id, state in states.items():
            task = host.tasks.get(task_id)
            need = task.need if task is not None else Need(0, 0)
            if task_id not in self.known:
                self.known[task_id] = Known(host.host_id, need, state)
            if was_away and state not in TERMINAL:
                self._say_of(task_id, state, host.host_id, "REASON_SLAVE_REREGISTERED")
        self._allocate_soon()

    def cut(self, host: Host, for_s: float) -> None:
        """Nothing gets to the host or back for a while."""
        now_s = self._loop.now_s
        host.cut_until_s = max(host.cut_until_s, now_s + for_s)
        host.cuts += 1
        self._loop.later(PING_TIMEOUT_S, self._miss, host, host.cuts)
        back_s = host.cut_until_s - now_s + 0.5 + 2.0 * self._chance.random()
        self._loop.later(back_s, self._register, host)

    def kill_host(self, host: Host) -> None:
        """The host is gone, with all that ran there."""
        host.is_alive = False
        host.tasks.clear()
        host.unheard.clear()
        self._loop.later(PING_TIMEOUT_S, self._miss, host, host.cuts)

    def _miss(self, host: Host, cuts: int) -> None:
        """A host that did not answer its pings is unreachable, and its tasks are with it."""
        if not self.is_up or cuts != host.cuts or host.is_reachable(self._loop.now_s):
            return
        self._lose(host)

    def _lose(self, host: Host) -> None:
        if host.host_id in self.unreachable or host.host_id in self.gone:
            return
        host.is_known = False
        self.recovered.discard(host.host_id)
        self.unreachable.add(host.host_id)
        self.rescind_of(host.host_id)
        self._forget_tasks(host, "TASK_UNREACHABLE", "REASON_SLAVE_REMOVED")
        if self.stream is not None:
            self.stream.put(HostFailed(self.stream.stream_id, host.host_id))

    def mark_gone(self, host: Host) -> None:
        """An operator says that the host will never be back."""
        assert not host.is_alive, "a host that runs tasks must not be called gone"
        host.is_known = False
        self.unreachable.discard(host.host_id)
        self.recovered.discard(host.host_id)
        self.gone.add(host.host_id)
        self.rescind_of(host.host_id)
        self._forget_tasks(host, "TASK_GONE_BY_OPERATOR", "REASON_SLAVE_REMOVED_BY_OPERATOR")

    def _forget_tasks(self, host: Host, state: MesosTaskState, reason: str) -> None:
        there = [name for name, known in self.known.items() if known.host_id == host.host_id]
        for task_id in there:
            if self.known.pop(task_id).state not in TERMINAL:
                self._say_of(task_id, state, host.host_id, reason)

    def fail_over(self, away_s: float) -> None:
        """The master dies; another one knows the hosts' names and nothing of their tasks."""
        if not self.is_up:
            return
        self.is_up = False
        self._masters += 1
        if self.stream is not None:
            self.stream.close("the master closed the connection")
        self.stream = None
        self.known.clear()
        self.offers.clear()
        for host in self.hosts.values():
            if host.is_known:
                host.is_known = False
                self.recovered.add(host.host_id)
        self._loop.later(away_s, self._come_up)

    def _come_up(self) -> None:
        self.is_up = True
        number = self._masters
        for host in self.hosts.values():
            self._loop.later(0.5 + 15.0 * self._chance.random(), self._register, host)
        self._loop.later(REREGISTER_TIMEOUT_S, self._give_up_recovered, number)

    def _give_up_recovered(self, number: int) -> None:
        if number == self._masters and self.is_up:
            for host_id in sorted(self.recovered):
                self._lose(self.hosts[host_id])

    def add_stranger(self, host: Host, name: str) -> None:
        """A task of our framework that no record of the log speaks of runs on the host."""
        task_id = TaskId(name)
        need = Need(100, 64)
        task = LiveTask(task_id, JobId("stranger"), 0, need, "TASK_RUNNING")
        host.tasks[task_id] = task
        if host.is_known:
            self.known[task_id] = Known(host.host_id, need, "TASK_RUNNING")
        self._tell(host, task_id, "TASK_RUNNING")
