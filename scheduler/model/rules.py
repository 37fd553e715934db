"""How a cell places: weights, tiers, capacity groups, guard rails, modes; part of its `Policy`.

The one thing to know: all of this is an event in the log. A round is repeated exactly, years later,
from the rules that stood in the log at that place; a rule of a plug-in names the plug-in's version,
and a replay without that very version refuses.
"""

from typing import Final, Literal

from scheduler.model.base import Ours
from scheduler.model.constraint import Constraint
from scheduler.model.disruption import Window

Mode = Literal["normal", "failover"]
Lifecycle = Literal["Inactive", "Active", "PhasedOut", "Removable"]
"""Of a group of hosts, as in Titus: only Active and PhasedOut ones get tasks, the latter last."""
Weights = tuple[tuple[str, int], ...]
"""Names of fitness functions and their weights, sorted by name; only ratios count."""

FITNESS_MAX: Final = 1_000
"""Every fitness function answers 0 to this; so does their weighted mean. 0 refuses nothing."""
FITNESS_NAMES: Final = (
    "age",
    "agent",
    "cpu",
    "disk",
    "expiry",
    "fgd",
    "gpu",
    "gpuBestFit",
    "gpuFeed",
    "gpuFragments",
    "gpuModels",
    "groupSpread",
    "image",
    "imageSpread",
    "interface",
    "jobSpread",
    "jobType",
    "memory",
    "network",
    "noise",
    "packing",
    "securityGroup",
    "spread",
    "weighted",
)
"""The fitness functions of our own; those of plug-ins have other names."""


class Rule(Ours, frozen=True, tag=False, omit_defaults=False):
    """A value of the rules; defaults are written out, so that the log decides and not the build."""


class Profile(Rule, frozen=True):
    """What makes a host good for a kind of work.

    ``good_enough`` ends the search for a host at this weighted mean (1 to 1,000); None: never.
    ``soft_weight`` is the weight of all soft constraints together beside ``weights``.
    """

    name: str
    weights: Weights
    soft_weight: int = 0
    good_enough: int | None = None


class Amount(Rule, frozen=True):
    """Resources as a guarantee or a limit; None: not counted."""

    cpu_milli: int | None = None
    memory_mib: int | None = None
    disk_mib: int | None = None
    network_mbps: int | None = None
    gpus: int | None = None


class Tier(Rule, frozen=True):
    """A class of urgency; tiers are served in the order in which the rules list them."""

    name: str
    service_profile: str
    batch_profile: str
    may_preempt: tuple[str, ...] = ()
    """Tiers whose tasks may be ended for this one's guaranteed work."""
    buffer_percent: int = 5
    """Capacity beyond what its groups are guaranteed; Titus S19 takes 5 %. The largest of this,
    the next one and the largest declared red-black counts: see `scheduler.capacity`."""
    buffer: Amount = Amount()
    """The same as an amount, for work that nobody announced."""


class CapacityGroup(Rule, frozen=True):
    """Jobs that share a guarantee. ``parent`` makes it a share of another group of its tier."""

    name: str
    tier: str
    guarantee: Amount = Amount()
    limit: Amount = Amount()
    weight: int = 1
    """Its part of what nobody is guaranteed, in ratio to the others."""
    parent: str = ""
    instance: Amount = Amount()
    """What one container of it needs; with ``instances`` it makes the guarantee, as in Titus."""
    instances: int = 0
    red_black: int = 0
    """How many containers its largest red-black deployment starts before it ends the old ones."""
    service_size_max: int = 0
    """Tasks that one service of it may have, instead of the cell's ``service_size_max``; 0: that.
    Titus has such maxima by group, of 2,500 for groups that share much."""


class Guards(Rule, frozen=True):
    """Guard rails: what one host or one job may do to the others. 0: no limit."""

    launching_per_host_max: int = 0
    """Tasks launched and not yet started on one host. Titus allows one; we can allow more."""
    launches_per_host_per_minute: int = 0
    launches_per_job_per_minute: int = 0
    quality_window_ms: int = 300_000
    """Failures on a host count for so long; Titus S19 takes 300 s."""
    quality_least_milli: int = 100
    """A host of lower quality gets no tasks; 0 to 1,000. See `scheduler.fold.guards`."""
    preemptions_per_hour: int = 100
    """Tasks of others ended for guaranteed work, in the whole cell; 0: none ever."""
    preemptions_per_job_per_hour: int = 10
    """The same, of one job; 0: none ever."""
    address_reuse_ms: int = 120_000
    """An address that a task gave back is not given out again for so long, unless none is left."""


class Selector(Rule, frozen=True):
    """An operator's rule on top of what jobs ask for: which hosts whose jobs must or should use."""

    name: str
    strength: Literal["must", "should"]
    constraint: Constraint
    tiers: tuple[str, ...] = ()
    """Which jobs it is for: of these tiers, groups, applications; empty is all."""
    groups: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()
    reason: str = ""


class InstanceGroup(Rule, frozen=True):
    """What operators let a group of hosts be used for; a group without an entry is Active.

    A host's group is what its attribute ``machine_group_attribute`` says.
    """

    name: str
    tier: str = ""
    """Only jobs of this tier get its hosts; empty: all tiers do."""
    lifecycle: Lifecycle = "Active"
    attributes: tuple[tuple[str, str], ...] = ()
    """Operators' own, sorted by name. ``noPlacement`` and ``systemNoPlacement`` keep tasks away,
    ``preferNoPlacement`` makes its hosts the last choice, each where it is ``true`` (Titus)."""


class Plugin(Rule, frozen=True):
    """A constraint or fitness function of others, by its entry point, as it was when set."""

    kind: Literal["fitness", "constraint"]
    name: str
    distribution: str
    version: str


class EvictionRules(Rule, frozen=True):
    """When tasks of the cell may be evicted at all; its numbers are in `Policy`."""

    windows: tuple[Window, ...] = ()
    """None: at any time. Titus' own are weekdays from 8 to 16 in Los Angeles."""
    exempt: tuple[str, ...] = ()
    """Applications, ``*`` standing for anything, whose tasks may be evicted outside of them."""


class PlacementRules(Rule, frozen=True):
    """All rules of placement and queue."""

    mode: Mode = "normal"
    """``failover`` packs everything, as in a cell that takes over another's work."""
    lost_zones: tuple[str, ...] = ()
    """Zones that get no work and count in no balance."""
    zone_attribute: str = "zone"
    machine_type_attribute: str = "itype"
    machine_group_attribute: str = "group"
    taints_attribute: str = "taints"
    """A host's taints, separated by commas; a job must tolerate each of them."""
    gpu_hosts_take_all: bool = True
    """False keeps hosts with devices for jobs that ask for devices, as Titus does."""
    profiles: tuple[Profile, ...] = (
        Profile(
            name="pack",
            weights=(("agent", 400), ("image", 50), ("packing", 500), ("securityGroup", 50)),
            soft_weight=1_000,
        ),
        Profile(
            name="spread",
            weights=(("agent", 400), ("image", 50), ("jobSpread", 400), ("packing", 150)),
            soft_weight=1_000,
        ),
    )
    tiers: tuple[Tier, ...] = (
        Tier(
            name="Critical", service_profile="spread", batch_profile="pack", may_preempt=("Flex",)
        ),
        Tier(name="Flex", service_profile="pack", batch_profile="pack"),
    )
    groups: tuple[CapacityGroup, ...] = (CapacityGroup(name="DEFAULT", tier="Flex"),)
    """A job of a group that is not listed counts as one of ``DEFAULT``."""
    guards: Guards = Guards()
    selectors: tuple[Selector, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    instance_groups: tuple[InstanceGroup, ...] = ()
    lend_ms: int = 0
    """For how long at a time idle guaranteed capacity is lent to opportunistic work: only what will
    be done by then, by its own prediction, may have it. 0: it is lent until the owner comes."""
    aging_ms: int = 600_000
    """Who has waited this long goes before the fair order, and room is kept for it; 0: never."""
    evictions: EvictionRules = EvictionRules()
