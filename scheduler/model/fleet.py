"""The fleet: groups of hosts as a cloud keeps them, and what is asked of the cloud.

The one thing to know: bodies of topic ``hosts`` say what somebody saw in the cloud, at a time of
the cloud's; they are data and no clock. What is asked of a cloud is absolute (this many hosts, this
instance, that protection), so that saying it twice is saying it once, and what became of it is
seen in the next observation and never assumed.
"""

from typing import Final, Literal

from scheduler.model.base import Ours
from scheduler.model.network import InstanceNetworkObserved, NetworkEffect
from scheduler.model.warm_pools import WarmPoolEffect, WarmPoolObserved

InstanceState = Literal["pending", "inService", "standby", "terminating", "warm", "other"]
"""Where an instance stands in its group's life, whatever words its cloud has for it."""
NoticeKind = Literal["interruption", "rebalance", "terminating", "launching", "other"]
"""``interruption``: the cloud takes the instance away, at the time that it names. ``rebalance``:
it may do so soon. ``terminating`` and ``launching``: it waits for our word in a lifecycle hook."""

INSTANCES_PER_RECORD_MAX: Final = 500
"""An instance takes about 150 bytes of JSON; 500 of them are far from a record's 512 KiB."""
GROUPS_MAX: Final = 1_000
INSTANCES_MAX: Final = 50_000
"""What one cell remembers of them; AWS gives an account 500 groups unless it asks for more."""


class CloudInstance(Ours, frozen=True, tag=False):
    """One instance of a group, as its cloud tells of it."""

    instance_id: str
    state: InstanceState
    zone: str = ""
    machine_type: str = ""
    is_healthy: bool = True
    """By the cloud's own checks."""
    is_protected: bool = False
    """The cloud itself never takes it to make the group smaller."""
    is_waiting: bool = False
    """A lifecycle hook holds it until we say how to go on."""


class CloudGroupObserved(Ours, frozen=True):
    """A group as its cloud told of it: the whole of it, or what is new since the last time.

    A group of many instances comes in parts, and until as many are known as ``instances_total``
    says, nothing is decided for it.
    """

    group: str
    provider: str
    region: str
    minimum: int
    desired: int
    maximum: int
    instances: tuple[CloudInstance, ...] = ()
    """All of them, or, of a difference, those that are new or changed."""
    observed_at_ms: int = 0
    """By the clock of who asked the cloud."""
    is_difference: bool = False
    is_last: bool = True
    """Of a whole that comes in parts, all of one ``observed_at_ms``: no more of them follow."""
    removed: tuple[str, ...] = ()
    """Of a difference: instances that are not in the group any more."""
    instances_total: int = 0
    zones: tuple[str, ...] = ()
    machine_types: tuple[str, ...] = ()
    suspended: tuple[str, ...] = ()
    """What the cloud does not do for this group at present, in its words (``Launch``)."""
    warm_total: int = 0
    """Instances that stand by, stopped, and start faster than new ones."""


class CloudGroupGone(Ours, frozen=True):
    """A group that was there is not there any more."""

    group: str
    provider: str
    region: str
    observed_at_ms: int = 0


class InstanceNoticed(Ours, frozen=True):
    """The cloud announced something of one instance."""

    group: str
    """Empty where the notice does not name one; the instance is looked for in all groups."""
    instance_id: str
    kind: NoticeKind
    due_ms: int = 0
    """When it happens, by the cloud's clock; 0: it does not say."""
    detail: str = ""
    """Of a lifecycle hook: its name. Else words of the cloud."""
    observed_at_ms: int = 0


FleetReport = (
    CloudGroupObserved
    | CloudGroupGone
    | InstanceNoticed
    | InstanceNetworkObserved
    | WarmPoolObserved
)
"""All that topic ``hosts`` holds, its generation's first record apart."""


class SetDesiredCapacity(Ours, frozen=True):
    """The group shall have so many instances: an absolute number."""

    group: str
    desired: int
    minimum: int | None = None
    """The group's own least size, where that is to change, too."""


class EndInstance(Ours, frozen=True):
    """End one instance: to make its group smaller, or, not ``is_decrement``, to get another."""

    group: str
    instance_id: str
    is_decrement: bool
    why: str = ""


class ProtectInstances(Ours, frozen=True):
    """Have the cloud never take these instances by itself to make the group smaller, or may it."""

    group: str
    instance_ids: tuple[str, ...]
    is_protected: bool


class CompleteHook(Ours, frozen=True):
    """Let an instance go on that waits in a lifecycle hook."""

    group: str
    instance_id: str
    hook: str


class RemoveGroup(Ours, frozen=True):
    """Delete a group that has no instances any more."""

    group: str


GroupEffect = SetDesiredCapacity | EndInstance | ProtectInstances | CompleteHook | RemoveGroup
"""What is asked about a group and who is in it."""

FleetEffect = GroupEffect | NetworkEffect | WarmPoolEffect
"""All that is asked of a cloud; carried out after its `EffectStarted` was read back."""
