"""What guaranteed work costs the others: the same work twice, with it and without it.

The one thing to know: this is the cell's own `place_round` over simulated time. Tasks end when
their running time is over, a preempted one loses what it has done and waits again, and the numbers
of the report are counted from both runs; nothing is estimated.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Final, Protocol

import msgspec

from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.rules import PlacementRules
from scheduler.placement.engine import Placement
from scheduler.placement.outcome import Choice
from scheduler.placement.request import Request
from scheduler.queue.engine import Engine
from scheduler.queue.outcome import Disruption, Promise, RoundLimits, RoundOutcome, RunningTask
from scheduler.queue.usage import Usage
from scheduler.queue.waiting import Queue, Waiting
from scheduler.rounds.placing import place_round

from .trace import Trace, TraceTask

ENDING_MS: Final = 1_000
"""How long a preempted task takes to end."""
_HOUR_MS: Final = 3_600_000


class Clocked(Engine, Protocol):
    """An index of hosts that is told the time."""

    def advance(self, now_ms: int) -> None:
        """Let the clock be at ``now_ms``."""


class Work(msgspec.Struct, frozen=True):
    """Equal tasks that arrive together; ``runtime_ms`` 0: they run to the end of the simulation."""

    request: Request
    count: int
    arrive_ms: int = 0
    runtime_ms: int = 0


class Served(msgspec.Struct, frozen=True):
    """What one piece of work got."""

    job_id: JobId
    tier: str
    group: str
    tasks: int
    started: int
    """Tasks that have started, each counted once."""
    all_started_at_ms: int | None
    """When the last of them started for the first time; None: some never did."""
    wait_ms_max: int
    """The longest time from arrival to the first start, of those that started."""
    rounds_max: int
    """The most rounds that one of them waited through."""
    useful_ms: int
    """Running time that was not lost again, over all tasks."""
    lost_ms: int
    """Running time of tasks that were preempted, and had to begin anew."""
    preempted: int


class Run(msgspec.Struct, frozen=True):
    """One run: what each piece of work got, and how busy the round was."""

    served: tuple[Served, ...]
    rounds: int
    until_ms: int

    def useful_ms(self, tier: str) -> int:
        """Running time of a tier's tasks that was not lost."""
        return sum(each.useful_ms for each in self.served if each.tier == tier)


class Contention(msgspec.Struct, frozen=True):
    """Both runs, and what the tier in question cost the others."""

    tier: str
    run_with: Run
    run_without: Run
    lost_task_seconds: tuple[tuple[str, int], ...]
    """By each other tier: useful task-seconds without the tier less those with it."""

    @property
    def wait_ms_max(self) -> int:
        """The longest wait of the tier's tasks until they first started."""
        return max((s.wait_ms_max for s in self.run_with.served if s.tier == self.tier), default=0)

    def lines(self) -> list[str]:
        """The report for people."""
        rows = [
            f"{each.job_id} ({each.tier}, {each.group}): {each.started} of {each.tasks} started, "
            f"longest wait {each.wait_ms_max / 1_000:.1f} s over {each.rounds_max} rounds, "
            f"{each.preempted} preempted, {each.lost_ms // 1_000} task-seconds to be done again"
            for each in self.run_with.served
        ]
        for tier, seconds in self.lost_task_seconds:
            without = self.run_without.useful_ms(tier) // 1_000
            rows.append(f"{tier} lost {seconds} of {without} task-seconds to {self.tier}")
        return rows


def works_of(tasks: Iterable[TraceTask]) -> list[Work]:
    """The tasks of a trace as works: those that ask, come and run alike are one."""
    counts: dict[tuple[Request, int, int], int] = {}
    for task in tasks:
        runtime_ms = 0 if task.end_ms is None else max(1, task.end_ms - task.arrive_ms)
        key = (task.request, task.arrive_ms, runtime_ms)
        counts[key] = counts.get(key, 0) + 1
    return [
        Work(request, count, arrive_ms, runtime_ms)
        for (request, arrive_ms, runtime_ms), count in counts.items()
    ]


def contention_of_trace(trace: Trace, rules: PlacementRules, tier: str) -> Contention:
    """What the tier's tasks of a trace cost the others, until its last task would have ended."""

    def placement() -> Placement:
        made = Placement(rules)
        made.put_hosts(trace.hosts)
        return made

    works = works_of(trace.tasks)
    until_ms = max((work.arrive_ms + (work.runtime_ms or _HOUR_MS) for work in works), default=0)
    return contention(placement, rules, works, until_ms, tier=tier)


def contention(
    make_placement: Callable[[], Clocked],
    rules: PlacementRules,
    works: Sequence[Work],
    until_ms: int,
    *,
    tier: str = "Critical",
    limits: RoundLimits | None = None,
) -> Contention:
    """The works with and without those of ``tier``, on equal hosts, and the difference."""
    others = [work for work in works if work.request.tier != tier]
    run_with = simulated(make_placement(), rules, works, until_ms, limits=limits)
    run_without = simulated(make_placement(), rules, others, until_ms, limits=limits)
    names = sorted({work.request.tier for work in others})
    lost = tuple(
        (name, (run_without.useful_ms(name) - run_with.useful_ms(name)) // 1_000) for name in names
    )
    return Contention(tier, run_with, run_without, lost)


def simulated(
    placement: Clocked,
    rules: PlacementRules,
    works: Iterable[Work],
    until_ms: int,
    *,
    limits: RoundLimits | None = None,
    watch: Callable[[int, RoundOutcome], None] | None = None,
) -> Run:
    """What became of the works until ``until_ms``; ``watch`` sees each round with its time."""
    limits = limits or RoundLimits()
    return _Simulation(placement, rules, works, until_ms, limits=limits, watch=watch).run()


class _Task(msgspec.Struct, eq=False):
    task_id: TaskId
    work: int
    round_at_arrival: int
    wait_ms: int | None = None
    rounds: int = 0
    since_ms: int = 0
    choice: Choice | None = None
    starts: int = 0
    """How often it was started: the end of an earlier start means nothing any more."""


_Step = tuple[int, int, Callable[[], None]]


class _Simulation:
    def __init__(
        self,
        placement: Clocked,
        rules: PlacementRules,
        works: Iterable[Work],
        until_ms: int,
        *,
        limits: RoundLimits,
        watch: Callable[[int, RoundOutcome], None] | None,
    ) -> None:
        self.placement = placement
        self.rules = rules
        self.works = list(works)
        self.until_ms = until_ms
        self.limits = limits
        self.watch = watch
        self.now_ms = 0
        self.rounds = 0
        self.queue = Queue()
        self.usage = Usage()
        self.promises: tuple[Promise, ...] = ()
        self.waiting: dict[Request, deque[_Task]] = {}
        self.running: dict[HostId, dict[TaskId, _Task]] = {}
        self.tasks: list[list[_Task]] = [[] for _ in self.works]
        self.useful_ms = [0] * len(self.works)
        self.lost_ms = [0] * len(self.works)
        self.preempted = [0] * len(self.works)
        self.preempted_at: list[tuple[int, JobId]] = []
        self.steps: list[_Step] = []
        self.serial = 0
        self.woken_at_ms = -1

    def run(self) -> Run:
        """All steps in the order of their times, and a round after those of one time."""
        for number, work in enumerate(self.works):
            self._at(work.arrive_ms, partial(self._arrive, number))
        while self.steps and self.steps[0][0] <= self.until_ms:
            self.now_ms = self.steps[0][0]
            while self.steps and self.steps[0][0] == self.now_ms:
                heappop(self.steps)[2]()
            self._round()
        self.now_ms = self.until_ms
        for on_host in self.running.values():
            for task in on_host.values():
                self.useful_ms[task.work] += self.now_ms - task.since_ms
        return Run(
            tuple(self._served(number) for number in range(len(self.works))),
            self.rounds,
            self.until_ms,
        )

    def _at(self, at_ms: int, step: Callable[[], None]) -> None:
        self.serial += 1
        heappush(self.steps, (at_ms, self.serial, step))

    def _arrive(self, number: int) -> None:
        work = self.works[number]
        tasks = [
            _Task(TaskId(f"{work.request.job_id}-{number}-{index}"), number, self.rounds)
            for index in range(work.count)
        ]
        self.tasks[number] = tasks
        self._wait(work.request, tasks)

    def _wait(self, request: Request, tasks: Sequence[_Task]) -> None:
        line = self.waiting.setdefault(request, deque())
        line.extend(tasks)
        before = self.queue.get(request)
        order = (min(task.work for task in line), 0) if before is None else before.order
        since_ms = self.now_ms if before is None else before.since_ms
        self.queue.set(Waiting(request, len(line), since_ms, order))

    def _round(self) -> None:
        self.rounds += 1
        self.placement.advance(self.now_ms)
        self.preempted_at = [each for each in self.preempted_at if each[0] > self.now_ms - _HOUR_MS]
        of_job: dict[JobId, int] = {}
        for _, job_id in self.preempted_at:
            of_job[job_id] = of_job.get(job_id, 0) + 1
        outcome = place_round(
            self.placement,
            self.queue,
            self.usage,
            self.rules,
            self.now_ms,
            limits=self.limits,
            disruption=Disruption(
                tasks_on=self._tasks_on,
                may_disrupt=lambda _: self.limits.preemptions_max,
                preempted_last_hour=len(self.preempted_at),
                preempted_last_hour_of_job=tuple(sorted(of_job.items())),
            ),
            promises=self.promises,
        )
        self.promises = outcome.promises
        for placed in outcome.placed:
            self._start(placed.request, placed.outcome.choices)
        for preemption in outcome.preemptions:
            for victim in preemption.victims:
                self._preempt(preemption.host_id, victim)
        if outcome.again_at_ms and outcome.again_at_ms != self.woken_at_ms:
            self.woken_at_ms = outcome.again_at_ms
            self._at(outcome.again_at_ms, _wake)
        if self.watch is not None:
            self.watch(self.now_ms, outcome)

    def _tasks_on(self, host_id: HostId) -> list[RunningTask]:
        found = []
        for task in self.running.get(host_id, {}).values():
            request = self.works[task.work].request
            found.append(
                RunningTask(
                    task.task_id,
                    request.job_id,
                    request.group,
                    request.tier,
                    request.need,
                    task.since_ms,
                    request.is_opportunistic,
                    request.is_service,
                )
            )
        return found

    def _start(self, request: Request, choices: Sequence[Choice]) -> None:
        line = self.waiting[request]
        for choice in choices:
            task = line.popleft()
            work = self.works[task.work]
            task.choice, task.since_ms = choice, self.now_ms
            task.starts += 1
            if task.wait_ms is None:
                task.wait_ms = self.now_ms - work.arrive_ms
                task.rounds = self.rounds - task.round_at_arrival
            self.running.setdefault(choice.host_id, {})[task.task_id] = task
            if work.runtime_ms:
                self._at(
                    self.now_ms + work.runtime_ms,
                    partial(self._end, task, task.starts),
                )
        self.usage.add(request, len(choices))
        self.queue.placed(request, len(choices), self.now_ms)

    def _end(self, task: _Task, start: int) -> None:
        if task.starts != start or task.choice is None:
            return
        self.useful_ms[task.work] += self.now_ms - task.since_ms
        choice = self._leave(task)
        self.placement.put_back(self.works[task.work].request, (choice,))

    def _leave(self, task: _Task) -> Choice:
        choice = task.choice
        assert choice is not None, f"{task.task_id} runs nowhere"
        task.choice = None
        del self.running[choice.host_id][task.task_id]
        self.usage.add(self.works[task.work].request, -1)
        return choice

    def _preempt(self, host_id: HostId, victim: RunningTask) -> None:
        task = self.running[host_id][victim.task_id]
        request = self.works[task.work].request
        self.lost_ms[task.work] += self.now_ms - task.since_ms
        self.preempted[task.work] += 1
        if not victim.is_opportunistic:
            self.preempted_at.append((self.now_ms, victim.job_id))
        choice = self._leave(task)
        self._at(self.now_ms + ENDING_MS, partial(self._ended, task, request, choice))

    def _ended(self, task: _Task, request: Request, choice: Choice) -> None:
        self.placement.put_back(request, (choice,))
        self._wait(request, (task,))

    def _served(self, number: int) -> Served:
        work, tasks = self.works[number], self.tasks[number]
        waits = [task.wait_ms for task in tasks if task.wait_ms is not None]
        is_all = len(waits) == work.count
        return Served(
            job_id=work.request.job_id,
            tier=work.request.tier,
            group=work.request.group,
            tasks=work.count,
            started=len(waits),
            all_started_at_ms=work.arrive_ms + max(waits, default=0) if is_all else None,
            wait_ms_max=max(waits, default=0),
            rounds_max=max((task.rounds for task in tasks), default=0),
            useful_ms=self.useful_ms[number],
            lost_ms=self.lost_ms[number],
            preempted=self.preempted[number],
        )


def _wake() -> None:
    """Nothing has changed but the time."""
