"""What a job allows to be done to it: its disruption budget, and requests about evictions.

The one thing to know: a budget holds for what *we* end: relocation, an eviction that is asked for,
preemption. A user's kill, a scale-down and a task's own end need no budget. Words and meaning are
those of Titus (S22); percentages are kept in thousandths of a percent.
"""

from typing import Final, Literal

from scheduler.model.base import Ours
from scheduler.model.ids import JobId, TaskId
from scheduler.model.registry_health import REGISTRIES

HOUR_MS: Final = 3_600_000
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HEALTH_PROVIDERS: Final = ("alwaysHealthy", "mesos", *REGISTRIES)
"""``alwaysHealthy``: what has started is healthy. ``mesos``: unless its own health check fails.
``eureka``: where that registry says so, and has said it lately."""


class SelfManaged(Ours, frozen=True):
    """The owner moves tasks himself: he is told, and has so long for it."""

    relocation_time_ms: int


class AvailabilityPercentage(Ours, frozen=True):
    """So much of the job stays healthy, rounded up; one task may always be moved."""

    healthy_percent_milli: int


class UnhealthyTasks(Ours, frozen=True):
    """So many tasks of the job may be unhealthy at once; one at least."""

    unhealthy_max: int


class Relocations(Ours, frozen=True):
    """Each task may be moved so many times in its life, its replacements included."""

    relocations_max: int


BudgetPolicy = SelfManaged | AvailabilityPercentage | UnhealthyTasks | Relocations


class Unlimited(Ours, frozen=True):
    """Any number of tasks within any time."""


class PercentagePerHour(Ours, frozen=True):
    """So much of the job within an hour that slides along; one task at least."""

    percent_milli: int


class PerInterval(Ours, frozen=True):
    """So many tasks within an interval that slides along."""

    interval_ms: int
    evictions_max: int


class PercentagePerInterval(Ours, frozen=True):
    """So much of the job within an interval that slides along; one task at least."""

    interval_ms: int
    percent_milli: int


BudgetRate = Unlimited | PercentagePerHour | PerInterval | PercentagePerInterval


class Hours(Ours, frozen=True):
    """Hours of a day, the last one included to its end: 8 to 16 ends at 16:59:59, as in Titus."""

    first: int
    last: int


class Window(Ours, frozen=True):
    """When something may be done: on these days, in these hours, by the clocks of a time zone."""

    days: tuple[int, ...] = ()
    """0 is Monday; none is every day."""
    hours: tuple[Hours, ...] = ()
    """None is all day."""
    time_zone: str = ""
    """As it was given; empty is UTC."""
    rule: str = ""
    """Of that zone, as it was when this was read (`scheduler.model.time_zones`)."""


class DisruptionBudget(Ours, frozen=True):
    """What a job allows."""

    policy: BudgetPolicy
    rate: BudgetRate = Unlimited()
    windows: tuple[Window, ...] = ()
    """In any of them; none is at any time."""
    health: tuple[str, ...] = ()
    """Who says whether a task is healthy; unhealthy by one is unhealthy. None: ``mesos``."""


class JobBudgetAsked(Ours, frozen=True):
    """A user gives a job another budget; None takes it away, so that the injected one holds."""

    job_id: JobId
    budget: DisruptionBudget | None
    actor: str = ""
    why: str = ""
    if_version: int | None = None


class TaskEvictionAsked(Ours, frozen=True):
    """Somebody asks that a task be ended, if all budgets allow it."""

    task_id: TaskId
    reason: str = ""
    actor: str = ""


DisruptionRequest = JobBudgetAsked | TaskEvictionAsked
"""All of them."""

Limit = Literal[
    "",
    "safe",
    "queue",
    "systemTokens",
    "systemWindow",
    "window",
    "health",
    "rate",
    "relocationLimit",
    "notice",
]
"""What stands in the way of an eviction; empty where nothing does."""


class Eviction(Ours, frozen=True):
    """Evictions of a job that were let through at one instant."""

    at_ms: int
    count: int


class Tokens(Ours, frozen=True):
    """The cell's bucket of evictions as it was when one was taken last."""

    milli: int = 0
    at_ms: int = 0


PlanReason = Literal["taskMarked", "jobMarked", "hostMarked", "hostDraining", "taskAge"]
"""Why a task has to leave its host."""


class RelocationPlan(Ours, frozen=True):
    """A task that has to leave its host: why, and from when on we do it if nobody else has."""

    task_id: TaskId
    job_id: JobId
    reason: PlanReason
    message: str
    decided_at_ms: int
    deadline_ms: int
    is_immediate: bool = False
    """Planned for nobody: the next look carries it out, within all budgets."""
    limit: Limit = ""
    """What was in the way at the last attempt; empty before the first."""
    limit_message: str = ""
    tried_at_ms: int = 0
    attempts: int = 0


class Relocation(Ours, frozen=True):
    """A plan that is over, and how."""

    plan: RelocationPlan
    at_ms: int
    is_done_by_us: bool
    """Whether we evicted the task; else it ended otherwise, or need not move any more."""
    message: str = ""
