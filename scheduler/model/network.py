"""Network interfaces of instances: what a cloud has of them, and what is asked of it.

The one thing to know: effects are absolute, as those of the fleet: this interface at this place,
so many addresses on it, these groups, not these addresses any more. Asked twice is asked once.
"""

from typing import Final

from scheduler.model.base import Ours

INTERFACES_MAX: Final = 32
"""Of an instance; AWS attaches 15, or 60 with several cards."""
ADDRESSES_MAX: Final = 1_000
"""Of an interface, as far as it is told; AWS gives 50."""


class CloudInterface(Ours, frozen=True, tag=False):
    """An interface of an instance that tasks can have addresses on."""

    interface_id: str
    index: int
    """As tasks count a host's interfaces: 0 is the first beside the instance's own."""
    subnet_id: str = ""
    security_groups: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    """Those for tasks, sorted; its own first address is not among them."""


class InstanceNetworkObserved(Ours, frozen=True):
    """The interfaces of one instance, all of them, as its cloud told of them."""

    group: str
    instance_id: str
    interfaces: tuple[CloudInterface, ...] = ()
    observed_at_ms: int = 0


class AttachInterface(Ours, frozen=True):
    """The instance shall have an interface at this place, with so many addresses."""

    group: str
    instance_id: str
    index: int
    subnet_id: str
    security_groups: tuple[str, ...] = ()
    addresses: int = 0


class SetSecurityGroups(Ours, frozen=True):
    """The interface shall have these groups, and no others."""

    group: str
    instance_id: str
    interface_id: str
    security_groups: tuple[str, ...]


class AssignAddresses(Ours, frozen=True):
    """The interface shall have so many addresses for tasks, or more."""

    group: str
    instance_id: str
    interface_id: str
    addresses: int


class ReturnAddresses(Ours, frozen=True):
    """The interface shall have these addresses no more."""

    group: str
    instance_id: str
    interface_id: str
    addresses: tuple[str, ...]


NetworkEffect = AttachInterface | SetSecurityGroups | AssignAddresses | ReturnAddresses
"""What is asked of a cloud's network; carried out as the other effects of the fleet are."""
