"""Values of every type about the fleet, with every field set; `tests.support.samples` has them.

The one thing to know: what has several kinds stands here with each of them once.
"""

from typing import Final

from scheduler.model import changes
from scheduler.model.fleet import (
    CloudGroupGone,
    CloudGroupObserved,
    CloudInstance,
    FleetReport,
    InstanceNoticed,
)
from scheduler.model.fleet_rules import (
    DeploymentAsked,
    DeploymentOrdered,
    FleetAsked,
    FleetRequest,
    FleetRules,
    GroupRule,
    GroupSizeAsked,
    NetworkRules,
)
from scheduler.model.ids import HostId
from scheduler.model.network import CloudInterface, InstanceNetworkObserved
from scheduler.model.rules import Amount
from scheduler.model.warm_pools import WarmPoolAsked, WarmPoolObserved, WarmPoolRule

INSTANCE: Final = CloudInstance(
    instance_id="i-0a1b2c",
    state="terminating",
    zone="eu-west-1a",
    machine_type="m5.8xlarge",
    is_healthy=False,
    is_protected=True,
    is_waiting=True,
)
RULES: Final = FleetRules(
    groups=(
        GroupRule(
            name="blue",
            shape=Amount(32_000, 122_880, 400_000, 10_000, 2),
            price_micro=1_536_000,
            attributes=(("gpu_model", "a100"),),
            idle_min=2,
            idle_max=7,
            size_min=3,
            size_max=90,
            is_protecting=False,
            is_paused=True,
        ),
    ),
    instance_attribute="ec2-id",
    look_ms=20_000,
    warm_up_ms=200_000,
    up_cooldown_ms=60_000,
    down_cooldown_ms=500_000,
    slo_ms=200_000,
    grace_ms=800_000,
    end_after_ms=90_000,
    mark_expiry_ms=500_000,
    join_timeout_ms=700_000,
    replacements_per_hour=4,
    silence_ms=200_000,
    tokens_max=40,
    tokens_per_min=60,
    change_window_ms=300_000,
    change_percent_max=50,
    change_hosts_min=20,
    assert_ms=90_000,
    forecast_horizon_ms=900_000,
    is_paused=True,
    network=NetworkRules(
        subnets=(("eu-west-1a", "subnet-0a"),),
        batch=8,
        idle_ms=120_000,
        look_ms=5_000,
        is_paused=True,
    ),
)
POOL: Final = WarmPoolRule(minimum=2, prepared_max=9, state="hibernated", is_reusing=True)
REPORTS: Final[tuple[FleetReport, ...]] = (
    CloudGroupObserved(
        group="blue",
        provider="aws",
        region="eu-west-1",
        minimum=1,
        desired=4,
        maximum=9,
        instances=(INSTANCE,),
        observed_at_ms=1_700_000_000_000,
        is_difference=True,
        is_last=False,
        removed=("i-09",),
        instances_total=4,
        zones=("eu-west-1a", "eu-west-1b"),
        machine_types=("m5.8xlarge",),
        suspended=("Launch",),
        warm_total=2,
    ),
    CloudGroupGone("blue", "aws", "eu-west-1", observed_at_ms=1_700_000_000_000),
    InstanceNoticed(
        group="blue",
        instance_id="i-0a1b2c",
        kind="interruption",
        due_ms=1_700_000_120_000,
        detail="terminate",
        observed_at_ms=1_700_000_000_000,
    ),
    InstanceNetworkObserved(
        group="blue",
        instance_id="i-0a1b2c",
        interfaces=(
            CloudInterface(
                interface_id="eni-0a",
                index=1,
                subnet_id="subnet-0a",
                security_groups=("sg-1", "sg-2"),
                addresses=("10.0.0.4", "10.0.0.5"),
            ),
        ),
        observed_at_ms=1_700_000_000_000,
    ),
    WarmPoolObserved(group="blue", rule=POOL, is_going=True, observed_at_ms=1_700_000_000_000),
)
REQUESTS: Final[tuple[FleetRequest, ...]] = (
    FleetAsked(rules=RULES, actor="ada", why="first group", if_version=3),
    GroupSizeAsked(group="blue", desired=40, actor="ada", why="the launch at nine"),
    WarmPoolAsked(group="blue", rule=POOL, actor="ada", why="the launch at nine"),
    DeploymentAsked(
        new="green",
        old="blue",
        actor="ada",
        why="kernel",
        size=5,
        hosts_at_once=2,
        bake_ms=1_000,
        timeout_ms=120_000,
        is_group_kept=True,
    ),
    DeploymentOrdered(name="green", order="rollback", actor="ada", why="slow disks"),
)
CHANGES: Final[tuple[changes.Change, ...]] = (
    changes.FleetChanged(
        group="blue",
        what="hostEnded",
        why="spare",
        size=4,
        instance_id="i-0a1b2c",
        host_id=HostId("h1"),
        actor="ada",
    ),
    changes.WarmPoolChanged(
        group="blue", what="ordered", text="at least 2", why="it has no warm pool", actor="ada"
    ),
)
