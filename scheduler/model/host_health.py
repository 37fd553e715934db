"""What the fold remembers of a host's health: verdicts, checks, and what follows from them.

The one thing to know: an entry is there only while something is said against a host, or was said
lately. Everything of it is bounded, and all times are the log's own.
"""

from typing import Final

from scheduler.model.base import Ours
from scheduler.model.health import Evidence, HostStanding, ProbeState
from scheduler.model.ids import TaskId

DETECTORS_MAX: Final = 8
"""Of one host; the one heard longest ago makes room for another."""
EVIDENCE_KEPT_MAX: Final = 8
TASKS: Final = "tasks"
"""The detector inside the fold that looks at how tasks end and start on a host."""
AGENT: Final = "agent"
"""The one that looks at how often Mesos loses the host."""
OWN_DETECTORS: Final = (TASKS, AGENT)


class HeardVerdict(Ours, frozen=True, tag=False):
    """What one detector said last of a host."""

    detector: str
    standing: HostStanding
    score_milli: int
    evidence: tuple[Evidence, ...]
    heard_ms: int
    """When it was said last, by the log's clock."""
    since_ms: int
    """Since when it has said the same."""
    until_ms: int
    """It holds no longer from then on, unless it is said again."""
    observed_at_ms: int = 0
    address: str = ""
    """The record that said it; of the fold's own detectors empty."""


class HeardProbe(Ours, frozen=True, tag=False):
    """Where one active check of a host stands."""

    name: str
    state: ProbeState
    detail: str
    heard_ms: int
    is_failing: bool = False
    """It keeps tasks away: it was bad, and has not been good often enough since."""
    looks: int = 1
    """How often in a row it said this."""
    address: str = ""


class HostHealth(Ours, frozen=True):
    """All that speaks against a host, or did so lately."""

    verdicts: tuple[HeardVerdict, ...] = ()
    """By detector, sorted."""
    probes: tuple[HeardProbe, ...] = ()
    """By name, sorted."""
    away_since_ms: int = 0
    """Since when it gets no tasks for its health; 0: it may have some."""
    is_spared: bool = False
    """It would be kept away, but too many of its group are already."""
    why: str = ""
    """What speaks against it, in words, while it is away or spared."""
    good_since_ms: int = 0
    """Of one that is away: since when nothing speaks against it; 0: something does."""
    falls: int = 0
    """How often it was taken away lately: each doubles the time until it is back."""
    fell_ms: int = 0
    back_ms: int = 0
    """Since when it is back and on trial: it gets few tasks at a time, and one that fails at once
    is enough to be away again; 0: it is not."""
    losses: tuple[int, ...] = ()
    """When Mesos lost it, oldest first, as long as that counts."""
    look_ms: int = 0
    """When it is looked at again; 0: it need not be."""


class SilentTask(Ours, frozen=True):
    """A task of which the heartbeat stays away."""

    since_ms: int
    silent_ms: int
    detail: str = ""


class FailingKind(Ours, frozen=True):
    """Tasks of several jobs that fail in the same way, on several hosts."""

    jobs: tuple[str, ...]
    """Ids, sorted, as many as are kept."""
    hosts: tuple[str, ...]
    buckets: tuple[tuple[int, int], ...]
    """When each tenth of the window began, and how many failed in it."""
    last_ms: int
    last_task_id: TaskId
    is_told: bool = False
    """It was paged and is not over yet."""
