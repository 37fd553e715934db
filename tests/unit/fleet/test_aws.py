"""EC2 Auto Scaling by boto3 over HTTP: moto's server stands for AWS; what it lacks is tried here.

One test has a whole cell follow a group: what moto says becomes reports, orders go to moto, and
the instances that it starts become hosts of the cell. The others hold the connector to its word
where AWS refuses, throttles, or answers with what is no XML.
"""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import boto3
import msgspec
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

from connectors.cloud.aws.client import AutoScalingGroups
from connectors.cloud.ports import CloudFailed
from scheduler.model.fleet import (
    CompleteHook,
    EndInstance,
    ProtectInstances,
    RemoveGroup,
    SetDesiredCapacity,
)
from scheduler.model.resources import Need
from scheduler.model.task import Started
from tests.support.cell import batch
from tests.support.moto import environment_of, moto_endpoint
from tests.support.moto_fleet import Account, Following

pytestmark = pytest.mark.integration  # It starts a stand-in for AWS.

__all__ = ["moto_endpoint"]


@pytest.fixture
def aws(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment leads boto3 to moto."""
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    return moto_endpoint


@pytest.fixture
def account(aws: str) -> Iterator[Account]:
    assert aws.startswith("http://127.0.0.1:")
    made = Account()
    yield made
    asyncio.run(made.cloud.close())


def before_send(account: Account, answers: list[tuple[int, str]]) -> None:
    """Have the next calls of the connector answered with these statuses and bodies."""

    def answer(request: Any, **_: object) -> AWSResponse | None:
        if not answers:
            return None
        status, body = answers.pop(0)
        raw = _Raw(body.encode())
        return AWSResponse(request.url, status, {"content-type": "text/xml"}, raw)

    account.cloud._client("autoscaling").meta.events.register("before-send", answer)


class _Raw:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._data


def error_of(code: str) -> str:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"


def test_groups_are_seen_by_their_tag_and_by_their_name(account: Account) -> None:
    tagged = account.group(desired=2)
    other = f"untagged-{uuid4().hex[:6]}"
    account.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=other,
        LaunchTemplate={"LaunchTemplateId": account.template},
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
    )
    found = account.seen()
    assert list(found) == [tagged]
    seen = found[tagged]
    assert (seen.minimum, seen.desired, seen.maximum, seen.instances_total) == (0, 2, 6, 2)
    assert {each.state for each in seen.instances} == {"inService"}
    assert (seen.zones, seen.machine_types) == (("us-east-1a",), ("m5.large",))
    named = asyncio.run(account.cloud.groups(account.cell, {other}, 1))
    assert {each.group for each in named} == {tagged, other}


def test_a_size_is_absolute_and_within_the_groups_bounds(account: Account) -> None:
    name = account.group()
    assert account.ask(SetDesiredCapacity(name, 4)).fate == "sent"
    assert account.ask(SetDesiredCapacity(name, 4)).fate == "sent"  # Twice is once.
    assert account.seen()[name].instances_total == 4
    # moto would take it; AWS does not, and neither do we.
    beyond = account.ask(SetDesiredCapacity(name, 7))
    assert (beyond.fate, beyond.detail[:6]) == ("refused", "bounds")
    assert account.seen()[name].desired == 4
    assert account.ask(SetDesiredCapacity(name, 0, minimum=0)).fate == "sent"
    gone = account.ask(SetDesiredCapacity("no-such-group", 1))
    assert (gone.fate, gone.detail[:4]) == ("refused", "gone")


def test_an_instance_is_ended_with_and_without_a_decrement_and_never_twice(
    account: Account,
) -> None:
    name = account.group(desired=3, minimum=1)
    first, second, _ = account.ids(name)
    assert account.ask(EndInstance(name, first, is_decrement=True)).fate == "sent"
    seen = account.seen()[name]
    assert (seen.desired, seen.instances_total) == (2, 2)
    again = account.ask(EndInstance(name, first, is_decrement=True))
    assert (again.fate, again.detail[:4]) == ("refused", "gone")
    assert account.seen()[name].desired == 2
    assert account.ask(EndInstance(name, second, is_decrement=False)).fate == "sent"
    seen = account.seen()[name]
    assert (seen.desired, seen.instances_total) == (2, 2)  # Another one came.
    assert second not in account.ids(name)
    left = account.ids(name)
    account.ask(EndInstance(name, left[0], is_decrement=True))
    below = account.ask(EndInstance(name, left[1], is_decrement=True))
    assert (below.fate, below.detail[:6]) == ("refused", "bounds")


def test_protected_instances_are_passed_over_when_the_cloud_shrinks_the_group(
    account: Account,
) -> None:
    name = account.group(desired=3)
    kept = account.ids(name)[0]
    assert account.ask(ProtectInstances(name, (kept, "i-0gone"), is_protected=True)).fate == "sent"
    assert [each.is_protected for each in account.seen()[name].instances].count(True) == 1
    account.autoscaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    assert account.ids(name) == [kept]


def test_a_group_is_removed_when_it_is_empty(account: Account) -> None:
    name = account.group(desired=0)
    assert account.ask(RemoveGroup(name)).fate == "sent"
    assert account.seen() == {}


def test_throttling_is_ridden_out_and_at_last_told(account: Account) -> None:
    name = account.group()
    before_send(account, [(400, error_of("Throttling"))])
    assert account.ask(SetDesiredCapacity(name, 2)).fate == "sent"  # The second attempt went well.
    before_send(account, [(400, error_of("Throttling"))] * 3)
    throttled = account.ask(SetDesiredCapacity(name, 3))
    assert (throttled.fate, throttled.detail[:9]) == ("refused", "throttled")


@pytest.mark.parametrize(
    ("status", "body", "fate"),
    [
        (500, "<html>Internal Server Error</html>", "unknown"),
        (200, "this is no XML", "unknown"),
        (403, error_of("AccessDenied"), "refused"),
    ],
)
def test_an_answer_that_says_nothing_leaves_it_open(
    account: Account, status: int, body: str, fate: str
) -> None:
    name = account.group()
    before_send(account, [(status, body)] * 3)
    assert account.ask(SetDesiredCapacity(name, 2)).fate == fate
    before_send(account, [(status, body)] * 3)
    with pytest.raises(CloudFailed):
        account.seen()


def test_an_answer_that_comes_too_late_leaves_it_open_and_asking_again_does_no_harm(
    account: Account,
) -> None:
    name = account.group(desired=1)
    account.cloud._client("autoscaling").meta.events.register("before-send", too_late(3))
    # The group is read, then the size is set: what of it was done nobody knows.
    assert account.ask(SetDesiredCapacity(name, 3)).fate == "unknown"
    assert account.ask(SetDesiredCapacity(name, 3)).fate == "sent"
    assert (account.seen()[name].desired, account.seen()[name].instances_total) == (3, 3)


def too_late(number: int) -> Any:
    """A hook that does the calls that set a size, and then has no answer for so many of them."""
    left = [number]

    def answer(request: Any, **_: object) -> None:
        if "Action=SetDesiredCapacity" not in str(request.body) or not left[0]:
            return
        left[0] -= 1
        # The address of moto, which botocore was about to ask itself.
        asked = Request(request.url, _bytes(request.body), dict(request.headers))  # noqa: S310
        with urlopen(asked, timeout=5):  # noqa: S310
            raise ReadTimeoutError(endpoint_url=request.url)

    return answer


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body


def test_what_moto_does_not_have_is_an_unknown_fate_and_no_exception(account: Account) -> None:
    # moto answers CompleteLifecycleAction with an error of its own.
    told = account.ask(CompleteHook(account.group(), "i-1", "drain"))
    assert told.fate in {"unknown", "refused"}


@pytest.mark.usefixtures("aws")
def test_notices_come_by_a_queue_and_are_taken_off() -> None:
    sqs: Any = boto3.client("sqs")
    url = sqs.create_queue(QueueName=f"notices-{uuid4().hex[:6]}")["QueueUrl"]
    event = {
        "detail-type": "EC2 Spot Instance Interruption Warning",
        "time": "2026-11-22T09:00:00Z",
        "detail": {"instance-id": "i-0a", "instance-action": "terminate"},
    }
    for body in (msgspec.json.encode(event).decode(), "no JSON at all"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    cloud = AutoScalingGroups(url)

    async def both() -> list[Any]:
        notices = await cloud.notices(5)
        await cloud.taken([each.handle for each in notices])
        return notices

    notices = asyncio.run(both())
    bodies = [each.body for each in notices if each.body is not None]
    assert len(notices) == 2
    (noticed,) = bodies
    assert (noticed.instance_id, noticed.kind) == ("i-0a", "interruption")
    assert noticed.due_ms - noticed.observed_at_ms == 120_000
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "0"


def test_a_cell_follows_a_group_up_and_down(account: Account) -> None:
    name = account.group(desired=0, maximum=9)
    following = Following(account, name)
    cell = following.cell
    cell.submit(batch(20, need=Need(cpu_milli=4_000, memory_mib=1_024, disk_mib=10)))

    def running() -> int:
        return sum(isinstance(each.state, Started) for each in cell.tasks())

    # Nine hosts take eighteen tasks; the group may have no more.
    following.until(lambda: running() == 18)
    assert account.seen()[name].desired == 9
    following.until(lambda: all(each.is_protected for each in account.seen()[name].instances))
    for task in cell.tasks():
        if isinstance(task.state, Started):
            cell.status(task.task_id, "TASK_FINISHED")
    cell.kill_job()
    following.until(lambda: account.seen()[name].instances_total == 1, steps=60)
    assert account.seen()[name].desired == 1  # The last of its zone stays.
