"""Runs of runbooks, as the fold remembers them.

The one thing to know: a run carries the runbook as it was when the run began. Whoever changes
runbooks changes what begins from then on, and a replay shows each run as it was.
"""

from typing import Final, Literal

from scheduler.model.base import Ours
from scheduler.model.healing import Runbook, StepKind
from scheduler.model.ids import HostId

RUNS_KEPT_MAX: Final = 200
RECORDS_MAX: Final = 40
"""Steps of one run: loops in a runbook end there."""

RunState = Literal[
    "waiting", "running", "healed", "replaced", "notNeeded", "dryRun", "paged", "stopped", "failed"
]
"""``waiting``: for approval. The last seven are ends; the first of them alone is a good one where
the host went on, the second where another took its place."""
StepOutcome = Literal["done", "failed", "timedOut", "unknown", "would", "jumped"]
LIVE: Final = frozenset(("waiting", "running"))
GOOD_ENDS: Final = frozenset(("healed", "replaced", "notNeeded", "dryRun"))


class StepRecord(Ours, frozen=True, tag=False):
    """A step that was taken, and what came of it."""

    name: str
    kind: StepKind
    began_ms: int
    ended_ms: int
    outcome: StepOutcome
    detail: str = ""
    exit_code: int | None = None
    output: str = ""


class HealingRun(Ours, frozen=True):
    """A runbook that is carried out on a host, or was."""

    run_id: str
    host_id: HostId
    runbook: Runbook
    state: RunState
    cause: str
    """What spoke against the host when it began."""
    began_ms: int
    step: int = 0
    step_since_ms: int = 0
    records: tuple[StepRecord, ...] = ()
    order_id: str = ""
    """Of the script that is to be run or is being run; empty: none is."""
    is_order_started: bool = False
    good_looks: int = 0
    """Good rounds of checks in a row since the step began."""
    ended_ms: int = 0
    why: str = ""
    """Why it ended so, or what it waits for."""
    actor: str = ""
    """Who started or approved or stopped it; empty: nobody had to."""


class RunbookStanding(Ours, frozen=True):
    """How a runbook has done lately."""

    begun_ms: tuple[int, ...] = ()
    """When its runs of the last hour began."""
    failures: int = 0
    """Runs in a row that made nothing better."""
    stopped_why: str = ""
    """Why it runs no more until an operator's word; empty: it does."""
