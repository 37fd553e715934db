"""Shapes of the health of hosts and of healing."""

from connectors.web.shapes.base import AtMs, Json, Shape


class Piece(Shape, frozen=True, omit_defaults=False):
    """One thing that speaks for a verdict."""

    kind: str
    text: str
    source: str
    count: int


class Verdict(Shape, frozen=True, omit_defaults=False):
    """What one detector said last."""

    detector: str
    standing: str
    score_milli: int
    since_ms: AtMs
    heard_ms: AtMs
    until_ms: AtMs
    observed_at_ms: AtMs
    address: str
    evidence: list[Piece]


class Probed(Shape, frozen=True, omit_defaults=False):
    """Where one active check stands."""

    name: str
    state: str
    is_failing: bool
    detail: str
    heard_ms: AtMs
    looks: int
    address: str


class HostHealth(Shape, frozen=True, omit_defaults=False):
    """A host, and what speaks against it."""

    host_id: str
    hostname: str
    group: str
    standing: str
    """well, suspect, away, spared or trial."""
    why: str
    away_since_ms: AtMs
    good_since_ms: AtMs
    back_ms: AtMs
    falls: int
    look_ms: AtMs
    launching_max: int
    quality_milli: int
    tasks: int
    losses: list[AtMs]
    is_lost: bool
    """Mesos lost it lately, it offers nothing, and no task there was heard since."""
    verdicts: list[Verdict]
    probes: list[Probed]


class SilentTask(Shape, frozen=True, omit_defaults=False):
    """A task of which the heartbeat stays away."""

    task_id: str
    since_ms: AtMs
    silent_ms: int
    detail: str


class FailingKind(Shape, frozen=True, omit_defaults=False):
    """A way in which tasks of several jobs fail."""

    name: str
    jobs: list[str]
    hosts: list[str]
    failures: int
    last_ms: AtMs
    is_paged: bool


class Health(Shape, frozen=True, omit_defaults=False):
    """What is not simply well."""

    hosts: list[HostHealth]
    hosts_total: int
    away_total: int
    silent_tasks: list[SilentTask]
    failing_kinds: list[FailingKind]


class ReleaseBody(Shape, frozen=True):
    """Why the host is well."""

    why: str


class Step(Shape, frozen=True, omit_defaults=False):
    """A step that was taken."""

    name: str
    kind: str
    outcome: str
    detail: str
    exit_code: int | None
    output: str
    began_ms: AtMs
    ended_ms: AtMs


class Run(Shape, frozen=True, omit_defaults=False):
    """A run of a runbook."""

    run_id: str
    host_id: str
    hostname: str
    runbook: str
    state: str
    cause: str
    why: str
    actor: str
    is_dry_run: bool
    began_ms: AtMs
    ended_ms: AtMs
    step: str
    step_since_ms: AtMs


class RunShown(Run, frozen=True, omit_defaults=False):
    """A run with every step that it took."""

    steps: list[Step]


class Runs(Shape, frozen=True, omit_defaults=False):
    """All that are remembered, the newest first."""

    items: list[Run]


class Runbooks(Shape, frozen=True, omit_defaults=False):
    """All runbooks, as their documents have them, with how each does."""

    items: list[Json]


class RunbooksBody(Shape, frozen=True):
    """All runbooks of the cell; an empty list removes them."""

    runbooks: list[Json]
    why: str


class StartBody(Shape, frozen=True):
    """A run that an operator starts."""

    runbook: str
    host_id: str
    why: str
    dry_run: bool = False


class OrderBody(Shape, frozen=True):
    """Why it is ordered."""

    why: str
