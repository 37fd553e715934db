"""A small cell for tests of queue and round: hosts, groups, and tasks that come and go.

The one thing to know: it does what a caller of `place_round` must do, and nothing more: after a
round it tells queue and usage what was placed, and when a task ends it gives its host's room back.
"""

from collections import Counter
from collections.abc import Sequence

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.resources import Need, Resources
from scheduler.model.rules import Amount, CapacityGroup, PlacementRules
from scheduler.placement.engine import Placement
from scheduler.placement.host import HostView
from scheduler.placement.outcome import Choice
from scheduler.placement.request import Request
from scheduler.placement.windows import Window
from scheduler.queue.outcome import Disruption, Promise, RoundLimits, RoundOutcome, RunningTask
from scheduler.queue.usage import Usage
from scheduler.queue.waiting import Queue, Waiting
from scheduler.rounds.placing import place_round

MANY = 1_000


def hosts(count: int, cpu: int = 8, memory_gib: int = 64, name: str = "host") -> list[HostView]:
    """Equal empty hosts."""
    whole = Resources(cpu_milli=1_000 * cpu, memory_mib=1_024 * memory_gib)
    return [HostView(HostId(f"{name}{number}"), whole, whole) for number in range(count)]


def ask(
    job: str,
    cpu: int = 1,
    memory_gib: int = 1,
    *,
    tier: str = "Flex",
    group: str = "DEFAULT",
    gang: str = "",
    lent: bool = False,
    hard: tuple[Constraint, ...] = (),
    runtime_ms: int | None = None,
) -> Request:
    """What one task of the job needs."""
    return Request(
        JobId(job),
        Need(1_000 * cpu, 1_024 * memory_gib),
        hard=hard,
        tier=tier,
        group=group,
        gang=gang,
        is_opportunistic=lent,
        runtime_ms=runtime_ms,
    )


def group(
    name: str,
    tier: str = "Flex",
    *,
    cpu: int | None = None,
    limit: int | None = None,
    weight: int = 1,
    parent: str = "",
) -> CapacityGroup:
    """A group that is guaranteed ``cpu`` and may use ``limit``, both in whole cpus."""
    return CapacityGroup(
        name,
        tier,
        guarantee=Amount(cpu_milli=None if cpu is None else 1_000 * cpu),
        limit=Amount(cpu_milli=None if limit is None else 1_000 * limit),
        weight=weight,
        parent=parent,
    )


def rules(*groups: CapacityGroup, **fields: object) -> PlacementRules:
    """Rules with these groups, and ``DEFAULT`` in tier Flex."""
    named = {"groups": (CapacityGroup("DEFAULT", "Flex"), *groups), **fields}
    return PlacementRules(**named)  # type: ignore[arg-type]


class SmallCell:
    """Hosts, a queue, and what runs where."""

    def __init__(self, views: Sequence[HostView], rules: PlacementRules) -> None:
        self.rules = rules
        self.placement = Placement(rules)
        self.placement.put_hosts(views)
        self.queue = Queue()
        self.usage = Usage()
        self.promises: tuple[Promise, ...] = ()
        self.running: dict[TaskId, tuple[Request, Choice, RunningTask]] = {}
        self.disruptable = MANY
        self.preempted: list[TaskId] = []
        self._serial = 0

    def wait(self, request: Request, count: int, since_ms: int = 0, rate: int = 0) -> None:
        """Let tasks wait; classes stand in the order in which they were first named."""
        before = self.queue.get(request)
        self._serial += 1
        order = (self._serial, 0) if before is None else before.order
        self.queue.set(Waiting(request, count, since_ms, order, rate))

    def round(
        self,
        now_ms: int = 0,
        limits: RoundLimits | None = None,
        windows: Sequence[Window] | None = None,
    ) -> RoundOutcome:
        """One round, carried out at once; preempted tasks go on until `end_preempted`."""
        outcome = place_round(
            self.placement,
            self.queue,
            self.usage,
            self.rules,
            now_ms,
            limits=limits or RoundLimits(),
            disruption=Disruption(self._tasks_on, lambda _: self.disruptable),
            promises=self.promises,
            windows=windows,
        )
        self.promises = outcome.promises
        for placed in outcome.placed:
            for choice in placed.outcome.choices:
                self._run(placed.request, choice, now_ms)
            self.queue.placed(placed.request, len(placed.outcome.choices), now_ms)
        for each in outcome.preemptions:
            self.preempted.extend(victim.task_id for victim in each.victims)
        return outcome

    def end(self, task_id: TaskId) -> None:
        """A task has ended."""
        request, choice, _ = self.running.pop(task_id)
        self.usage.add(request, -1)
        self.placement.put_back(request, (choice,))

    def end_preempted(self) -> None:
        """The tasks that rounds have preempted have ended."""
        for task_id in self.preempted:
            self.end(task_id)
        self.preempted = []

    def tasks_of(self, job: str) -> list[TaskId]:
        """The running tasks of a job, in the order in which they were placed."""
        return [each for each, (request, _, _) in self.running.items() if request.job_id == job]

    def counts(self) -> dict[str, int]:
        """How many tasks of each job run."""
        return dict(Counter(str(request.job_id) for request, _, _ in self.running.values()))

    def _run(self, request: Request, choice: Choice, now_ms: int) -> None:
        self._serial += 1
        task = RunningTask(
            TaskId(f"{request.job_id}-{self._serial}"),
            request.job_id,
            request.group,
            request.tier,
            request.need,
            now_ms,
            request.is_opportunistic,
        )
        self.running[task.task_id] = (request, choice, task)
        self.usage.add(request)

    def _tasks_on(self, host_id: HostId) -> list[RunningTask]:
        return [
            task
            for task_id, (_, choice, task) in self.running.items()
            if choice.host_id == host_id and task_id not in self.preempted
        ]


def held(outcome: RoundOutcome) -> dict[str, str]:
    """The rule that holds each job."""
    return {str(each.request.job_id): each.rule for each in outcome.held}


def refused(outcome: RoundOutcome) -> dict[str, tuple[str, ...]]:
    """The rules under which hosts refused each job."""
    return {
        str(each.request.job_id): tuple(rule.rule for rule in each.outcome.refused)
        for each in outcome.refused
    }
