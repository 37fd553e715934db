"""The fleet's edges: the outbox, what the fleet process writes, REST, the command line.

The log of the outbox is held between acknowledgement and read-back; REST is over a cell in memory.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import pytest

from connectors.cloud.aws.translate import is_of_cell, noticed, observed
from connectors.cloud.ports import Carried, Notice
from scheduler.model.codec import decode_record
from scheduler.model.events import EffectEnded, LeaderElected
from scheduler.model.fleet import (
    CloudGroupGone,
    CloudGroupObserved,
    CloudInstance,
    FleetEffect,
    SetDesiredCapacity,
)
from scheduler.model.fleet_rules import GroupSizeAsked
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_fleet import encode_fleet_request, pool_document, rules_document
from scheduler.model.ids import HostId, OfferId
from scheduler.model.inbound import InboundRejected
from scheduler.model.mesos import InverseOffer, InverseOffersReceived
from scheduler.model.network import InstanceNetworkObserved
from scheduler.model.warm_pools import WarmPoolObserved
from streams.fleet.networks import WHOLE_MS as NETWORK_WHOLE_MS
from streams.fleet.networks import NetworkReports
from streams.fleet.outbox import FleetOutbox
from streams.fleet.reports import HEARD_MS, WHOLE_MS, Reports
from tests.support.asgi import Answer, call
from tests.support.fleet import FleetWorld, SimGroup
from tests.support.leading import HeldLog, turns
from tests.support.samples_fleet import POOL, REQUESTS, RULES
from tests.support.web_cell import WebCell

PATH = "/api/flumina/fleet"
OPERATOR = {"X-Flumina-Actor": "ada@example.org"}


class WitnessCloud:
    """A cloud that does everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[FleetEffect] = []

    async def groups(
        self, cell: str, names: Collection[str], now_ms: int
    ) -> list[CloudGroupObserved]:
        """None: the test writes what was seen."""
        del cell, names, now_ms
        return []

    async def warm_pools(self, names: Collection[str], now_ms: int) -> list[WarmPoolObserved]:
        """None, too."""
        del names, now_ms
        return []

    async def networks(
        self, instances: Collection[tuple[str, str]], now_ms: int
    ) -> list[InstanceNetworkObserved]:
        """None, too."""
        del instances, now_ms
        return []

    async def notices(self, now_ms: int) -> list[Notice]:
        """None."""
        del now_ms
        return []

    async def taken(self, handles: Sequence[str]) -> None:
        """Nothing waits."""

    async def carry_out(self, effect: FleetEffect) -> Carried:
        """Note what was asked."""
        self.asked.append(effect)
        return Carried("sent", "done")

    async def close(self) -> None:
        """Nothing to end."""


def with_an_order(scenario: Any) -> None:
    """Run the scenario beside an outbox whose cell has ordered a size."""

    async def run() -> None:
        world = FleetWorld(SimGroup("blue", desired=1))
        world.pass_ms(60_000)
        world.cell.copy("commands", GroupSizeAsked("blue", 3, "op", "more"))
        assert len(world.state.fleet_orders) == 1
        log, cloud = HeldLog(world.cell), WitnessCloud()
        outbox = asyncio.create_task(
            FleetOutbox(log.lead(world.cell.epoch), log.follower, cloud).run()
        )
        await turns()
        try:
            await scenario(log, cloud)
        finally:
            outbox.cancel()
            await asyncio.gather(outbox, return_exceptions=True)

    asyncio.run(run())


def test_a_cloud_is_asked_only_after_the_start_was_read_back_and_its_answer_is_written() -> None:
    async def scenario(log: HeldLog, cloud: WitnessCloud) -> None:
        assert cloud.asked == []
        log.read_back()
        await turns()
        assert cloud.asked == [SetDesiredCapacity("blue", 3)]
        (ended,) = decode_record(log.records[-1].value).events
        assert isinstance(ended, EffectEnded)
        assert (ended.fate, ended.detail) == ("sent", "done")
        log.read_back()
        assert not log.follower.machine.state.fleet_orders

    with_an_order(scenario)


def test_a_leader_that_was_overtaken_asks_for_nothing() -> None:
    async def scenario(log: HeldLog, cloud: WitnessCloud) -> None:
        log.add(-1, LeaderElected(candidate="cell-1", incarnation="other"))
        log.read_back()
        await turns()
        assert cloud.asked == []

    with_an_order(scenario)


def seen(*ids: str, desired: int = 0) -> CloudGroupObserved:
    instances = tuple(CloudInstance(each, "inService") for each in ids)
    return CloudGroupObserved(
        *("blue", "aws", "here", 0, desired, 9),
        instances=instances,
        observed_at_ms=7,
        instances_total=len(ids),
    )


def test_a_group_is_told_whole_once_and_then_by_what_changes() -> None:
    reports = Reports()
    (whole,) = reports.of([seen("a", "b")], 0)
    assert isinstance(whole, CloudGroupObserved)
    assert not whole.is_difference
    assert reports.of([seen("a", "b")], 1_000) == []
    (changed,) = reports.of([seen("b", "c", desired=2)], 2_000)
    assert isinstance(changed, CloudGroupObserved)
    assert changed.is_difference
    assert [each.instance_id for each in changed.instances] == ["c"]
    assert changed.removed == ("a",)
    (heard,) = reports.of([seen("b", "c", desired=2)], 2_000 + HEARD_MS)
    assert isinstance(heard, CloudGroupObserved)
    assert (heard.instances, heard.is_difference) == ((), True)
    (again,) = reports.of([seen("b", "c", desired=2)], WHOLE_MS)
    assert isinstance(again, CloudGroupObserved)
    assert not again.is_difference
    assert reports.of([], WHOLE_MS + 1) == [CloudGroupGone("blue", "aws", "here", WHOLE_MS + 1)]


def test_a_large_group_is_told_in_parts() -> None:
    parts = Reports().of([seen(*(f"i{number}" for number in range(1_100)))], 0)
    sizes = [len(each.instances) for each in parts if isinstance(each, CloudGroupObserved)]
    lasts = [each.is_last for each in parts if isinstance(each, CloudGroupObserved)]
    assert (sizes, lasts) == ([500, 500, 100], [False, False, True])


def test_words_of_aws_become_ours() -> None:
    group = {
        "AutoScalingGroupName": "blue",
        "MinSize": 0,
        "DesiredCapacity": 3,
        "MaxSize": 9,
        "AvailabilityZones": ["b", "a"],
        "WarmPoolSize": 2,
        "SuspendedProcesses": [{"ProcessName": "Launch"}],
        "Tags": [{"Key": "flumina.cell", "Value": "main"}],
        "Instances": [
            {"InstanceId": "i-3", "LifecycleState": "Terminating:Wait"},
            {"InstanceId": "i-1", "LifecycleState": "Pending:Wait", "HealthStatus": "Unhealthy"},
            {"InstanceId": "i-2", "LifecycleState": "Warmed:Stopped", "InstanceType": "m5.large"},
            {"InstanceId": "i-4", "LifecycleState": "Quarantined"},
        ],
    }
    assert is_of_cell(group, "main")
    assert not is_of_cell(group, "other")
    found = observed(group, "eu-west-1", 5)
    states = [(each.state, each.is_waiting, each.is_healthy) for each in found.instances]
    assert states == [
        ("pending", True, False),
        ("warm", False, True),
        ("terminating", True, True),
        ("other", False, True),
    ]
    assert (found.zones, found.warm_total, found.suspended) == (("a", "b"), 2, ("Launch",))
    assert found.machine_types == ("m5.large",)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"detail-type": "EC2 Spot Instance Interruption Warning"}', '"x"']
)
def test_a_message_that_cannot_be_read_is_no_notice(text: str) -> None:
    assert noticed(text, 5) is None


def test_requests_are_read_as_they_were_written() -> None:
    asked, size, warm, deployed, ordered = REQUESTS
    records: dict[str, dict[str, Any]] = {
        "SetFleet": {"rules": rules_document(RULES), "ifVersion": 3},
        "SetGroupSize": {"group": "blue", "desired": 40},
        "SetWarmPool": {"group": "blue", "pool": pool_document(POOL)},
        "DeployFleet": {
            "new": "green",
            "old": "blue",
            "size": 5,
            "hostsAtOnce": 2,
            "bakeMs": 1_000,
            "timeoutMs": 120_000,
            "keepGroup": True,
        },
        "OrderDeployment": {"name": "green", "order": "rollback"},
    }
    for (kind, fields), body in zip(records.items(), REQUESTS, strict=True):
        value = encode_fleet_request(kind, fields, "ada", body.why)
        assert decode_commands_record(b"", value) == body
    kinds = {type(asked), type(size), type(warm), type(deployed), type(ordered)}
    assert kinds == set(map(type, REQUESTS))


def test_rules_that_make_no_sense_are_refused_by_field() -> None:
    group = {"name": "blue", "shape": {"cpu": 0, "memoryMB": 1}, "idleMin": 3, "idleMax": 1}
    document = {"groups": [group, {"name": "blue"}], "lookMs": 1, "looks": 2}
    value = encode_fleet_request("SetFleet", {"rules": document}, "ada", "x")
    found = decode_commands_record(b"", value)
    assert isinstance(found, InboundRejected)
    assert {each.field for each in found.faults} == {
        "groups",
        "groups[0].idleMax",
        "groups[0].shape.cpu",
        "groups[1].shape",
        "lookMs",
        "looks",
    }


@pytest.fixture
def web() -> WebCell:
    world = FleetWorld(SimGroup("blue", desired=2), SimGroup("green"))
    world.pass_ms(120_000)
    return WebCell(world.cell)


def ask(web: WebCell, method: str, path: str, body: Any = None) -> Answer:
    return call(web.app, method, f"{PATH}{path}", body, OPERATOR)


def test_groups_and_plan_are_shown(web: WebCell) -> None:
    items = ask(web, "GET", "/groups").json["items"]
    assert [(each["name"], each["idle"], each["isScaled"]) for each in items] == [
        ("blue", 2, True),
        ("green", 0, True),
    ]
    shown = ask(web, "GET", "/groups/blue").json
    assert [each["zone"] for each in shown["items"]] == ["a", "b"]
    assert ask(web, "GET", "/groups/grey").status == 404
    plan = ask(web, "GET", "/plan").json
    assert [(each["name"], each["size"]) for each in plan["groups"]] == [("blue", 2), ("green", 0)]


def test_rules_are_set_for_the_version_that_was_seen(web: WebCell) -> None:
    shown = ask(web, "GET", "/rules").json
    rules = shown["rules"] | {"isPaused": True}
    version = shown["version"]
    assert ask(web, "PUT", f"/rules?why=x&ifVersion={version}", rules).status == 200
    late = ask(web, "PUT", f"/rules?why=x&ifVersion={version}", rules)
    assert late.status == 412
    assert ask(web, "GET", "/rules").json["rules"]["isPaused"] is True
    assert ask(web, "PUT", "/rules?why=x", {"groups": [{}]}).status == 400
    assert ask(web, "PUT", "/rules", rules).status == 400


def test_windows_of_maintenance_are_shown(web: WebCell) -> None:
    assert ask(web, "GET", "/maintenance").json == {"items": []}
    cell = web.cell
    host_id = HostId("host-i-blue-0001")
    said = InverseOffer(OfferId("i1"), host_id, cell.now_ms + 60_000, 3_600_000)
    cell.copy("mesos", InverseOffersReceived(cell.stream_id, (said,)))
    cell.tick(2_000)
    (shown,) = ask(web, "GET", "/maintenance").json["items"]
    assert shown["hostname"] == "name-of-host-i-blue-0001"
    assert (shown["standing"], shown["orderedBy"]) == ("draining", "mesos-maintenance")
    assert (shown["forMs"], shown["isAsked"], shown["wanted"]) == (3_600_000, True, "accept")


def test_a_size_and_a_deployment_are_asked_for(web: WebCell) -> None:
    assert ask(web, "PUT", "/groups/blue/size", {"desired": 3, "why": "x"}).json == {"id": "blue"}
    assert ask(web, "GET", "/groups/blue").json["ordered"] == 3
    beyond = ask(web, "PUT", "/groups/blue/size", {"desired": 300, "why": "x"})
    assert (beyond.status, beyond.json["faults"][0]["field"]) == (400, "desired")
    begun = ask(web, "POST", "/deployments", {"new": "green", "old": "blue", "why": "kernel"})
    assert begun.json == {"id": "green"}
    shown = ask(web, "GET", "/deployments/green").json
    assert (shown["step"], shown["size"], shown["actor"]) == ("growing", 3, "ada@example.org")
    assert ask(web, "POST", "/deployments/green/pause", {"why": "x"}).status == 200
    assert ask(web, "POST", "/deployments/green/pause", {"why": "x"}).status == 409
    assert ask(web, "POST", "/deployments/green/resume", {"why": "x"}).status == 200
    assert ask(web, "POST", "/deployments/green/rollback", {"why": "x"}).status == 200
    assert ask(web, "GET", "/deployments").json["items"][0]["step"] == "goingBack"
    assert ask(web, "POST", "/deployments/grey/pause", {"why": "x"}).status == 404


def test_networks_are_told_where_they_have_changed_and_now_and_then_anyway() -> None:
    reports = NetworkReports()
    one = InstanceNetworkObserved("blue", "i-1", observed_at_ms=1)
    two = InstanceNetworkObserved("blue", "i-2", observed_at_ms=1)
    assert reports.of([one, two], 1) == [one, two]
    assert reports.of([one, two], 2) == []
    moved = InstanceNetworkObserved("green", "i-2", observed_at_ms=3)
    assert reports.of([one, moved], 3) == [moved]
    assert reports.of([one], 4) == []
    assert reports.of([two], 5) == [two]
    assert reports.of([two], 5 + NETWORK_WHOLE_MS) == [two]
    reports.forget()
    assert reports.of([two], 6) == [two]
