"""What a user submits: a batch or service job, in whole numbers and closed types.

The one thing to know: a `JobSpec` has passed `scheduler.model.descriptor`; nothing downstream
checks again whether a size is negative or a name is too long. Words and defaults are those of
Titus' API v3 (S19) unless a docstring says otherwise.
"""

from typing import Final, Literal

from scheduler.model.base import Ours
from scheduler.model.constraint import Constraint
from scheduler.model.resources import Need

RETRY_DELAY_MS_MIN: Final = 1_000
"""Titus waits at least a second before any retry."""
SYSTEM_RETRY_DELAY_MS_MAX: Final = 30_000
"""Titus' system retryer backs off from 1 s to 30 s."""
RETRY_RESET_MS: Final = 300_000
"""A task that ran for five minutes starts its back-off anew."""


class RetryPolicy(Ours, frozen=True):
    """How often a task that failed by its own fault is started again, and how long to wait.

    The n-th wait is ``min(delay_ms * 2**(n-1), delay_ms_max)``; equal bounds mean a fixed delay.
    """

    kind: Literal["immediate", "delayed", "exponentialBackOff"]
    retries: int
    delay_ms: int = 0
    delay_ms_max: int = 0


class Batch(Ours, frozen=True):
    """Runs each of its indexes to success once."""

    size: int
    runtime_limit_ms: int
    is_retried_on_runtime_limit: bool = False


class Service(Ours, frozen=True):
    """Keeps ``desired`` tasks running until it is killed."""

    minimum: int
    desired: int
    maximum: int


class Container(Ours, frozen=True):
    """What one task runs and what it needs."""

    need: Need
    command: tuple[str, ...]
    """Program and arguments: entry point, then command, as Titus joins them."""
    entry_point_words: int = 0
    """How many words of ``command`` came from the entry point."""
    environment: tuple[tuple[str, str], ...] = ()
    image: str = ""
    """Recorded and shown; whether hosts run it is a setting of the connector."""
    image_tag: str = ""
    image_digest: str = ""
    security_groups: tuple[str, ...] = ()
    iam_role: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    hard_constraints: tuple[Constraint, ...] = ()
    soft_constraints: tuple[Constraint, ...] = ()
    kill_grace_ms: int = 10_000
    security_attributes: tuple[tuple[str, str], ...] = ()

    @property
    def full_image(self) -> str:
        """The image as a registry knows it: by digest where there is one, else by tag."""
        if self.image_digest:
            return f"{self.image}@{self.image_digest}"
        return f"{self.image}:{self.image_tag}" if self.image else ""


class JobSpec(Ours, frozen=True):
    """A whole job as it was admitted."""

    owner_email: str
    application_name: str
    container: Container
    kind: Batch | Service
    retry: RetryPolicy
    capacity_group: str = "DEFAULT"
    stack: str = ""
    detail: str = ""
    sequence: str = ""
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def desired(self) -> int:
        """How many tasks the job wants to have."""
        return self.kind.size if isinstance(self.kind, Batch) else self.kind.desired

    @property
    def group_name(self) -> str:
        """The name that must be unique among active jobs when a sequence is given, else empty."""
        if not self.sequence:
            return ""
        return f"{self.application_name}-{self.stack}-{self.detail}-{self.sequence}"
