"""Hosts and groups of hosts as Titus' API v3 (S19) shows its agents.

The one thing to know: how large a group may be is the cloud's word, and not in the log yet; what is
here is what hosts have told and what operators have ordered.
"""

from typing import Annotated, Literal

import msgspec

from connectors.web.shapes.base import AtMs, Shape, Texts

LifecycleState = Literal["Inactive", "Active", "PhasedOut", "Removable"]
InstanceState = Literal["Started", "Unknown"]


class LifecycleStatus(Shape, frozen=True):
    """What operators let the group be used for."""

    state: LifecycleState
    description: str


class InstanceGroup(Shape, frozen=True):
    """A group of hosts, made from the attribute that names it."""

    id: str
    instance_type: str
    tier: str
    """Empty: jobs of all tiers get its hosts."""
    current: int
    """Hosts of it that the cell knows."""
    lifecycle_status: LifecycleStatus
    attributes: Texts
    policy_version: int


class InstanceGroups(Shape, frozen=True):
    """All of them."""

    items: tuple[InstanceGroup, ...]
    policy_version: int


class InstanceLifecycle(Shape, frozen=True):
    """Started: it offers something or has tasks; Unknown: it was heard of, and is silent."""

    state: InstanceState
    launch_timestamp: AtMs
    """When it first offered something."""


class Instance(Shape, frozen=True):
    """A host."""

    id: str
    instance_group_id: str
    hostname: str
    ip_address: str
    lifecycle_status: InstanceLifecycle
    attributes: Texts
    """Operators' own."""
    host_attributes: Texts
    """What its agent says."""
    standing: str
    quality_milli: int
    tasks: int


class Instances(Shape, frozen=True):
    """All of them."""

    items: tuple[Instance, ...]


class TierBody(Shape, frozen=True):
    """Whose jobs get the group's hosts; empty: all tiers'."""

    tier: str
    instance_group_id: str = ""


class LifecycleBody(Shape, frozen=True):
    """What the group is used for."""

    lifecycle_state: LifecycleState
    instance_group_id: str = ""
    detail: str = ""


class GroupAttributesBody(Shape, frozen=True):
    """Attributes to set; the others stay."""

    attributes: Annotated[Texts, msgspec.Meta(min_length=1)]
    instance_group_id: str = ""


class InstanceAttributesBody(Shape, frozen=True):
    """Attributes to set; the others stay."""

    attributes: Annotated[Texts, msgspec.Meta(min_length=1)]
    agent_instance_id: str = ""
