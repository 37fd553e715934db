"""The drill: a region's tasks come to a fleet that was spread, in one mode of placement.

The one thing to know: time is made up and moves in steps; the cell that decides is a real one. What
it launches waits for its image and its interface in the modelled world, and says so by the same
status updates as a host's.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Literal

import msgspec

from projections.failover.cell import STREAM, DrillCell
from projections.failover.demand import GROUP, Demand, demand_of, tasks_of
from projections.failover.numbers import Numbers
from projections.failover.world import Totals, World
from projections.memory_cell import Meter
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
from scheduler.model.ids import HostId, OfferId, TaskId
from scheduler.model.inbound import JobSubmitted, OffersChanged, RulesChangeAsked
from scheduler.model.mesos import HostFacts, MesosTaskState, Offer, StatusUpdate
from scheduler.model.policy import Policy
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import CapacityGroup, PlacementRules
from scheduler.model.task import Started

BEGAN_AT_MS: Final = 1_700_000_000_000
KILL_MS: Final = 1_000
OFFERS_TOGETHER: Final = 400
Way = Literal["spread", "pack"]


class WayResult(msgspec.Struct, frozen=True, rename="camel"):
    """What came of the drill in one mode."""

    way: Way
    tasks: int
    started: int
    seconds: float
    """Of made-up time, from the first submission until the last task ran."""
    started_by_seconds: tuple[tuple[int, int], ...]
    """Percent of the tasks, and the second by which so many ran."""
    hosts: int
    hosts_used: int
    """By tasks that came."""
    pulls: int
    pulled_gb: float
    warm_images: int
    binds: int
    warm_interfaces: int
    waited_for_calls_seconds: float
    """By all binds together: the cloud takes so many calls a second only."""
    kills: int
    """Tasks that were ended because they took too long, and started anew elsewhere."""
    control_plane_seconds: float
    """Of a processor, for the cell's own work: codec, fold, rounds."""
    setting_up_seconds: float
    """The same, for the tasks that ran there before."""
    events: int
    records: int


class Drill:
    """One run in one mode."""

    def __init__(
        self, numbers: Numbers, way: Way, meter: Meter, spent_s: Callable[[], float]
    ) -> None:
        """``meter`` measures the cell's own work, and ``spent_s`` says how much that was so far."""
        self._numbers = numbers
        self._way: Way = way
        self._spent_s = spent_s
        self._demand: Demand = demand_of(numbers)
        self._world = World(numbers, self._demand.image_mb)
        rules = PlacementRules(
            groups=(
                CapacityGroup(name="DEFAULT", tier="Flex"),
                CapacityGroup(name=GROUP, tier="Critical"),
            )
        )
        self._cell = DrillCell(Policy(placement=rules), BEGAN_AT_MS, meter)
        self._free = dict.fromkeys(
            self._demand.hosts, Need(numbers.host_cpu_milli, numbers.host_memory_mib, 500_000)
        )
        self._offers: dict[OfferId, HostId] = {}
        self._offered: set[HostId] = set()
        self._known: set[HostId] = set()
        self._is_suppressed = False
        self._offer_number = 0
        self._due: list[tuple[int, int, StatusUpdate]] = []
        self._number = 0
        self._running: dict[TaskId, tuple[HostId, TaskToRun]] = {}
        self._states: dict[TaskId, MesosTaskState] = {}
        self._is_settling = True
        self._kills = 0
        self._started = 0
        """Tasks that run."""

    def run(self) -> WayResult:
        """Let the residents run, then bring the others, until all run or time is up."""
        resident_tasks = tasks_of(self._demand.residents)
        self._cell.copy("jobs", self._demand.residents)
        self._until(lambda: self._started >= resident_tasks)
        self._is_settling = False
        self._world.totals = Totals()
        set_up_s, set_up_events = self._spent_s(), self._cell.events
        set_up_records = self._cell.records
        if self._way == "pack":
            order = RulesChangeAsked(actor="drill", why="a region is evacuated", mode="failover")
            self._cell.copy("commands", [order])
        began_ms = self._cell.now_ms
        waiting = self._handed_over(began_ms)
        wanted = resident_tasks + tasks_of(self._demand.evacuated)
        starts: list[int] = []

        def is_done() -> bool:
            while waiting and waiting[0][0] <= self._cell.now_ms:
                self._cell.copy("jobs", [waiting.pop(0)[1]])
            while len(starts) < self._started - resident_tasks:
                starts.append(self._cell.now_ms - began_ms)
            return not waiting and self._started >= wanted

        self._until(is_done)
        return self._result(starts, set_up_s, set_up_events, set_up_records)

    def _handed_over(self, began_ms: int) -> list[tuple[int, JobSubmitted]]:
        """The jobs that come, each when the rate allows its tasks."""
        found, tasks = [], 0
        for job in self._demand.evacuated:
            at_ms = began_ms + tasks * 1_000 // self._numbers.submitted_per_second
            found.append((at_ms, job))
            tasks += tasks_of((job,))
        return found

    def _until(self, is_done: Callable[[], bool]) -> None:
        numbers, cell = self._numbers, self._cell
        limit_ms = cell.now_ms + numbers.limit_ms
        next_allocation_ms = cell.now_ms
        while not is_done() and cell.now_ms < limit_ms:
            if cell.now_ms >= next_allocation_ms:
                next_allocation_ms += numbers.allocation_ms
                self._allocate()
                cell.tick()
            bodies = []
            while self._due and self._due[0][0] <= cell.now_ms:
                bodies.append(heappop(self._due)[2])
            cell.copy("mesos", [each for each in bodies if self._is_true(each)])
            for effect in cell.decide():
                self._carry_out(effect)
            cell.now_ms += numbers.step_ms

    def _is_true(self, body: StatusUpdate) -> bool:
        """Whether an update is still so: of a task that was ended meanwhile only its end is."""
        if body.state == "TASK_KILLED":
            host_id, task = self._running.pop(body.task_id)
            self._give(host_id, task.need, 1)
            self._started -= self._states.pop(body.task_id, "") == "TASK_RUNNING"
            return True
        if body.task_id not in self._running:
            return False
        was = self._states.get(body.task_id)
        self._states[body.task_id] = body.state
        self._started += body.state == "TASK_RUNNING" != was
        return True

    # The master.

    def _allocate(self) -> None:
        """Offer what is free of every host that is not offered."""
        if self._is_suppressed:
            return
        added = []
        for host_id in self._demand.hosts:
            free = self._free[host_id]
            if host_id in self._offered or free.cpu_milli < 100:
                continue
            added.append(self._offer(host_id, free))
        for first in range(0, len(added), OFFERS_TOGETHER):
            some = tuple(added[first : first + OFFERS_TOGETHER])
            self._cell.copy(
                "mesos",
                [
                    OffersChanged(
                        stream_id=STREAM,
                        first_offset=self._cell.next_offset("mesos"),
                        added=some,
                    )
                ],
            )

    def _offer(self, host_id: HostId, free: Need) -> Offer:
        self._offer_number += 1
        offer_id = OfferId(f"offer-{self._offer_number}")
        self._offers[offer_id] = host_id
        self._offered.add(host_id)
        facts = None
        if host_id not in self._known:
            self._known.add(host_id)
            numbers = self._numbers
            kind = f"ResourceSet-ENIs-{numbers.host_interfaces}-{numbers.addresses_per_interface}"
            zone = f"zone-{int(host_id.rpartition('-')[2]) % 3}"
            facts = HostFacts(hostname=host_id, attributes=(("res", kind), ("zone", zone)))
        resources = Resources(
            free.cpu_milli, free.memory_mib, free.disk_mib, (PortRange(31_000, 31_999),)
        )
        return Offer(offer_id=offer_id, host_id=host_id, resources=resources, facts=facts)

    def _take_back(self, offer_ids: tuple[OfferId, ...]) -> None:
        for offer_id in offer_ids:
            self._offered.discard(self._offers.pop(offer_id))

    def _give(self, host_id: HostId, need: Need, sign: int) -> None:
        free = self._free[host_id]
        left = Need(
            free.cpu_milli + sign * need.cpu_milli,
            free.memory_mib + sign * need.memory_mib,
            free.disk_mib + sign * need.disk_mib,
        )
        assert min(left.cpu_milli, left.memory_mib, left.disk_mib) >= 0, f"{host_id} has too much"
        self._free[host_id] = left

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case AcceptOffers():
                self._take_back(effect.offer_ids)
                for task in effect.tasks:
                    self._launch(effect.host_id, task)
            case DeclineOffers():
                self._take_back(effect.offer_ids)
            case AnswerInverseOffers():
                pass  # No host is asked back in a drill.
            case KillOnHost():
                self._kills += 1
                self._say(KILL_MS, effect.task_id, effect.host_id, "TASK_KILLED")
            case AskState():
                for task_id, _ in effect.tasks:
                    self._answer(task_id)
            case AskAll():
                for task_id in self._running:
                    self._answer(task_id)
            case Suppress() | Revive():
                self._is_suppressed = isinstance(effect, Suppress)

    def _launch(self, host_id: HostId, task: TaskToRun) -> None:
        numbers, now_ms = self._numbers, self._cell.now_ms
        self._give(host_id, task.need, -1)
        self._running[task.task_id] = host_id, task
        image = self._demand.image_of[str(task.job_id)]
        groups = self._demand.security_groups[str(task.job_id)]
        if self._is_settling:
            self._world.settle(host_id, image, task.interface, groups)
            self._say(0, task.task_id, host_id, "TASK_RUNNING")
            return
        at_ms = now_ms + numbers.accept_ms + numbers.executor_ms
        prepared = self._world.prepare(host_id, image, task.interface, groups, at_ms)
        self._say(at_ms - now_ms, task.task_id, host_id, "TASK_STARTING")
        runs_ms = prepared.at_ms + numbers.start_ms - now_ms
        self._say(runs_ms, task.task_id, host_id, "TASK_RUNNING")

    def _say(self, after_ms: int, task_id: TaskId, host_id: HostId, state: MesosTaskState) -> None:
        self._number += 1
        update = StatusUpdate(
            stream_id=STREAM, task_id=task_id, state=state, host_id=host_id, uuid=str(self._number)
        )
        heappush(self._due, (self._cell.now_ms + after_ms, self._number, update))

    def _answer(self, task_id: TaskId) -> None:
        if task_id not in self._running:
            return
        self._number += 1
        update = StatusUpdate(
            stream_id=STREAM,
            task_id=task_id,
            state=self._states.get(task_id, "TASK_STAGING"),
            host_id=self._running[task_id][0],
            reason="REASON_RECONCILIATION",
        )
        heappush(self._due, (self._cell.now_ms, self._number, update))

    def _result(
        self, starts: list[int], set_up_s: float, set_up_events: int, set_up_records: int
    ) -> WayResult:
        totals, tasks = self._world.totals, tasks_of(self._demand.evacuated)
        came = {str(job.job_id) for job in self._demand.evacuated}
        there = [host for host, task in self._running.values() if task.job_id in came]
        agreed = sum(isinstance(each.state, Started) for each in self._cell.state.tasks.values())
        assert agreed == self._started, "the cell and its hosts agree on what runs"
        return WayResult(
            way=self._way,
            tasks=tasks,
            started=len(starts),
            seconds=(starts[-1] if starts else 0) / 1_000,
            started_by_seconds=tuple(
                (percent, -(-starts[at] // 1_000))
                for percent in (50, 90, 99, 100)
                if 0 <= (at := tasks * percent // 100 - 1) < len(starts)
            ),
            hosts=len(self._demand.hosts),
            hosts_used=len(set(there)),
            pulls=totals.pulls,
            pulled_gb=round(totals.pulled_mb / 1_000, 1),
            warm_images=totals.warm_images,
            binds=totals.binds,
            warm_interfaces=totals.warm_interfaces,
            waited_for_calls_seconds=totals.waited_for_calls_ms / 1_000,
            kills=self._kills,
            control_plane_seconds=round(self._spent_s() - set_up_s, 2),
            setting_up_seconds=round(set_up_s, 2),
            events=self._cell.events - set_up_events,
            records=self._cell.records - set_up_records,
        )
