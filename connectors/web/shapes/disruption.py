"""Shapes of budgets, eviction quotas, relocation plans, and hosts that are emptied."""

from typing import Annotated, Literal

import msgspec

from connectors.web.shapes.base import AtMs, Json, Shape
from connectors.web.shapes.descriptor import Open
from scheduler.model.v3 import disruption as limits

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
IntervalMs = Annotated[int, msgspec.Meta(ge=1_000, le=limits.INTERVAL_MS_MAX)]


class DisruptionBudgetBody(Open, frozen=True):
    """One policy, at most one rate; ``{}`` takes the job's own budget away."""

    self_managed: Json | msgspec.UnsetType = msgspec.UNSET
    availability_percentage_limit: Json | msgspec.UnsetType = msgspec.UNSET
    unhealthy_tasks_limit: Json | msgspec.UnsetType = msgspec.UNSET
    relocation_limit: Json | msgspec.UnsetType = msgspec.UNSET
    rate_unlimited: Json | msgspec.UnsetType = msgspec.UNSET
    rate_percentage_per_hour: Json | msgspec.UnsetType = msgspec.UNSET
    rate_per_interval: Json | msgspec.UnsetType = msgspec.UNSET
    rate_percentage_per_interval: Json | msgspec.UnsetType = msgspec.UNSET
    time_windows: tuple[Json, ...] | msgspec.UnsetType = msgspec.UNSET
    container_health_providers: tuple[Json, ...] | msgspec.UnsetType = msgspec.UNSET


class EvictionQuota(Shape, frozen=True):
    """How many tasks may be evicted now; where none may, why."""

    target: Json
    quota: int
    message: str
    limit: str = msgspec.field(name="flumina.limit", default="")


class Eviction(Shape, frozen=True):
    """Whether the task is being ended."""

    allowed: bool
    reason_code: Literal["normal", "aboveSystemDisruptionBudget", "jobRelocationPolicyViolation"]
    reason_message: str
    limit: str = msgspec.field(name="flumina.limit", default="")


class Plan(Shape, frozen=True):
    """A task that has to leave its host, and from when on we evict it."""

    task_id: str
    reason_code: str
    reason_message: str
    decision_time: AtMs
    relocation_time: AtMs
    job_id: str = msgspec.field(name="flumina.jobId")
    is_immediate: bool = msgspec.field(name="flumina.immediate")
    attempts: int = msgspec.field(name="flumina.attempts")
    host_id: str = msgspec.field(name="flumina.hostId", default="")
    hostname: str = msgspec.field(name="flumina.hostname", default="")
    limit: str = msgspec.field(name="flumina.limit", default="")
    limit_message: str = msgspec.field(name="flumina.limitMessage", default="")


class Plans(Shape, frozen=True):
    """Plans, the earliest deadline first."""

    plans: tuple[Plan, ...]
    total: int = msgspec.field(name="flumina.total")


class Attempt(Shape, frozen=True):
    """One attempt to evict a planned task."""

    state: Literal["Success", "Failure"]
    reason_code: Literal["normal", "noDisruptionBudget"]
    reason_message: str
    timestamp: AtMs


class Execution(Shape, frozen=True):
    """What was tried with a task."""

    task_relocation_plan: Plan
    relocation_attempts: tuple[Attempt, ...]
    ended_at: AtMs = msgspec.field(name="flumina.endedAt", default=0)
    end: str = msgspec.field(name="flumina.end", default="")


class Executions(Shape, frozen=True):
    """What was tried, newest first."""

    results: tuple[Execution, ...]
    total: int = msgspec.field(name="flumina.total")


class Drain(Shape, frozen=True):
    """A host that is emptied."""

    host_id: str
    hostname: str
    since: AtMs
    why: str
    tasks: int
    planned: int
    ending: int
    not_allowed: int
    """Tasks that run and may not be relocated."""
    waiting: dict[str, int]
    """How many tasks wait for what: their owner's notice, the next turn, a budget."""
    next_deadline: AtMs
    examples: tuple[str, ...]
    is_empty: bool


class Drains(Shape, frozen=True):
    """Hosts that are drained or marked."""

    hosts: tuple[Drain, ...]
