"""How a cell scales its fleet, and what operators ask of it: the rules, sizes and deployments.

The one thing to know: without a group in the rules nothing is ever asked of a cloud. The rules are
one value in the log, set whole and with a version of their own; what a group may be used for
(tier, `Active`, `PhasedOut`) stays among the rules of placement, where it was.
"""

from typing import Final, Literal

from scheduler.model.base import Ours
from scheduler.model.rules import Amount, Rule
from scheduler.model.warm_pools import WarmPoolAsked

FLEET_GROUPS_MAX: Final = 200
"""More groups than this a cell does not scale; AWS gives an account 500 unless it asks."""


class GroupRule(Rule, frozen=True):
    """A group that the cell scales: what one host of it is good for, and how much stands idle."""

    name: str
    """As the cloud names it, and as its hosts' agents do (``machine_group_attribute``)."""
    shape: Amount
    """What one host has for tasks. Declared, so that a group of no hosts can be sized, too."""
    price_micro: int = 0
    """What a host costs an hour, in millionths of any currency; only ratios count."""
    attributes: tuple[tuple[str, str], ...] = ()
    """What its hosts' agents will say beside group, type and zone; for jobs with constraints."""
    idle_min: int = 0
    """Titus: 0 for its Critical tier, 5 for Flex."""
    idle_max: int = 5
    """Titus: 5 for Critical, 10 for Flex."""
    size_min: int = 0
    size_max: int = 0
    """0: what the cloud says. The cloud's own bounds hold as well."""
    is_protecting: bool = True
    """Instances with tasks are kept from the cloud's own scale-in."""
    is_paused: bool = False
    """Nothing is asked for this group; it is still shown what would be."""


class NetworkRules(Rule, frozen=True):
    """How instances get interfaces and addresses for tasks."""

    subnets: tuple[tuple[str, str], ...] = ()
    """Zone and subnet, sorted by zone."""
    batch: int = 4
    """So many addresses are asked for at a time, the first ones with the interface."""
    idle_ms: int = 600_000
    """Addresses beyond a batch go back after standing idle so long; Titus' agents wait minutes."""
    look_ms: int = 10_000
    is_paused: bool = False
    """Nothing is asked of the cloud's network."""


class FleetRules(Rule, frozen=True):
    """Which groups the cell scales, and how fast. Times in milliseconds of the log's clock."""

    groups: tuple[GroupRule, ...] = ()
    instance_attribute: str = "instance-id"
    """By this attribute of a host's agent it is known which instance it is."""
    look_ms: int = 30_000
    """Titus looks every 30 s."""
    warm_up_ms: int = 300_000
    """After an election nothing is scaled for so long: first everything is heard of. Titus' 300."""
    up_cooldown_ms: int = 120_000
    """Between two growths for idle hosts. Titus waits 600 s, for it does not count what is under
    way; here that counts. Fenzo's first growth waits 120 s at most."""
    down_cooldown_ms: int = 600_000
    """After any change of the group; Titus' 600 s."""
    slo_ms: int = 300_000
    """Who has waited so long is not kept waiting by a cool-down; Titus' 300 s."""
    grace_ms: int = 900_000
    """A host joined so lately is not given back; Titus' 900 s."""
    end_after_ms: int = 120_000
    """A marked host is ended so long after its mark, if it is still empty; Titus' 120 s."""
    mark_expiry_ms: int = 600_000
    """A mark that came to nothing is taken away; Titus' 600 s."""
    join_timeout_ms: int = 900_000
    """An instance that is no host after so long is replaced."""
    replacements_per_hour: int = 5
    """Of a group; with more its image or network is at fault, and new ones would be as bad."""
    silence_ms: int = 300_000
    """A group that nobody spoke of for so long is left alone: no news is not good news."""
    tokens_max: int = 50
    """Hosts started, and hosts ended, at once; Titus' buckets hold 50 ..."""
    tokens_per_min: int = 120
    """... and take 2 a second."""
    change_window_ms: int = 600_000
    change_percent_max: int = 100
    """In a window a group grows by this part of itself at most, or by the next number. A target
    beyond that is taken for absurd: the rest waits, and an operator is paged."""
    change_hosts_min: int = 50
    assert_ms: int = 120_000
    """An order that no observation has shown for so long is decided anew, from what is seen."""
    forecast_horizon_ms: int = 0
    """How far ahead hosts are started for what is expected; 0: not at all."""
    is_paused: bool = False
    """Nothing is asked of any cloud."""
    network: NetworkRules | None = None
    """None: interfaces and addresses are the agents' own affair."""


class FleetAsked(Ours, frozen=True):
    """An operator sets the rules of the fleet, whole."""

    rules: FleetRules
    actor: str
    why: str
    if_version: int | None = None


class GroupSizeAsked(Ours, frozen=True):
    """An operator gives a group a size now. Smaller: of hosts without tasks, marked first."""

    group: str
    desired: int
    actor: str
    why: str


class DeploymentAsked(Ours, frozen=True):
    """An operator has a new group take the place of an old one."""

    new: str
    """The deployment has this name, too."""
    old: str
    actor: str
    why: str
    size: int = 0
    """Of the new group; 0: as many hosts as the old one has."""
    hosts_at_once: int = 0
    """So many hosts of the old group are emptied at the same time; 0: a tenth of them."""
    bake_ms: int = 600_000
    """For so long the empty old group stays, so that going back is quick."""
    timeout_ms: int = 3_600_000
    """A step that takes longer pauses the deployment, and says why."""
    is_group_kept: bool = False
    """The old group stays, with no hosts."""


DeploymentOrder = Literal["pause", "resume", "rollback"]


class DeploymentOrdered(Ours, frozen=True):
    """An operator stops a deployment, lets it go on, or has it go back."""

    name: str
    order: DeploymentOrder
    actor: str
    why: str


FleetRequest = FleetAsked | GroupSizeAsked | WarmPoolAsked | DeploymentAsked | DeploymentOrdered
"""What operators ask of the fleet, by topic ``commands``."""
