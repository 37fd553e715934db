"""Faults that only a leader's process notices: each pages, and the rest of the leader goes on."""

import asyncio
from typing import Any, NamedTuple, cast

import pytest
from aiokafka.structs import TopicPartition
from structlog.testing import capture_logs

from scheduler.model.codec import encode_mesos
from scheduler.model.ids import TaskId
from scheduler.model.inbound import PartitionBegan
from streams.cell import leader as leading
from streams.cell.context import CellContext
from streams.cell.ingest import Ingest
from streams.cell.leader import Leader
from streams.cell.shield import OfferShield
from streams.cell.surroundings import Surroundings
from tests.support.cell import GENERATION, batch, running_cell
from tests.support.leading import HeldLog, WitnessManager, turns


class First(NamedTuple):
    """Record 0 of a partition."""

    value: bytes


class ShortTopic:
    """A partition that Kafka has less of than was copied from it."""

    async def start(self) -> None:
        """Nothing to connect."""

    async def stop(self) -> None:
        """Nothing to end."""

    def assign(self, places: list[TopicPartition]) -> None:
        """There is one."""

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Wherever."""

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Its beginning is there."""
        return {places[0]: 0}

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Only its first record is."""
        return {places[0]: 1}

    async def getone(self, place: TopicPartition) -> First:
        """The first record, of the same generation as ever."""
        assert place.partition == 0
        return First(encode_mesos(PartitionBegan(generation=GENERATION)))


def test_a_topic_that_lost_what_was_copied_pages_and_nothing_of_it_is_copied() -> None:
    """Its new records would stand at offsets that the fold takes for known."""
    cell = running_cell(hosts=1)
    assert cell.state.watermarks["mesos", 0].offset > 1

    async def run() -> list[str]:
        log = HeldLog(cell)
        before = len(log.records)
        surroundings = Surroundings(open_consumer=lambda *_: ShortTopic())
        lead = log.lead(cell.epoch)
        ingest = Ingest(lead, log.follower, "nowhere", "mesos", "mesos", surroundings=surroundings)
        with capture_logs() as lines:
            copying = asyncio.create_task(ingest.run())
            await turns()
            assert ingest.is_backlog_copied.is_set(), "the leader's other lanes go on"
            assert not copying.done()
            copying.cancel()
            await asyncio.gather(copying, return_exceptions=True)
        assert len(log.records) == before
        return [str(line["why"]) for line in lines if line.get("page")]

    (why,) = asyncio.run(run())
    assert "ends at 1, but records up to" in why


def test_an_exception_of_decide_pages_and_the_decider_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kill list that names a task of nowhere, as a mistake of ours might; then it is mended."""
    monkeypatch.setattr(leading, "DECIDE_PAUSE_S", 0.001)
    cell = running_cell(hosts=1)
    (task_id,) = cell.run(batch(1))
    cell.kill_task(task_id)

    async def run() -> None:
        log = HeldLog(cell)
        state = log.follower.machine.state
        state.killing[TaskId("nowhere")] = None
        lead = log.lead(cell.epoch)
        with capture_logs() as lines:
            manager = WitnessManager()
            shield = OfferShield(lead, log.follower, manager)
            leader = Leader(_context(log), lambda _: manager)
            deciding = asyncio.create_task(leader._decide(lead, shield))
            while not any(line.get("page") for line in lines):
                await asyncio.sleep(0.001)
            assert not deciding.done()
            del state.killing[TaskId("nowhere")]
            log.follower.take([])
            async with asyncio.timeout(5):
                while not _has_decided(log):
                    await asyncio.sleep(0.001)
                    log.follower.take([])
            deciding.cancel()
            await asyncio.gather(deciding, return_exceptions=True)
        assert lines[0]["event"] == "decide failed; it pauses"

    asyncio.run(run())


def _has_decided(log: HeldLog) -> bool:
    return b'"type":"KillTask"' in log.records[-1].value


def _context(log: HeldLog) -> CellContext:
    """What a decider uses of a cell, which is its fold."""
    nothing = cast("Any", None)
    return CellContext(log.follower, nothing, nothing, nothing, "nowhere", "", "cell-0", "test")
