"""The fleet process tells of an instance before it tells what was announced of it.

How: the observer over a cloud of a few lines, and a producer that remembers what is written.
EventBridge is often quicker than the next look at the groups, and a cell makes nothing of a notice
of an instance that it does not know.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import replace

from connectors.cloud.ports import Carried, Notice
from scheduler.model.codec import decode_hosts
from scheduler.model.fleet import (
    CloudGroupObserved,
    CloudInstance,
    FleetEffect,
    InstanceNoticed,
)
from scheduler.model.network import InstanceNetworkObserved
from scheduler.model.warm_pools import WarmPoolObserved
from streams.fleet.main import Observer
from streams.settings import settings_of

GROUP = CloudGroupObserved("blue", "aws", "here", 0, 1, 9, instances=(), observed_at_ms=1)
COMES = InstanceNoticed("blue", "i-1", "launching", detail="come")


class Cloud:
    """One group, and a queue of notices that are given until they are taken."""

    def __init__(self, *notices: InstanceNoticed) -> None:
        self.group = GROUP
        self.queue = {str(number): each for number, each in enumerate(notices)}

    async def groups(
        self, cell: str, names: Collection[str], now_ms: int
    ) -> list[CloudGroupObserved]:
        del cell, names, now_ms
        return [self.group]

    async def warm_pools(self, names: Collection[str], now_ms: int) -> list[WarmPoolObserved]:
        del names, now_ms
        return []

    async def networks(
        self, instances: Collection[tuple[str, str]], now_ms: int
    ) -> list[InstanceNetworkObserved]:
        del instances, now_ms
        return []

    async def notices(self, now_ms: int) -> list[Notice]:
        del now_ms
        return [Notice(handle, each) for handle, each in self.queue.items()]

    async def taken(self, handles: Sequence[str]) -> None:
        for each in handles:
            del self.queue[each]

    async def carry_out(self, effect: FleetEffect) -> Carried:
        raise AssertionError(f"an observer asks for nothing: {effect}")

    async def close(self) -> None:
        """Nothing is open."""


class Written:
    """A producer that remembers."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    async def send_and_wait(self, _topic: str, value: bytes, **_: object) -> None:
        self.records.append(decode_hosts(value))


def hear(cloud: Cloud) -> list[Any]:
    """What was written after the queue was heard once."""
    written = Written()
    observer = Observer(cloud, written, settings_of({}))
    asyncio.run(_look_and_hear(observer))
    return written.records


async def _look_and_hear(observer: Observer) -> None:
    await observer.look()
    await observer.hear()


def with_instance(instance_id: str) -> CloudGroupObserved:
    instance = CloudInstance(instance_id, "pending")
    return replace(GROUP, instances=(instance,), instances_total=1)


def test_the_groups_are_looked_at_before_a_notice_of_news_is_told() -> None:
    class Later(Cloud):
        async def groups(
            self, cell: str, names: Collection[str], now_ms: int
        ) -> list[CloudGroupObserved]:
            found = await super().groups(cell, names, now_ms)
            self.group = with_instance("i-1")  # It is there at the next look.
            return found

    cloud = Later(COMES)
    told = hear(cloud)
    assert [type(each) for each in told] == [
        CloudGroupObserved,
        CloudGroupObserved,
        InstanceNoticed,
    ]
    assert told[1].instances[0].instance_id == "i-1"
    assert cloud.queue == {}


def test_a_launch_of_which_the_cloud_does_not_tell_yet_keeps_its_notice_waiting() -> None:
    elsewhere = replace(COMES, group="of-another-cell")
    spot = InstanceNoticed("", "i-2", "interruption")
    cloud = Cloud(COMES, elsewhere, spot)
    told = [each for each in hear(cloud) if isinstance(each, InstanceNoticed)]
    assert told == [elsewhere, spot]
    assert cloud.queue == {"0": COMES}


def test_what_is_known_is_told_at_once() -> None:
    cloud = Cloud(COMES)
    cloud.group = with_instance("i-1")
    assert len(hear(cloud)) == 2
    assert cloud.queue == {}
