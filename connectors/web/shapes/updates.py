"""Shapes of updates of a job, of what runs by version, and of cron schedules.

The one thing to know: numbers of tasks in a plan are whole numbers or percentages such as ``25%``.
"""

from typing import Literal

import msgspec

from connectors.web.shapes.base import AtMs, Json, Name, Shape

Share = int | str


class Plan(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How an update goes; what is left out has its usual value."""

    strategy: Literal["rolling", "redBlack"] = "rolling"
    batch: Share = "25%"
    max_unavailable: Share = "25%"
    max_surge: Share = 0
    health_wait_sec: int = 30
    batch_deadline_sec: int = 600
    failures_max: int = 3
    failure_window_sec: int = 600
    automatic_rollback: bool = True
    keep_sec: int = 600
    restart: bool = False
    campaign: str = ""


class UpdateBody(Shape, frozen=True):
    """What the job shall be, and how it gets there."""

    job: Json
    plan: Plan | msgspec.UnsetType = msgspec.UNSET


class Update(Shape, frozen=True, omit_defaults=False):
    """One update, as far as it has come."""

    number: int
    state: Literal["running", "switched", "rollingBack", "done", "rolledBack", "ended"]
    paused: bool
    from_version: int
    to_version: int
    batch: int
    batch_since_ms: AtMs
    began_at_ms: AtMs
    switched_at_ms: AtMs
    ended_at_ms: AtMs
    failures: int
    unavailable_indexes: tuple[int, ...]
    actor: str
    why: str
    plan: Plan


class SpecVersion(Shape, frozen=True, omit_defaults=False):
    """What runs of one version of the job's spec."""

    version: int
    image: str
    wanted: bool
    serves: bool
    tasks: int
    started: int
    healthy: int


class Updates(Shape, frozen=True, omit_defaults=False):
    """A job by version, and its updates, the latest first."""

    job_id: Name
    job_version: int
    spec_version: int
    prior_version: int | None
    versions: tuple[SpecVersion, ...]
    updates: tuple[Update, ...]


class CronRun(Shape, frozen=True, omit_defaults=False):
    """A job that a firing started."""

    id: Name
    fired_for_ms: AtMs
    started_at_ms: AtMs
    state: Literal["Accepted", "Finished"]
    reason: str


class CronSchedule(Shape, frozen=True, omit_defaults=False):
    """A cron job: when it fires next, and what it started, the newest first."""

    job_id: Name
    schedule: str
    time_zone: str
    zone_rule: str
    enabled: bool
    next: tuple[AtMs, ...]
    skipped: int
    last_skip: str
    runs: tuple[CronRun, ...]
