"""Shapes of the fleet: groups of hosts, what would be done, deployments."""

from typing import Literal

from connectors.web.shapes.base import AtMs, Json, Name, Shape


class WarmPool(Shape, frozen=True, omit_defaults=False):
    """A group's warm pool: as it shall be, and as its cloud has it."""

    is_steered: bool
    """An operator has asked for it, or for none; else it is only shown."""
    asked: Json | None
    seen: Json | None
    wanted: int
    """Instances that stand by when it is filled, beside the group as it is."""
    is_going: bool
    fault: str


class Group(Shape, frozen=True, omit_defaults=False):
    """A group of hosts, as its cloud tells of it and as the cell counts it."""

    name: str
    provider: str
    region: str
    tier: str
    lifecycle: str
    is_scaled: bool
    is_gone: bool
    min: int
    desired: int
    max: int
    ordered: int | None
    """A size that was asked for and is not seen yet."""
    instances: int
    starting: int
    busy: int
    idle: int
    ending: int
    late: int
    """Instances that should be hosts by now."""
    warm: int
    """Instances that stand by."""
    warm_pool: WarmPool
    zones: list[str]
    machine_types: list[str]
    suspended: list[str]
    heard_at_ms: AtMs
    observed_at_ms: AtMs
    held: str
    fault: str
    failures: int


class Groups(Shape, frozen=True, omit_defaults=False):
    """All of them, by name."""

    items: list[Group]


class Instance(Shape, frozen=True, omit_defaults=False):
    """An instance, and the host that it is."""

    id: str
    state: str
    zone: str
    machine_type: str
    is_healthy: bool
    is_protected: bool
    host_id: str
    hostname: str
    tasks: int
    mark: str
    marked_at_ms: AtMs
    due_ms: AtMs
    seen_at_ms: AtMs
    joined_at_ms: AtMs


class Activity(Shape, frozen=True, omit_defaults=False):
    """Something that was asked of the cloud, or happened there."""

    at_ms: AtMs
    what: str
    why: str


class GroupShown(Group, frozen=True, omit_defaults=False):
    """A group with its instances, and what happened last, the newest first."""

    items: list[Instance]
    activities: list[Activity]


class GroupPlan(Shape, frozen=True, omit_defaults=False):
    """What a look would do with a group now."""

    name: str
    size: int
    target: int
    wanted: int
    floor: int
    floor_by: str
    waiting_need: int
    covered: int
    idle: int
    starting: int
    busy: int
    gives_back: list[str]
    why: str
    held: str


class Uncured(Shape, frozen=True, omit_defaults=False):
    """Waiting tasks for which no host is asked."""

    job_id: str
    tasks: int
    why: str


class Shortage(Shape, frozen=True, omit_defaults=False):
    """What a tier is guaranteed beyond what its groups may ever hold."""

    tier: str
    amount: list[int]
    """Thousandths of cpus, MiB of memory and disk, Mbit/s, devices."""


class Order(Shape, frozen=True, omit_defaults=False):
    """Something to be asked of a cloud."""

    id: str
    what: str
    group: str
    why: str
    decided_at_ms: AtMs
    is_started: bool


class Plan(Shape, frozen=True, omit_defaults=False):
    """What a look would do now."""

    is_paused: bool
    is_safe: bool
    groups: list[GroupPlan]
    uncured: list[Uncured]
    uncured_tasks: int
    shortages: list[Shortage]
    orders: list[Order]


class Rules(Shape, frozen=True, omit_defaults=False):
    """The rules in force."""

    version: int
    rules: Json


class SizeBody(Shape, frozen=True):
    """A size, now."""

    desired: int
    why: Name


class PoolRule(Shape, frozen=True):
    """A warm pool, as PutWarmPool has it."""

    min_size: int = 0
    max_prepared: int | None = None
    """Group and pool together; left out: as many as the group may have."""
    state: Literal["stopped", "running", "hibernated"] = "stopped"
    reuse_on_scale_in: bool = False


class PoolBody(Shape, frozen=True):
    """A warm pool, or that there shall be none: exactly one of the two."""

    why: Name
    pool: PoolRule | None = None
    remove: bool = False


class DeploymentBody(Shape, frozen=True):
    """A new group in the place of an old one."""

    new: Name
    old: Name
    why: Name
    size: int = 0
    hosts_at_once: int = 0
    bake_ms: int = 600_000
    timeout_ms: int = 3_600_000
    keep_group: bool = False


class OrderBody(Shape, frozen=True):
    """Why."""

    why: Name


class Deployment(Shape, frozen=True, omit_defaults=False):
    """How far a deployment is."""

    name: str
    new: str
    old: str
    step: str
    is_paused: bool
    why: str
    size: int
    new_hosts: int
    new_tasks: int
    old_hosts: int
    old_tasks: int
    began_at_ms: AtMs
    since_ms: AtMs
    actor: str
    reason: str


class Deployments(Shape, frozen=True, omit_defaults=False):
    """Those under way and the last that ended."""

    items: list[Deployment]


class DeploymentShown(Deployment, frozen=True, omit_defaults=False):
    """A deployment with what happened."""

    history: list[Activity]


class MaintenanceWindow(Shape, frozen=True, omit_defaults=False):
    """A window in which an operator of Mesos takes a host away, and what is done about it."""

    host_id: str
    hostname: str
    from_ms: AtMs
    for_ms: int | None
    """None: for good."""
    since_ms: AtMs
    draining_since_ms: AtMs
    """0: it is too early."""
    standing: str
    ordered_by: str
    tasks: int
    planned: int
    """Of its tasks, those that are planned to leave."""
    is_asked: bool
    """Mesos has asked, and is not answered yet."""
    wanted: str
    """What it will be answered: `accept`, `decline`, or nothing while that is not known."""
    answer: str
    """What it was told last."""
    why: str
    is_doubted: bool
    """Mesos has taken its question back, or not asked it again on a new stream; soon over."""


class Maintenance(Shape, frozen=True, omit_defaults=False):
    """All windows that are known, the one that begins first first."""

    items: list[MaintenanceWindow]
