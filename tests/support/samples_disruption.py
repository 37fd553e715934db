"""Values of every type about disruption, with every field set; `tests.support.samples` has them.

The one thing to know: what has several kinds stands here with each of them once.
"""

from typing import Final

from scheduler.model import changes
from scheduler.model.address import Source
from scheduler.model.disruption import (
    AvailabilityPercentage,
    DisruptionBudget,
    DisruptionRequest,
    Hours,
    JobBudgetAsked,
    PercentagePerHour,
    PercentagePerInterval,
    PerInterval,
    Relocations,
    SelfManaged,
    TaskEvictionAsked,
    UnhealthyTasks,
    Window,
)
from scheduler.model.ids import Generation, JobId, TaskId
from scheduler.model.rules import EvictionRules

JOB: Final = JobId("titus-12345")
TASK: Final = TaskId("titus-12345-worker-1-5")
SOURCE: Final = Source("jobs", Generation("0b87e1a2"), 0, 17, 16)
WINDOW: Final = Window(
    days=(0, 1, 4),
    hours=(Hours(8, 11), Hours(13, 16)),
    time_zone="America/Los_Angeles",
    rule="PST8PDT,M3.2.0,M11.1.0",
)
BUDGET: Final = DisruptionBudget(
    policy=AvailabilityPercentage(healthy_percent_milli=92_500),
    rate=PercentagePerInterval(interval_ms=600_000, percent_milli=5_000),
    windows=(WINDOW,),
    health=("alwaysHealthy", "mesos"),
)
EVICTION_RULES: Final = EvictionRules(windows=(WINDOW,), exempt=("canary-*",))
REQUESTS: Final[tuple[DisruptionRequest, ...]] = (
    JobBudgetAsked(job_id=JOB, budget=BUDGET, actor="ada", why="peaks", if_version=3),
    JobBudgetAsked(
        job_id=JOB,
        budget=DisruptionBudget(SelfManaged(relocation_time_ms=90_000), PercentagePerHour(20_000)),
    ),
    JobBudgetAsked(
        job_id=JOB,
        budget=DisruptionBudget(
            UnhealthyTasks(unhealthy_max=2), PerInterval(interval_ms=60_000, evictions_max=3)
        ),
    ),
    JobBudgetAsked(job_id=JOB, budget=DisruptionBudget(Relocations(relocations_max=4))),
    JobBudgetAsked(job_id=JOB, budget=None),
    TaskEvictionAsked(task_id=TASK, reason="new kernel", actor="ada"),
)
CHANGES: Final[tuple[changes.Change, ...]] = (
    changes.EvictionDecided(
        job_id=JOB,
        task_id=TASK,
        is_allowed=False,
        limit="health",
        message="3 of 4 tasks of job titus-12345 are healthy, 3 must stay so",
        reason="new kernel",
        actor="ada",
        source=SOURCE,
    ),
    changes.RelocationPlanned(
        job_id=JOB,
        task_id=TASK,
        reason="hostDraining",
        message="host agent-3 is drained (op: new kernel)",
        deadline_ms=1_700_000_060_123,
        is_immediate=True,
    ),
    changes.RelocationEnded(job_id=JOB, task_id=TASK, is_done_by_us=True, message="evicted"),
)
