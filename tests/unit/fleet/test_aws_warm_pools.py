"""Warm pools of EC2 Auto Scaling by boto3 over HTTP: moto's server stands for AWS.

moto keeps the rule of a pool and puts nobody into it; who stands by is tried with AWS' answers
here, and with real agents on the double of `flumina up --fleet` (`test_loopback_groups.py`,
`tests/integration/fleet/test_loopback.py`).
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.cloud.aws.translate import observed, pool_observed, with_warm
from connectors.cloud.aws.warm_pools import WarmPools
from connectors.cloud.ports import EffectRefused
from scheduler.model.warm_pools import (
    RemoveWarmPool,
    SetWarmPool,
    WarmPoolAsked,
    WarmPoolObserved,
    WarmPoolRule,
)
from tests.support.moto import environment_of, moto_endpoint
from tests.support.moto_fleet import Account, Following

pytestmark = pytest.mark.integration  # It starts a stand-in for AWS.

__all__ = ["moto_endpoint"]

RULE = WarmPoolRule(minimum=1, prepared_max=3, state="hibernated", is_reusing=True)
GROUP = {
    "AutoScalingGroupName": "blue",
    "MinSize": 0,
    "DesiredCapacity": 1,
    "MaxSize": 9,
    "Instances": [{"InstanceId": "i-1", "LifecycleState": "InService"}],
}


@pytest.fixture
def account(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    made = Account()
    yield made
    asyncio.run(made.cloud.close())


def pool_of(account: Account, name: str) -> WarmPoolRule | None:
    (seen,) = asyncio.run(account.cloud.warm_pools([name], 1))
    return seen.rule


def test_a_pool_is_set_whole_and_taken_away_and_twice_is_once(account: Account) -> None:
    name = account.group()
    assert pool_of(account, name) is None
    for rule in (RULE, RULE, WarmPoolRule(minimum=2)):
        assert account.ask(SetWarmPool(name, rule)).fate == "sent"
        assert pool_of(account, name) == rule  # A bound that was there before is gone, too.
    assert account.ask(RemoveWarmPool(name)).fate == "sent"
    assert pool_of(account, name) is None
    again = account.ask(RemoveWarmPool(name))
    assert (again.fate, again.detail) == ("sent", "there is none")


def test_what_aws_would_refuse_is_not_asked_and_a_group_that_is_gone_is_told(
    account: Account,
) -> None:
    name = account.group(maximum=6)
    beyond = account.ask(SetWarmPool(name, WarmPoolRule(minimum=7)))
    assert (beyond.fate, beyond.detail[:6]) == ("refused", "bounds")
    assert pool_of(account, name) is None
    for effect in (SetWarmPool("no-such-group", RULE), RemoveWarmPool("no-such-group")):
        gone = account.ask(effect)
        assert (gone.fate, gone.detail[:4]) == ("refused", "gone")
    assert asyncio.run(account.cloud.warm_pools(["no-such-group"], 1)) == []


def test_a_cell_gives_a_group_the_pool_that_an_operator_wants(account: Account) -> None:
    name = account.group(desired=0)
    following = Following(account, name)
    following.step()
    following.cell.copy("commands", WarmPoolAsked(name, RULE, "ada", "nine"))
    following.until(lambda: pool_of(account, name) == RULE)
    # Somebody changes it by hand: it is put right.
    account.autoscaling.put_warm_pool(AutoScalingGroupName=name, MinSize=5)
    following.until(lambda: pool_of(account, name) == RULE)
    following.cell.copy("commands", WarmPoolAsked(name, None, "ada", "over"))
    following.until(lambda: pool_of(account, name) is None)
    assert following.cell.state.cloud_groups[name].failures == 0


def test_who_stands_by_is_among_the_instances_and_who_comes_out_is_so_once() -> None:
    said = [
        {"InstanceId": "i-2", "LifecycleState": "Warmed:Stopped"},
        {"InstanceId": "i-3", "LifecycleState": "Warmed:Pending:Wait"},
        {"InstanceId": "i-4", "LifecycleState": "Warmed:Terminating:Wait"},
        {"InstanceId": "i-1", "LifecycleState": "Warmed:Stopped"},  # It has just come out.
    ]
    found = with_warm(observed(GROUP, "here", 5), said)
    assert [(each.instance_id, each.state, each.is_waiting) for each in found.instances] == [
        ("i-1", "inService", False),
        ("i-2", "warm", False),
        ("i-3", "warm", True),
        ("i-4", "terminating", True),
    ]
    assert (found.instances_total, found.warm_total, found.desired) == (4, 2, 1)


class Answers:
    """EC2 Auto Scaling that knows one group, and gives a pool's instances a page at a time."""

    def __init__(self, status: str = "") -> None:
        pool = {"MinSize": 1, "MaxGroupPreparedCapacity": -1, "PoolState": "Stopped"}
        self.group = GROUP | {"WarmPoolConfiguration": pool | {"Status": status}}
        self.asked: list[str] = []

    def describe_auto_scaling_groups(self, **_: object) -> dict[str, Any]:
        return {"AutoScalingGroups": [self.group]}

    def describe_warm_pool(self, **asked: Any) -> dict[str, Any]:
        number = int(asked.get("NextToken", 0))
        page = {"Instances": [{"InstanceId": f"w-{number}", "LifecycleState": "Warmed:Running"}]}
        return page if number == 2 else page | {"NextToken": str(number + 1)}

    def delete_warm_pool(self, **_: object) -> None:
        self.asked.append("delete")


def test_a_pool_of_many_comes_in_pages() -> None:
    answers = Answers()
    found = WarmPools(lambda _: answers).joined(observed(GROUP, "here", 5), answers.group)
    assert [each.instance_id for each in found.instances] == ["i-1", "w-0", "w-1", "w-2"]


def test_while_a_pool_goes_nothing_is_asked_of_it() -> None:
    answers = Answers("PendingDelete")
    pools = WarmPools(lambda _: answers)
    assert pools.seen(["blue"], 5) == [WarmPoolObserved("blue", WarmPoolRule(minimum=1), True, 5)]
    assert pools.carry_out(RemoveWarmPool("blue")).fate == "sent"
    assert answers.asked == []
    with pytest.raises(EffectRefused, match="being taken away"):
        pools.carry_out(SetWarmPool("blue", RULE))


def test_a_state_of_which_nobody_has_heard_is_read_as_the_usual_one() -> None:
    said = GROUP | {"WarmPoolConfiguration": {"PoolState": "Asleep"}}
    assert pool_observed(said, 5).rule == WarmPoolRule()
