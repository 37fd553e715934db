"""What the API says of a cell: its standing, its leader, its rules, its findings.

The one thing to know: where a projection has a struct of its own, that is the shape; here is what
handlers put together themselves.
"""

from typing import Annotated, Any, Literal

import msgspec

from connectors.web.shapes.base import AtMs, Json, Shape, Texts
from projections.history import Line


class Standing(Shape, frozen=True):
    """How far this process is to be trusted, and who leads."""

    is_healthy: bool
    cell: str
    generation: str
    leader: str
    epoch: int
    offset: int
    lag_records: int
    leader_silent_ms: int | None
    stale: str
    halt: str
    safe: str


class Status(Standing, frozen=True, kw_only=True):
    """The same as Titus' status."""

    serving_status: Literal["SERVING", "NOT_SERVING"]
    leader_since_ms: AtMs
    """The election of who leads, by the log's clock; 0 where it is not known here."""


class OrphanItem(Shape, frozen=True):
    """A task without history in the log."""

    task_id: str
    host_id: str | None
    hostname: str
    state: str
    first_seen_at_ms: AtMs
    address: str


class Orphans(Shape, frozen=True):
    """All of them."""

    items: tuple[OrphanItem, ...]


class PolicyShown(Shape, frozen=True):
    """The policy in force."""

    version: int
    document: Json


class PolicyWould(msgspec.Struct, frozen=True, rename="camel"):
    """What setting it would change."""

    dry_run: Literal[True]
    version: int
    changes: tuple[Json, ...]


class SelectorConstraint(Shape, frozen=True):
    """Which hosts."""

    kind: str
    attribute: str = ""
    values: tuple[str, ...] = ()


class SelectorFor(Shape, frozen=True):
    """Whose jobs."""

    tiers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()


class _Selector(Shape, frozen=True, kw_only=True):
    strength: Literal["must", "should"]
    constraint: SelectorConstraint
    for_: SelectorFor = msgspec.field(name="for", default=SelectorFor())
    reason: str = ""


class SystemSelector(_Selector, frozen=True, kw_only=True):
    """An operator's rule of placement."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class SystemSelectorBody(_Selector, frozen=True, kw_only=True):
    """The same; its name is in the path."""

    id: str = ""


class SystemSelectors(Shape, frozen=True):
    """All of them."""

    items: tuple[SystemSelector, ...]
    policy_version: int


class Refusal(Shape, frozen=True):
    """What one rule refused."""

    rule: str
    hosts: int
    nearest_host_id: str
    nearest_host: str
    missing: str


class Success(Shape, frozen=True):
    """The host that was chosen, and why."""

    host_id: str
    host: str
    proposal: str
    fitness: int = 0
    parts: dict[str, int] = {}  # noqa: RUF012 - msgspec gives each struct its own
    of_host: str = ""
    runner_up: str = ""
    runner_up_fitness: int = 0
    runner_up_parts: dict[str, int] = {}  # noqa: RUF012 - as above


class SchedulingResult(Shape, frozen=True):
    """What rounds of placement said of a task."""

    task_id: str
    job_id: str
    state: str
    last_round: str = ""
    success: Success | msgspec.UnsetType = msgspec.UNSET
    failures: tuple[Refusal, ...] = ()
    round: str = ""
    round_at_ms: AtMs = 0
    policy_version: int = 0
    mode: str = ""
    hosts: int = 0
    first_refused_by: str = ""
    waiting: int = 0
    numbers_of: str = ""
    wake: str = ""
    message: str = ""


class CommandBody(msgspec.Struct, frozen=True):
    """An operator's order."""

    why: str


class PolicyNumbersBody(CommandBody, frozen=True):
    """Numbers of the policy to set."""

    values: dict[str, int]


class RulesBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Switches of placement to turn."""

    why: str
    mode: Literal["normal", "failover"] | msgspec.UnsetType = msgspec.UNSET
    lose_zones: tuple[str, ...] = ()
    regain_zones: tuple[str, ...] = ()
    set_selectors: dict[str, Any] = {}
    remove_selectors: tuple[str, ...] = ()
    set_groups: dict[str, Any] = {}
    remove_groups: tuple[str, ...] = ()
    set_instance_groups: dict[str, Any] = {}
    remove_instance_groups: tuple[str, ...] = ()
    if_version: int | msgspec.UnsetType = msgspec.UNSET


class HostBody(msgspec.Struct, frozen=True, rename="camel"):
    """What a host may be used for."""

    host_id: str
    standing: Literal["enabled", "lastChoice", "draining", "disabled"]
    why: str


class SkipBody(msgspec.Struct, frozen=True):
    """A record to pass."""

    offset: Annotated[int, msgspec.Meta(ge=0)]
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    why: str


class OrphanBody(msgspec.Struct, frozen=True, rename="camel"):
    """An orphan that was dealt with."""

    task_id: str
    why: str
    host_id: str = ""


class ConfirmBody(msgspec.Struct, frozen=True):
    """A finding that is so."""

    finding: Annotated[int, msgspec.Meta(ge=0)]
    tasks: Annotated[int, msgspec.Meta(ge=0)]
    why: str


class RejectBody(msgspec.Struct, frozen=True):
    """A finding that is wrong."""

    finding: Annotated[int, msgspec.Meta(ge=0)]
    why: str


class MasterInstance(Shape, frozen=True):
    """A process that leads the cell, or has led it."""

    instance_id: str
    instance_group_id: str
    status: "MasterStatus"
    labels: Texts


class MasterStatus(Shape, frozen=True):
    """Titus' word for its state, and since when."""

    state: Literal["Starting", "Inactive", "NonLeader", "LeaderActivating", "LeaderActivated"]
    timestamp: AtMs
    reason_message: str


class MasterInstances(Shape, frozen=True):
    """All that the log knows."""

    items: tuple[MasterInstance, ...]


class Member(Shape, frozen=True):
    """A member of the cell."""

    member_id: str
    enabled: bool
    active: bool
    leadership_state: Literal["NonLeader", "LeaderActivating", "Leader"]
    registered_at_ms: AtMs
    labels: Texts


class LabelsBody(Shape, frozen=True):
    """Labels to write on a member."""

    labels: Texts
    member_id: str | msgspec.UnsetType = msgspec.UNSET


class Members(Shape, frozen=True):
    """All that the log knows."""

    items: tuple[Member, ...]


class LeaderV2(Shape, frozen=True):
    """Who leads."""

    hostname: str
    cell: str
    epoch: int


class Timeline(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One page of what happened to a job, task or host, oldest first."""

    kind: str
    id: str
    lines: tuple[Line, ...]
    total: int
    next_skip: int = 0
    lacking: str = ""
