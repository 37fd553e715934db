"""The fleet process: asks the cloud what there is, and tells the cell, until a signal.

The one thing to know: it decides nothing, and may be killed at any time; a cell that hears nothing
of a group leaves that group alone. What is asked of the cloud is asked by whoever leads the cell
(`streams.fleet.outbox`), not here.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from http.client import HTTPException
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.cancelling import end_all
from connectors.cloud.opening import open_cloud
from connectors.cloud.ports import CloudFailed, CloudGroups
from scheduler.model.codec import encode_hosts
from scheduler.model.fleet import CloudGroupObserved, FleetReport, InstanceNoticed
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.cell.writer import our_producer
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.fleet.counts import FleetCounts
from streams.fleet.networks import NetworkReports
from streams.fleet.reports import Reports
from streams.fleet.warm_pools import PoolReports
from streams.metrics_server import metrics_served
from streams.probes import Probes
from streams.settings import Settings
from streams.stopping import stop_event

if TYPE_CHECKING:
    from streams.fleet.metrics import FleetCollector

logger = structlog.get_logger(__name__)

FAULT_PAUSE_S: Final = 10.0
REST_S: Final = 1.0
PAUSE_S_MAX: Final = 120.0
"""After failures the pause doubles up to this."""
ANSWER_S_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = 16 << 20
RULES: Final = "/api/flumina/fleet/rules"
ACTOR: Final = "flumina-fleet"


class Observer:
    """Groups and notices of a cloud, told to topic ``hosts``."""

    def __init__(self, cloud: CloudGroups, producer: AIOKafkaProducer, settings: Settings) -> None:
        self._cloud = cloud
        self._producer = producer
        self._topic = settings.topic_prefix + "hosts"
        self._partition = settings.partition
        self._cell = settings.cell
        self._reports = Reports()
        self._networks = NetworkReports()
        self._pools = PoolReports()
        self.counts = FleetCounts()
        self.trouble = ""
        """Why the cloud's groups are not known now; empty where they are."""
        self.is_network = False
        """Whether the cell's rules have a part about the network."""
        self.names: frozenset[str] = frozenset()
        """Groups of the cell's rules; they are looked for whatever their tags say."""
        self._instances: dict[str, frozenset[str]] = {}
        """The instances that were told of, by group."""
        self._one_look = asyncio.Lock()

    async def look(self) -> None:
        """Ask for the groups and write what is new; raises `CloudFailed`, `KafkaError`."""
        async with self._one_look:
            await self._look()

    async def _look(self) -> None:
        seen = await self._cloud.groups(self._cell, self.names, now_ms())
        self.counts.looks += 1
        self.counts.looked_at_ms = now_ms()
        self.counts.instances = {each.group: len(each.instances) for each in seen}
        reports = self._reports.of(seen, now_ms())
        try:
            for each in reports:
                await self._write(each.group, each)
        except (KafkaError, TimeoutError):
            self._reports.forget()  # Who knows what was written: all is told anew.
            raise
        self._instances = {
            group.group: frozenset(each.instance_id for each in group.instances) for group in seen
        }
        if self.names:
            await self._look_at_pools()
        if self.is_network:
            await self._look_at_networks(seen)

    async def _look_at_pools(self) -> None:
        """Ask for the warm pools of the groups of the rules and write what is new."""
        reports = self._pools.of(await self._cloud.warm_pools(self.names, now_ms()), now_ms())
        try:
            for each in reports:
                await self._write(each.group, each)
        except (KafkaError, TimeoutError):
            self._pools.forget()
            raise

    async def _look_at_networks(self, groups: Sequence[CloudGroupObserved]) -> None:
        """Ask for the interfaces of all instances and write what is new."""
        there = [
            (group.group, each.instance_id)
            for group in groups
            for each in group.instances
            if each.state == "inService"
        ]
        reports = self._networks.of(await self._cloud.networks(there, now_ms()), now_ms())
        try:
            for each in reports:
                await self._write(each.instance_id, each)
        except (KafkaError, TimeoutError):
            self._networks.forget()
            raise

    async def hear(self) -> int:
        """Write notices that wait and take them off; how many there were.

        A cell makes nothing of a notice of an instance that it was not told of, so the groups are
        looked at first. One of ours that still is in no answer keeps its notice waiting: the queue
        gives it once more.
        """
        notices = await self._cloud.notices(now_ms())
        if any(each.body is not None and self._is_news(each.body) for each in notices):
            await self.look()
        heard = [each for each in notices if each.body is None or not self._is_early(each.body)]
        for each in heard:
            if each.body is not None:
                await self._write(each.body.instance_id, each.body)
        self.counts.notices += len(heard)
        await self._cloud.taken([each.handle for each in heard])
        return len(heard)

    def _is_news(self, notice: InstanceNoticed) -> bool:
        return not any(notice.instance_id in there for there in self._instances.values())

    def _is_early(self, notice: InstanceNoticed) -> bool:
        """Whether it comes before the cloud tells of its instance: only who launches can."""
        is_ours = notice.kind == "launching" and notice.group in self._instances
        return is_ours and self._is_news(notice)

    async def _write(self, key: str, report: FleetReport | InstanceNoticed) -> None:
        self.counts.reports += 1
        await self._producer.send_and_wait(
            self._topic, encode_hosts(report), key=key.encode(), partition=self._partition
        )


async def follow_fleet(
    settings: Settings, api: str, metrics_port: int | None = None, probes: Probes | None = None
) -> None:
    """Look and hear until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    if settings.kafka_brokers is None or not settings.cloud:
        raise OperatorError(
            "The fleet process needs a Kafka and a cloud.",
            "KAFKA_BROKERS or FLUMINA_CLOUD is not set.",
            "Set FLUMINA_CLOUD=aws and KAFKA_BROKERS=host:port, or use `flumina up`.",
        )
    stop = stop_event()
    cloud = open_cloud(settings.cloud, settings.cloud_notices)
    producer = our_producer(settings.kafka_brokers, ACTOR)
    await producer.start()
    observer = Observer(cloud, producer, settings)
    metrics = contextlib.ExitStack()
    metrics.enter_context(metrics_served(metrics_port, partial(_collector, observer.counts)))
    probes = probes or Probes()
    probes.why_not_ready = lambda: observer.trouble
    probes.begun(f"ready {settings.cloud}")
    lanes = [
        asyncio.create_task(_looking(observer, api, settings.cloud_look_s)),
        asyncio.create_task(_hearing(observer, is_queue=bool(settings.cloud_notices))),
    ]
    try:
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait([waiting, *lanes], return_when=asyncio.FIRST_COMPLETED)
        for lane in lanes:
            if lane.done():
                lane.result()  # A mistake of ours ends the process, and is seen.
    finally:
        await end_all(*lanes)
        await asyncio.to_thread(metrics.close)
        await producer.stop()
        await cloud.close()


def _collector(counts: FleetCounts) -> "FleetCollector":
    from streams.fleet.metrics import FleetCollector  # noqa: PLC0415 - only who is scraped

    return FleetCollector(counts)


async def _looking(observer: Observer, api: str, look_s: float) -> None:
    pause_s, said = look_s, ""
    while True:
        try:
            known = observer.names, observer.is_network
            observer.names, observer.is_network = await asyncio.to_thread(_rules, api, known)
            await observer.look()
            pause_s, said = look_s, ""
            observer.trouble = ""
        except (CloudFailed, KafkaError, TimeoutError) as error:
            observer.counts.failures += 1
            pause_s = min(2 * pause_s, PAUSE_S_MAX)
            if str(error) != said:
                logger.warning("the cloud's groups are not known", why=str(error))
            said = observer.trouble = str(error)
        await asyncio.sleep(pause_s)


async def _hearing(observer: Observer, *, is_queue: bool) -> None:
    pause_s = FAULT_PAUSE_S
    while is_queue:
        try:
            # With more waiting there is no pause; the queue itself waits for the next, mostly.
            heard = await observer.hear()
            pause_s = FAULT_PAUSE_S
            if not heard:
                await asyncio.sleep(REST_S)
        except (CloudFailed, KafkaError, TimeoutError) as error:
            observer.counts.failures += 1
            pause_s = min(2 * pause_s, PAUSE_S_MAX)
            logger.warning("the cloud's notices are not heard", why=str(error))
            await asyncio.sleep(pause_s)
    await asyncio.Event().wait()


def _rules(api: str, known: tuple[frozenset[str], bool]) -> tuple[frozenset[str], bool]:
    """The groups of the cell's rules, and whether they have a part about the network.

    Those known before where the API does not answer.
    """
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"{api.rstrip('/')}{RULES}", timeout=ANSWER_S_MAX) as answer:
            body = answer.read(ANSWER_BYTES_MAX)
        rules = msgspec.json.decode(body)["rules"]
        groups: Sequence[dict[str, object]] = rules["groups"]
        return frozenset(str(each["name"]) for each in groups), "network" in rules
    except (URLError, HTTPException, OSError, KeyError, TypeError, *BAD_BYTES) as error:
        logger.info("the rules of the fleet are not known", why=str(error))
        return known
