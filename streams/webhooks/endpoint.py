"""One webhook: reads its events, sends those that are wanted, and remembers what was taken.

The one thing to know: each has a place, a circuit and threads of its own, so a receiver that is
slow or dead delays nobody else. Events of one job are sent one after the other, those of several
jobs side by side. An event that a receiver cannot take, though it takes others, is set aside: it
must not hold up all that come behind it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

import msgspec
import structlog
from aiokafka.errors import KafkaError

from connectors.cancelling import TaskGroup
from connectors.ports import RegistrationFailed
from connectors.webhooks.client import DeliveryFailed, Sender
from connectors.webhooks.secrets import SecretMissing, Secrets
from connectors.webhooks.translate import Event
from scheduler.model.webhooks import WebhookStanding
from streams.clock import now_ms
from streams.webhooks.circuit import PACE, Circuit, Pace
from streams.webhooks.told import Applications, Filter, Hook

logger = structlog.get_logger(__name__)

LANES: Final = 4
"""Requests to one receiver at once."""
KEEP_S: Final = 600.0
"""A place is remembered anew at least so often: Kafka forgets one of seven silent days."""
AGAIN_S: Final = 2.0
FAILURES_TOLD: Final = 3
"""A receiver that is away for a moment is no news."""
UNFIT: Final = frozenset((400, 413, 415, 422))
"""By these a receiver says that it is the event that it cannot take, and not that it is unwell."""
TRIES_MAX: Final = 5
"""Of an event that is answered so: half a minute with the usual pauses."""


ANSWERS: Final = frozenset({"RequestAccepted", "JobRejected"})
"""Of requests that are about no job they are news for who asked, and for who names the kind."""


class EventFeed(Protocol):
    """Where events come from."""

    async def open(self) -> None:
        """Go to where this webhook is."""

    async def read(self) -> list[Event]:
        """The next events, be it none."""

    async def keep(self) -> None:
        """Remember that what was read has been taken."""

    async def close(self) -> None:
        """Give back the connection."""


class Outside:
    """What all webhooks share of the world."""

    def __init__(self, sender: Sender, secrets: Secrets, applications: Applications) -> None:
        self.sender = sender
        self.secrets = secrets
        self.applications = applications


class Endpoint:
    """Runs one webhook; `run` until it is cancelled."""

    def __init__(
        self,
        hook: Hook,
        outside: Outside,
        feed_of: Callable[[Hook], EventFeed],
        pace: Pace = PACE,
    ) -> None:
        self.hook = hook
        self.circuit = Circuit(pace)
        self._outside = outside
        self._feed_of = feed_of
        self.set_aside = 0
        """Events that the receiver could not take, since this process began."""
        self._last_set_aside = ""
        self._failing_since_ms = hook.standing_since_ms if hook.standing == "failing" else 0
        self._threads = ThreadPoolExecutor(LANES, thread_name_prefix=f"webhook-{hook.name}")

    @property
    def standing(self) -> WebhookStanding:
        """How it goes, as the cell should know it; empty where that is not known yet."""
        circuit = self.circuit
        if circuit.failures:
            since_ms = self._failing_since_ms
            if since_ms and now_ms() >= since_ms + self.hook.pause_after_s * 1_000:
                return "paused"
            return "failing" if circuit.failures >= FAILURES_TOLD else ""
        return "delivering" if circuit.taken else ""

    @property
    def detail(self) -> str:
        """What there is to say of how it goes; empty where all is well."""
        if self.circuit.failures or not self.set_aside:
            return self.circuit.detail
        events = "1 event was" if self.set_aside == 1 else f"{self.set_aside} events were"
        return f"{events} set aside, for the receiver takes others: {self._last_set_aside}"

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        try:
            while True:
                feed = self._feed_of(self.hook)
                try:
                    await self._follow(feed)
                except (KafkaError, OSError) as error:
                    logger.warning("events cannot be read", webhook=self.hook.name, why=repr(error))
                    await asyncio.sleep(AGAIN_S)
                finally:
                    await feed.close()
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _follow(self, feed: EventFeed) -> None:
        loop = asyncio.get_running_loop()
        await feed.open()
        kept_s = loop.time()
        while True:
            events = await feed.read()
            await self._send_all([each for each in events if await self._is_wanted(each)])
            if events or loop.time() >= kept_s + KEEP_S:
                await feed.keep()
                kept_s = loop.time()

    async def _is_wanted(self, event: Event) -> bool:
        wanted = self.hook.filter
        if not fits(wanted, event):
            return False
        if not wanted.applications:
            return True
        while True:
            try:
                application = await self._outside.applications.of(event.subject)
            except RegistrationFailed as error:
                logger.warning("a job's application is not known", why=str(error))
                await asyncio.sleep(AGAIN_S)
                continue
            return application in wanted.applications

    async def _send_all(self, events: Iterable[Event]) -> None:
        """Return once the receiver has taken all of them."""
        by_job: defaultdict[str, list[Event]] = defaultdict(list)
        for each in events:
            by_job[each.subject].append(each)
        gate = asyncio.Semaphore(LANES)

        async def lane(of_job: list[Event]) -> None:
            async with gate:
                for each in of_job:
                    await self._sent(each)

        if by_job:
            async with TaskGroup() as group:
                for of_job in by_job.values():
                    group.create_task(lane(of_job))

    async def _sent(self, event: Event) -> None:
        """Return once the receiver has taken it, or has shown that it never will."""
        refusals = 0
        while True:
            try:
                async with self.circuit.turn():
                    await self.once(event)
            except DeliveryFailed as error:
                if self.circuit.failures == 1:
                    logger.warning("not delivered", webhook=self.hook.name, why=str(error))
                self._failing_since_ms = self._failing_since_ms or now_ms()
                refusals = refusals + 1 if error.status in UNFIT else 0
                if refusals < TRIES_MAX or not await self._takes_others(event):
                    continue
                self._put_aside(event, str(error))
            self._failing_since_ms = 0
            return

    def _put_aside(self, event: Event, why: str) -> None:
        self.set_aside += 1
        self._last_set_aside = f"{event.id} ({event.kind}): {why}"
        name = self.hook.name
        logger.error("an event is set aside", webhook=name, event_id=event.id, why=why)

    async def _takes_others(self, event: Event) -> bool:
        """Whether the receiver takes an event that only tries it: it is well then.

        One that refuses everything is waited for, as always.
        """
        data = msgspec.json.encode({"type": "Test", "webhook": self.hook.name})
        try:
            async with self.circuit.turn():
                await self.once(Event(f"{event.id}.test", "Test", event.source, "", data))
        except DeliveryFailed:
            return False
        return True

    async def tried(self, address: str, cell: str) -> tuple[bool, str]:
        """Whether the receiver took an event that only tries it, and what it answered."""
        data = msgspec.json.encode({"type": "Test", "webhook": self.hook.name})
        try:
            status = await self.once(Event(address, "Test", f"/flumina/cells/{cell}", "", data))
        except DeliveryFailed as error:
            return False, str(error)
        return True, f"answered {status}"

    async def once(self, event: Event) -> int:
        """The status with which the receiver took it, asked once; raises `DeliveryFailed`."""
        hook = self.hook
        try:
            secret = self._outside.secrets.of(hook.secret)
        except SecretMissing as error:
            raise DeliveryFailed(str(error)) from error
        loop = asyncio.get_running_loop()
        send = self._outside.sender.send
        return await loop.run_in_executor(
            self._threads, send, hook.url, hook.name, event, secret, now_ms()
        )


def fits(wanted: Filter, event: Event) -> bool:
    """Whether an event is wanted, by all but its application."""
    if wanted.kinds and event.kind not in wanted.kinds:
        return False
    if not wanted.kinds and not event.subject and event.kind in ANSWERS:
        return False
    if wanted.job_ids and event.subject not in wanted.job_ids:
        return False
    if wanted.applications and not event.subject:
        return False
    return not wanted.states or event.state in wanted.states
