"""The double keeps AWS' rules where moto is laxer, one call at a time.

How: its account in this process, as the server asks it, with moto's EC2 beneath; the test says
when a host is up or down, as the agents' part does. The same calls by boto3 over HTTP, with real
agents, are in `tests/integration/fleet/test_loopback.py`.
"""

from typing import Any
from uuid import uuid4

import moto.autoscaling.models as moto_models
import pytest
from moto.autoscaling.exceptions import AutoscalingClientError

from connectors.cloud.loopback import groups as groups_module
from connectors.cloud.loopback.groups import Account, Group
from connectors.cloud.loopback.hooks import LAUNCHING, TERMINATING

pytestmark = pytest.mark.integration  # It starts a stand-in for AWS.

REGION = "us-east-1"
ACCOUNT_ID = "123456789012"


class Double:
    """One account with one group, and what it announced."""

    def __init__(self) -> None:
        self.account = Account(REGION, ACCOUNT_ID)
        self.announced: list[tuple[str, dict[str, str]]] = []
        self.account.announce = lambda kind, detail: self.announced.append((kind, detail))
        made: Any = self.account.ec2_backend.create_launch_template(
            f"t-{uuid4().hex}",
            "",
            {"ImageId": "ami-12c6146b", "InstanceType": "m5.large"},
            {},
        )
        self.template = {"LaunchTemplateId": made.id}

    def make(self, name: str = "dev", **named: Any) -> Group:
        told: dict[str, Any] = {
            "name": name,
            "availability_zones": ["us-east-1a"],
            "desired_capacity": None,
            "max_size": 3,
            "min_size": 1,
            "launch_config_name": "",
            "launch_template": dict(self.template),
            "vpc_zone_identifier": None,
            "default_cooldown": None,
            "health_check_period": None,
            "health_check_type": None,
            "load_balancers": [],
            "target_group_arns": [],
            "placement_group": None,
            "termination_policies": [],
            "tags": [],
        }
        group = self.account.create_auto_scaling_group(**(told | named))
        assert isinstance(group, Group)
        return group

    def states(self, name: str = "dev") -> list[str]:
        return [each.lifecycle_state for each in self.account.autoscaling_groups[name].instances]

    def ids(self, name: str = "dev") -> list[str]:
        return [each.instance_id for each in self.account.autoscaling_groups[name].instances]

    def all_up(self) -> None:
        for each in self.ids():
            self.account.host_is_up(each)

    def hook(self, transition: str, result: str = "CONTINUE", heartbeat_s: int = 60) -> None:
        self.account.create_lifecycle_hook("hook", "dev", transition, heartbeat_s, result)


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Double:
    monkeypatch.setattr(moto_models, "FakeAutoScalingGroup", Group)
    return Double()


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The steady clock of the double, in the test's hands."""
    now = [1_000.0]
    monkeypatch.setattr("connectors.cloud.loopback.groups.time.monotonic", lambda: now[0])
    return now


def refused(code: str = "ValidationError") -> Any:
    return pytest.raises(AutoscalingClientError, match=code)


def test_a_size_is_within_the_bounds(double: Double) -> None:
    double.make()
    with refused("New SetDesiredCapacity value 4 is above max value 3"):
        double.account.set_desired_capacity("dev", 4)
    with refused("New SetDesiredCapacity value 0 is below min value 1"):
        double.account.set_desired_capacity("dev", 0)
    with refused("name not found"):
        double.account.set_desired_capacity("other", 1)
    with refused("Desired capacity:9 must be between"):
        double.make("next", desired_capacity=9)
    with refused("must be greater than or equal to min bound"):
        double.make("next", min_size=4)
    with refused("AlreadyExists"):
        double.make()


def test_new_bounds_bring_the_size_within_them(double: Double) -> None:
    group = double.make(desired_capacity=3)
    double.account.update_auto_scaling_group("dev", **UNCHANGED | {"max_size": 2, "min_size": 0})
    assert (group.min_size, group.desired_capacity, group.max_size) == (0, 2, 2)
    double.account.update_auto_scaling_group("dev", **UNCHANGED | {"max_size": 5, "min_size": 4})
    assert (group.min_size, group.desired_capacity, len(group.active_instances())) == (4, 4, 4)


UNCHANGED: dict[str, Any] = {
    "availability_zones": [],
    "desired_capacity": None,
    "max_size": None,
    "min_size": None,
    "launch_config_name": "",
    "launch_template": {},
    "vpc_zone_identifier": "",
    "health_check_period": None,
    "health_check_type": None,
}


def test_an_instance_is_pending_until_its_host_is_up_and_ending_until_it_is_down(
    double: Double,
) -> None:
    double.make(desired_capacity=2)
    assert double.states() == ["Pending", "Pending"]
    double.account.set_desired_capacity("dev", 2)  # What is on its way counts: none is launched.
    double.all_up()
    assert double.states() == ["InService", "InService"]
    first, second = double.ids()
    double.account.terminate_instance(first, should_decrement=True)
    assert double.states() == ["Terminating", "InService"]
    double.account.host_is_down(first)
    assert double.ids() == [second]
    with refused("Currently, desiredSize equals minSize"):
        double.account.terminate_instance(second, should_decrement=True)
    with refused("No managed instance found"):
        double.account.terminate_instance(first, should_decrement=False)


def test_zones_are_kept_in_balance_up_and_down(double: Double) -> None:
    zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
    group = double.make(availability_zones=zones, max_size=9, desired_capacity=6, min_size=0)
    assert sorted(str(each.availability_zone)[-1] for each in group.instances) == [*"aabbcc"]
    double.account.set_desired_capacity("dev", 3)
    assert sorted(str(each.availability_zone)[-1] for each in group.active_instances()) == [*"abc"]
    assert group.availability_zones == zones


def test_the_protected_are_passed_over_and_only_who_is_in_service_is_protected(
    double: Double,
) -> None:
    double.make(desired_capacity=3, min_size=0)
    first, second, third = double.ids()
    with refused("is not in InService"):
        double.account.set_instance_protection("dev", [first], protected_from_scale_in=True)
    double.all_up()
    double.account.set_instance_protection("dev", [first, second], protected_from_scale_in=True)
    double.account.set_desired_capacity("dev", 0)
    assert double.states() == ["InService", "InService", "Terminating"]
    # Who is named goes, protected or not.
    double.account.terminate_instance(first, should_decrement=False)
    assert double.states()[0] == "Terminating"
    assert third in double.ids()


def test_a_hook_holds_an_instance_that_ends_until_it_is_completed(double: Double) -> None:
    double.make()
    double.all_up()
    double.hook(TERMINATING)
    (held,) = double.ids()
    double.account.terminate_instance(held, should_decrement=False)
    assert double.states() == ["Terminating:Wait", "Pending"]
    ((kind, detail),) = double.announced
    assert kind == "EC2 Instance-terminate Lifecycle Action"
    assert (detail["EC2InstanceId"], detail["LifecycleHookName"]) == (held, "hook")
    double.make("other", desired_capacity=0, min_size=0)
    with refused("No active Lifecycle Action found"):
        double.account.complete("other", "hook", held, "", "CONTINUE")
    double.account.complete("dev", "hook", held, "", "CONTINUE")
    assert double.states() == ["Terminating:Proceed", "Pending"]
    double.account.host_is_down(held)
    assert double.states() == ["Pending"]


def test_hooks_are_completed_by_token_or_instance_and_only_once(double: Double) -> None:
    double.make(desired_capacity=2)
    double.hook(LAUNCHING)
    double.all_up()
    assert double.states() == ["Pending:Wait", "Pending:Wait"]
    first, second = double.ids()
    double.account.complete("dev", "hook", first, "", "CONTINUE")
    double.account.complete(
        "dev", "hook", "", double.announced[1][1]["LifecycleActionToken"], "ABANDON"
    )
    with refused("No active Lifecycle Action found"):
        double.account.complete("dev", "hook", first, "", "CONTINUE")
    double.account.tick()
    # The abandoned one goes, and another comes for it.
    assert double.states() == ["InService", "Terminating", "Pending"]
    assert second == double.ids()[1]


@pytest.mark.parametrize(
    ("result", "after"),
    [("CONTINUE", ["InService"]), ("ABANDON", ["Terminating", "Pending"])],
)
def test_a_hook_that_nobody_completes_times_out_by_its_default(
    double: Double, steady: list[float], result: str, after: list[str]
) -> None:
    double.make()
    double.hook(LAUNCHING, result, heartbeat_s=60)
    double.all_up()
    steady[0] += 50
    double.account.heartbeat("dev", "hook", double.ids()[0], "")
    steady[0] += 50
    double.account.tick()
    assert double.states() == ["Pending:Wait"]  # The heartbeat counts.
    steady[0] += 11
    double.account.tick()
    double.account.tick()
    assert double.states() == after


def test_the_sick_are_replaced_and_the_suspended_do_nothing(double: Double) -> None:
    double.make(desired_capacity=2)
    double.all_up()
    first, second = double.ids()
    double.account.suspend_processes("dev", ["ReplaceUnhealthy"])
    double.account.set_instance_health(first, "Unhealthy")
    double.account.tick()
    assert double.states() == ["InService", "InService"]
    double.account.resume_processes("dev", ["ReplaceUnhealthy"])
    double.account.tick()
    assert double.states() == ["Terminating", "InService", "Pending"]
    double.account.suspend_processes("dev", ["Launch"])
    double.account.notify_terminate_instances([second])
    assert double.states() == ["Terminating", "Pending"]
    double.account.resume_processes("dev", ["Launch"])
    double.account.tick()
    assert double.states() == ["Terminating", "Pending", "Pending"]


def test_a_group_with_instances_is_deleted_only_by_force(double: Double) -> None:
    double.make()
    with refused("ResourceInUse"):
        double.account.delete_auto_scaling_group("dev")
    (instance_id,) = double.ids()
    double.account.delete_auto_scaling_group("dev", is_forced=True)
    assert "dev" not in double.account.autoscaling_groups
    assert double.account.ec2_backend.get_instance(instance_id).state == "terminated"


def test_a_launch_that_fails_is_an_activity_and_is_tried_again_later(
    double: Double, steady: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    group = double.make()
    monkeypatch.setattr(group, "launch_template_version", "7")  # There is none.
    double.account.set_desired_capacity("dev", 2)
    assert (group.desired_capacity, len(group.instances)) == (2, 1)
    double.account.tick()
    said = [each["StatusCode"] for each in double.account.activities["dev"]]
    assert said == ["Failed", "Successful"]
    monkeypatch.setattr(group, "launch_template_version", "$Default")
    steady[0] += groups_module.LAUNCH_AGAIN_S
    double.account.tick()
    assert len(group.instances) == 2


def pool_of(double: Double) -> list[str]:
    return [each.lifecycle_state for each in double.account.group("dev").pool.states]


def test_a_pool_fills_to_what_its_rule_says_and_a_group_grows_from_it(double: Double) -> None:
    group = double.make()
    double.all_up()
    double.account.put_warm_pool("dev", None, None, None, None)
    double.account.tick()
    assert pool_of(double) == ["Warmed:Pending"] * 2  # The group has one of three.
    assert group.warm_pool_size == 2
    double.account.tick()
    assert pool_of(double) == ["Warmed:Stopped"] * 2
    assert {each.instance.state for each in group.pool.states} == {"stopped"}
    assert double.states() == ["InService"]  # Nobody in it counts, or is sick for being stopped.
    standing = {each.instance_id for each in group.pool.states}
    double.account.set_desired_capacity("dev", 2)
    (came,) = set(double.ids()) & standing
    assert double.states() == ["InService", "Pending"]
    double.account.host_is_up(came)
    double.account.tick()
    assert (double.states(), len(pool_of(double))) == (["InService"] * 2, 1)


def test_an_instance_that_makes_the_group_smaller_stands_by_again_if_the_rule_says_so(
    double: Double,
) -> None:
    group = double.make(desired_capacity=2)
    double.all_up()
    double.account.put_warm_pool("dev", 2, None, "Running", {"ReuseOnScaleIn": True})
    double.account.tick()
    assert pool_of(double) == []  # The group has as many as it and its pool may have.
    first, second = double.ids()
    double.account.terminate_instance(first, should_decrement=True)
    double.account.host_is_down(first)
    assert (double.ids(), pool_of(double)) == ([second], ["Warmed:Pending"])
    double.account.tick()
    assert pool_of(double) == ["Warmed:Running"]
    # A sick one is no use to anybody: it is replaced, from the pool, and ends.
    double.account.impaired(second)
    double.account.tick()
    assert set(double.ids()) == {first, second}
    double.account.host_is_down(second)
    assert double.ids() == [first]
    assert second not in {each.instance_id for each in group.pool.states}


def test_a_pool_is_of_one_type_and_goes_before_its_group(double: Double) -> None:
    double.make(min_size=0, desired_capacity=0)
    with refused("No warm pool found"):
        double.account.delete_warm_pool("dev")
    with refused("PoolState must be one of"):
        double.account.put_warm_pool("dev", None, 1, "Asleep", None)
    with refused("must be greater than or equal to MinSize"):
        double.account.put_warm_pool("dev", 1, 2, None, None)
    double.account.put_warm_pool("dev", 1, None, None, None)
    double.account.put_warm_pool("dev", None, 1, None, None)
    rule = double.account.group("dev").warm_pool
    assert rule is not None
    # What is left out stays as it was.
    assert (rule.max_group_prepared_capacity, rule.min_size) == (1, 1)
    double.account.tick()
    with refused("ResourceInUse"):
        double.account.delete_auto_scaling_group("dev")
    ids = [each.instance_id for each in double.account.group("dev").pool.states]
    assert len(ids) == 1
    double.account.delete_warm_pool("dev")
    states = [each.state for each in double.account.ec2_backend.all_instances() if each.id in ids]
    assert states == ["terminated"]
    double.account.delete_auto_scaling_group("dev")
