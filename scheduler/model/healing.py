"""Healing: runbooks as operators set them, and the orders that they give to runs.

The one thing to know: a runbook names scripts and never commands. Which scripts there are is said
where they run (`connectors/healing`), and a host runs no other.
"""

from typing import Final, Literal

from scheduler.model.base import Ours
from scheduler.model.ids import HostId

StepKind = Literal["diagnose", "judge", "heal", "probe", "drain", "reschedule", "terminate", "page"]
"""``diagnose`` and ``heal`` run a script; ``judge`` looks at what the last one answered; ``probe``
waits for good checks, after which the host is back; ``drain`` moves tasks within their budgets and
with notice, ``reschedule`` without notice; ``terminate`` ends the instance so that its group gets
another; ``page`` tells somebody."""
RunVerb = Literal["start", "approve", "stop", "resume", "release"]
"""``resume`` lets a runbook run again that had stopped because nothing got better; ``release``
forgets what was said against a host, without a run."""

RUNBOOKS_MAX: Final = 50
STEPS_MAX: Final = 20
NAMES_MAX: Final = 32
ARGUMENTS_MAX: Final = 8
OUTPUT_MAX: Final = 2_000
"""Characters of a script's output that are in the log: its end, where errors stand."""
TIMEOUT_MS_MAX: Final = 3_600_000


class HealingStep(Ours, frozen=True, tag=False):
    """One step of a runbook."""

    kind: StepKind
    exits: tuple[int, ...]
    """Exit codes that are good; of ``judge``, those by which it goes on with the next step."""
    name: str = ""
    """By which others go to it; its kind where it has none."""
    script: str = ""
    arguments: tuple[str, ...] = ()
    timeout_ms: int = 60_000
    looks: int = 2
    """Good rounds of checks in a row for which ``probe`` waits."""
    otherwise: str = ""
    """The step to go to where this one did not do; ``end`` ends the run."""


class HealingLimits(Ours, frozen=True, tag=False):
    """How much a runbook may do; what is beyond waits."""

    group_percent: int = 10
    """Of a group's hosts in healing at once; one may always be."""
    at_once: int = 3
    """Runs of it at once in the whole cell."""
    per_hour: int = 10
    failures_max: int = 3
    """So many runs in a row that made nothing better stop it, until an operator's word."""
    again_ms: int = 3_600_000
    """The same host is not healed by it again within this time."""


class Runbook(Ours, frozen=True, tag=False):
    """What is done about hosts that are sick in a certain way."""

    name: str
    steps: tuple[HealingStep, ...]
    detectors: tuple[str, ...] = ()
    """It is for hosts that one of these calls sick ..."""
    probes: tuple[str, ...] = ()
    """... or of which one of these checks fails."""
    groups: tuple[str, ...] = ()
    """Only hosts of these groups; empty: of all."""
    needs_approval: bool = False
    is_dry_run: bool = False
    """Its runs say what they would do, and do nothing."""
    limits: HealingLimits = HealingLimits()


class RunbooksAsked(Ours, frozen=True):
    """An operator sets all runbooks of the cell; runs under way go on by theirs."""

    runbooks: tuple[Runbook, ...]
    actor: str
    why: str


class HealingOrdered(Ours, frozen=True):
    """An operator starts, approves or stops a run, or lets a runbook or a host go on."""

    verb: RunVerb
    actor: str
    why: str
    run_id: str = ""
    """Of ``approve`` and ``stop``."""
    runbook: str = ""
    """Of ``start`` and ``resume``."""
    host_id: HostId | None = None
    """Of ``start`` and ``release``."""
    is_dry_run: bool = False


HealingRequest = RunbooksAsked | HealingOrdered
