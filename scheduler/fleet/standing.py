"""How the fleet stands: groups, instances, orders and deployments, as the fold remembers them.

The one thing to know: what a cloud said is data, taken over as it came; what is decided by it uses
the log's own clock, by which it was heard. Nothing here is without a bound.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from scheduler.model.base import Ours
from scheduler.model.fleet import FleetEffect, InstanceState
from scheduler.model.fleet_rules import DeploymentAsked, FleetRules
from scheduler.model.ids import HostId, ProposalId
from scheduler.model.network import CloudInterface
from scheduler.model.warm_pools import WarmPoolRule

ACTIVITIES_MAX: Final = 20
"""Of a group, for operators; the log has them all."""
DEPLOYMENTS_MAX: Final = 50
"""Those under way and the last that ended."""

Mark = Literal["", "warm", "ending", "interruption", "rebalance", "terminating", "deployment"]
"""Why we keep tasks away from an instance's host, or have them leave it."""
Step = Literal[
    "growing",
    "moving",
    "baking",
    "removing",
    "done",
    "goingBack",
    "wentBack",
]


class Activity(Ours, frozen=True, tag=False):
    """Something that was asked of a cloud, or that went wrong with it."""

    at_ms: int
    what: str
    why: str


class Changed(Ours, frozen=True, tag=False, array_like=True):
    """By how many hosts a group was changed, and when: for what is absurd."""

    at_ms: int
    hosts: int


class CloudGroup(Ours, frozen=True):
    """A group as it was heard of last, and what was done with it."""

    name: str
    provider: str
    region: str
    minimum: int
    desired: int
    maximum: int
    instances_total: int
    zones: tuple[str, ...] = ()
    machine_types: tuple[str, ...] = ()
    suspended: tuple[str, ...] = ()
    warm_total: int = 0
    observed_at_ms: int = 0
    """By the observer's clock."""
    heard_at_ms: int = 0
    """By the log's."""
    is_gone: bool = False
    """It was deleted, by us or by hand."""
    ordered: int | None = None
    """The size that was ordered and is in no observation yet."""
    ordered_at_ms: int = 0
    up_at_ms: int = 0
    down_at_ms: int = 0
    """When it was made larger, and smaller, last."""
    ups: tuple[Changed, ...] = ()
    """Growths within the window."""
    downs: tuple[Changed, ...] = ()
    replaced: tuple[int, ...] = ()
    """When instances that never joined were replaced, within the last hour."""
    failures: int = 0
    """Orders in a row that the cloud did not carry out."""
    retry_at_ms: int = 0
    fault: str = ""
    held: str = ""
    """Why the last look did less than it wanted; empty where it did all."""
    activities: tuple[Activity, ...] = ()

    @property
    def size(self) -> int:
        """How many instances it has or will have, as far as is known."""
        return self.desired if self.ordered is None else self.ordered


class Instance(Ours, frozen=True):
    """An instance of a group, and the host that it is, once it is one."""

    instance_id: str
    group: str
    state: InstanceState
    zone: str = ""
    machine_type: str = ""
    is_healthy: bool = True
    is_protected: bool = False
    is_waiting: bool = False
    observed_at_ms: int = 0
    """Of the report that named it last, by the observer's clock."""
    seen_at_ms: int = 0
    """When it was heard of first, by the log's clock."""
    host_id: HostId | None = None
    joined_at_ms: int = 0
    mark: Mark = ""
    marked_at_ms: int = 0
    due_ms: int = 0
    """When the cloud takes it away, by the cloud's clock, where it said so."""
    hook: str = ""
    """The lifecycle hook in which it waits for our word."""
    protected_by_us: bool = False
    ended_at_ms: int = 0
    """When its end was ordered last; 0: it was not."""
    left_pool_at_ms: int = 0
    """When it left its group's warm pool last; 0: it never stood in one."""


class WarmPool(Ours, frozen=True):
    """A group's warm pool: how an operator wants it, how it was seen, and what went wrong."""

    group: str
    is_asked: bool = False
    """An operator has said how it shall be; else it is only shown."""
    asked: WarmPoolRule | None = None
    seen: WarmPoolRule | None = None
    is_going: bool = False
    heard_at_ms: int = 0
    """By the log's clock; 0: nobody has told of it yet, and nothing is asked."""
    done_at_ms: int = 0
    """When something was done that was not seen yet; 0: all is seen."""
    failures: int = 0
    retry_at_ms: int = 0
    fault: str = ""


class InstanceNetwork(Ours, frozen=True):
    """The interfaces of an instance, and what was last asked for them."""

    instance_id: str
    interfaces: tuple[CloudInterface, ...] = ()
    heard_at_ms: int = 0
    idle_since_ms: tuple[tuple[int, int], ...] = ()
    """Since when an interface has a batch of addresses more than it needs, by its index."""
    done_at_ms: int = 0
    """When something was done that was not seen yet; 0: all is seen."""
    failures: int = 0
    retry_at_ms: int = 0
    fault: str = ""


class FleetOrder(Ours, frozen=True):
    """Something to ask of a cloud, decided and not over; ``is_started``: it may be under way."""

    order_id: ProposalId
    effect: FleetEffect
    decided_at_ms: int
    why: str = ""
    is_started: bool = False


class Deployment(Ours, frozen=True):
    """A new group that takes the place of an old one, and how far that is."""

    name: str
    asked: DeploymentAsked
    step: Step
    since_ms: int
    """When this step began; a time of pause does not count."""
    began_at_ms: int
    size: int
    """How many hosts the new group is to have before anything moves."""
    old_size: int
    is_paused: bool = False
    paused_at_ms: int = 0
    why: str = ""
    """What it waits for, or why it is paused."""
    history: tuple[Activity, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens."""
        return self.step in {"done", "wentBack"}


@dataclass(slots=True)
class Fleet:
    """What is of the whole fleet: rules, rate limits, and when it was looked at last."""

    rules: FleetRules = field(default_factory=FleetRules)
    rules_version: int = 0
    looked_at_ms: int = 0
    up_tokens_milli: int = 0
    down_tokens_milli: int = 0
    tokens_at_ms: int = 0
