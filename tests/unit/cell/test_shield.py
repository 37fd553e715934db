"""Offers while the fold cannot decide: given back, told in the log, asked for again afterwards.

A leader stands behind a record that nobody can read. Its manager notes every call; what is written
to topic ``mesos`` is kept, and copied into the log when the test says so.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.structs import RecordMetadata, TopicPartition

from scheduler.inbound_runs import InboundRuns
from scheduler.model.address import Source
from scheduler.model.codec import digest_of
from scheduler.model.effects import DeclineOffers, Revive
from scheduler.model.events import CellEvent, Copied
from scheduler.model.ids import Generation, OfferId
from scheduler.model.inbound import RecordSkipped
from scheduler.model.mesos import MesosRecord, OfferRescinded, OffersReceived
from scheduler.model.resources import Resources
from streams.cell import shield as shield_module
from streams.cell.follower import LogRecord
from streams.cell.lead import Lead
from streams.cell.shield import REFUSE_MS, OfferShield
from streams.cell.surroundings import Pace
from tests.support.cell import offer_of, running_cell, subscription
from tests.support.leading import HeldLog, WitnessManager

POISON = b"nobody can read this"
TICK_S = 0.005


class Scene:
    """A leader, its shield, and what it has written to topic ``mesos``."""

    def __init__(self) -> None:
        self.cell = running_cell(hosts=2)
        self.log = HeldLog(self.cell)
        self.manager = WitnessManager()
        self.lead = Lead(
            self.log.follower, self.log, self.cell.epoch, pace=Pace(tick_s=TICK_S, silence_s_max=60)
        )
        self.shield = OfferShield(self.lead, self.log.follower, self.manager)
        self.written: list[MesosRecord] = []
        self._first = self.cell.inbound["mesos"] + 1

    async def write(self, record: MesosRecord) -> asyncio.Future[RecordMetadata]:
        """Durable at once."""
        offset = self._first + len(self.written)
        self.written.append(record)
        done: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        place = TopicPartition("mesos", 0)
        done.set_result(RecordMetadata("mesos", 0, place, offset, 0, 0, None))
        return done

    async def hear(self, record: MesosRecord) -> None:
        """The stream brings a record."""
        _ = await self.write(record)
        await self.shield.heard(record, self.write)

    async def offer(self, host: str) -> OfferId:
        """The stream brings the offer of a host."""
        offer = offer_of(f"of-{host}", host, Resources(1_000, 512, 1_000))
        await self.hear(OffersReceived(stream_id=self.cell.stream_id, offers=(offer,)))
        return offer.offer_id

    def halt(self) -> None:
        """A record comes that nobody can read."""
        self.poison = len(self.log.records)
        self.log.records.append(LogRecord(self.poison, POISON))
        self.log.read_back()
        assert self.log.follower.halt is not None

    def skip(self) -> None:
        """An operator lets the fold go on; it is folded anew and is whole again."""
        skip = RecordSkipped(self.poison, digest_of(POISON), "ann", "a test")
        source = Source("commands", Generation("0c0c0c0c"), 0, 0, -1)
        self.log.add(self.cell.epoch, Copied(source=source, body=skip))
        self.log.read_back()
        while self.log.follower.wanted_offset < len(self.log.records):
            self.log.read_back()
        assert not self.lead.is_behind()

    def ingest(self) -> None:
        """Copy what was written to topic ``mesos`` into the log."""
        state = self.log.follower.machine.state
        runs = InboundRuns(0, state.watermarks.get(("mesos", 0)), state.hosts)
        events: list[CellEvent] = []
        for index, record in enumerate(self.written):
            events += runs.add(self._first + index, record, 0)
        self.log.add(self.cell.epoch, *events, *runs.flush())
        self.log.read_back()

    def declined(self) -> list[OfferId]:
        """Every offer that was given back, in order."""
        calls = [each for each, _ in self.manager.calls if isinstance(each, DeclineOffers)]
        assert all(each.refuse_ms == REFUSE_MS for each in calls)
        return [offer for each in calls for offer in each.offer_ids]

    def rescinded(self) -> list[OfferId]:
        """What the log will learn of them."""
        return [each.offer_id for each in self.written if isinstance(each, OfferRescinded)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds."""
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(TICK_S)


def with_a_shield(
    monkeypatch: pytest.MonkeyPatch, scenario: Callable[[Scene], Awaitable[None]]
) -> None:
    """Run the scenario beside a shield that goes up at once."""
    monkeypatch.setattr(shield_module, "UP_AFTER_S", 0.0)

    async def run() -> None:
        scene = Scene()
        await scene.shield.heard(subscription(scene.cell.stream_id, scene.cell.epoch), scene.write)
        watching = asyncio.create_task(scene.shield.run(scene.write))
        try:
            await scenario(scene)
            assert not watching.done(), "the leader would have ended"
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(run())


def test_a_fold_that_goes_on_keeps_its_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.offer("host9")
        await asyncio.sleep(10 * TICK_S)
        assert not scene.manager.calls
        assert not scene.shield.is_up

    with_a_shield(monkeypatch, scenario)


def test_a_halted_fold_gives_back_what_it_holds_and_all_that_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(scene: Scene) -> None:
        held = set(scene.cell.state.offers)
        assert len(held) == 2
        unread = await scene.offer("host8")  # Written, and not folded when the halt came.
        scene.halt()
        await scene.until(lambda: len(scene.declined()) == 3)
        assert set(scene.declined()) == held | {unread}
        later = await scene.offer("host9")
        assert scene.declined()[-1] == later
        assert scene.rescinded() == scene.declined()
        assert scene.written.index(OfferRescinded(scene.cell.stream_id, later)) == (
            len(scene.written) - 1
        ), "behind the offer itself"

    with_a_shield(monkeypatch, scenario)


def test_it_stays_up_until_the_fold_knows_and_then_asks_for_offers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(scene: Scene) -> None:
        scene.halt()
        await scene.until(lambda: len(scene.rescinded()) == 2)
        await scene.offer("host9")
        scene.skip()
        await asyncio.sleep(10 * TICK_S)
        assert scene.shield.is_up, "the fold still believes that it holds offers"
        assert scene.log.follower.machine.state.offers
        scene.ingest()
        assert not scene.log.follower.machine.state.offers
        await scene.until(lambda: not scene.shield.is_up)
        await scene.until(lambda: any(isinstance(c, Revive) for c, _ in scene.manager.calls))
        before = len(scene.declined())
        await scene.offer("host10")
        assert len(scene.declined()) == before

    with_a_shield(monkeypatch, scenario)


def test_a_new_stream_begins_without_a_shield_and_raises_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(scene: Scene) -> None:
        scene.halt()
        await scene.until(lambda: scene.shield.is_up)
        another = subscription("stream-2", scene.cell.epoch)  # type: ignore[arg-type] # an id
        before = len(scene.declined())
        await scene.hear(another)
        offer = offer_of("of-2", "host2", Resources(1_000, 512, 1_000))
        await scene.hear(OffersReceived(stream_id=another.stream_id, offers=(offer,)))
        await scene.until(lambda: offer.offer_id in scene.declined())
        assert scene.declined()[before:] == [offer.offer_id], "those of the old stream are void"
        assert scene.manager.calls[-1][1] == another.stream_id

    with_a_shield(monkeypatch, scenario)
