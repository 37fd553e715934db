"""Shapes of capacity groups, of what is guaranteed and held, and of what that costs."""

from typing import Any

import msgspec

from connectors.web.shapes.base import AtMs, Json, Name, Shape


class Dimension(Shape, frozen=True, omit_defaults=False):
    """An amount, in Titus' words and units."""

    cpu: float
    memory_mb: int = msgspec.field(name="memoryMB")
    disk_mb: int = msgspec.field(name="diskMB", default=0)
    network_mbs: int = 0
    gpu: int = 0


class CapacityGroupBody(Shape, frozen=True):
    """A capacity group: the shape of one container, and how many are guaranteed."""

    app_name: Name
    instance_count: int
    resource_dimension: Dimension
    cell_id: str = ""
    tier: str = "Flex"
    red_black: int = msgspec.field(name="flumina.redBlack", default=0)
    service_size_max: int = msgspec.field(name="flumina.serviceSizeMax", default=0)
    group: Json = msgspec.field(name="flumina.group", default_factory=dict)
    reservation_usage: Json = msgspec.field(default_factory=dict)


class CapacityGroupChange(Shape, frozen=True):
    """The same for the group of the path."""

    instance_count: int
    resource_dimension: Dimension
    app_name: str = ""
    cell_id: str = ""
    tier: str = "Flex"
    red_black: int = msgspec.field(name="flumina.redBlack", default=0)
    service_size_max: int = msgspec.field(name="flumina.serviceSizeMax", default=0)
    group: Json = msgspec.field(name="flumina.group", default_factory=dict)
    reservation_usage: Json = msgspec.field(default_factory=dict)


class CapacityGroup(Shape, frozen=True, omit_defaults=False):
    """A capacity group as it is shown."""

    app_name: str
    cell_id: str
    tier: str
    instance_count: int
    resource_dimension: Dimension
    red_black: int = msgspec.field(name="flumina.redBlack")
    service_size_max: int = msgspec.field(name="flumina.serviceSizeMax")
    group: Json = msgspec.field(name="flumina.group")
    """Its entry in the policy."""
    reservation_usage: Dimension | msgspec.UnsetType = msgspec.UNSET


class Consumption(Shape, frozen=True):
    """What is held by one consumer, and by those it is made of."""

    consumption_name: str
    consumption_type: str
    current_consumption: Dimension
    allowed_consumption: Dimension
    is_above_limit: bool
    contributors: dict[str, Any]
    timestamp: AtMs = 0


class TierCapacity(Shape, frozen=True):
    """What one tier must have, and what its groups hold."""

    tier: str
    groups: list[str]
    guarantee: Dimension
    buffer: Dimension
    buffer_by: dict[str, str]
    """By resource, which of percent, amount and redBlack was the largest."""
    total: Dimension
    held: Dimension


class Capacity(Shape, frozen=True):
    """What every tier must have that has a guarantee to keep."""

    policy_version: int
    tiers: list[TierCapacity]
    left_alone: list[str]
