"""The outbox acts on what it has read back and the fold has accepted; on nothing else.

The log is held between acknowledgement and read-back, where the worst moments lie.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from scheduler.model.address import Source
from scheduler.model.codec import decode_record, digest_of
from scheduler.model.effects import AcceptOffers
from scheduler.model.events import Copied, EffectEnded, EffectStarted, LeaderElected
from scheduler.model.ids import Generation
from scheduler.model.inbound import PartitionBegan, RecordSkipped
from streams.cell.follower import LogRecord
from streams.cell.lead import LeadershipLost
from streams.cell.outbox import Outbox
from tests.support.cell import CellInMemory, batch, running_cell
from tests.support.leading import HeldLog, WitnessManager, turns

Scenario = Callable[[CellInMemory, HeldLog, WitnessManager, "asyncio.Task[None]"], Awaitable[None]]


def with_an_accepted_launch(scenario: Scenario) -> None:
    """Run the scenario beside an outbox whose cell has accepted one launch and started none."""

    async def run() -> None:
        cell = running_cell()
        cell.decide_and_carry_out()
        cell.submit(batch(1))
        ((proposal_id, _),) = cell.decide()
        assert proposal_id in cell.state.decisions
        log, manager = HeldLog(cell), WitnessManager()
        outbox = asyncio.create_task(Outbox(log.lead(cell.epoch), log.follower, manager).run())
        await turns()
        try:
            await scenario(cell, log, manager, outbox)
        finally:
            outbox.cancel()
            await asyncio.gather(outbox, return_exceptions=True)

    asyncio.run(run())


def test_an_acknowledgement_is_not_acceptance() -> None:
    async def scenario(
        _: CellInMemory, log: HeldLog, manager: WitnessManager, __: "asyncio.Task[None]"
    ) -> None:
        # EffectStarted is in the log and acknowledged; until it is read back nothing may leave.
        assert not manager.calls
        log.read_back()
        await turns()
        (call,) = manager.calls
        assert isinstance(call[0], AcceptOffers)

    with_an_accepted_launch(scenario)


def test_a_launch_that_another_leader_overtook_never_leaves() -> None:
    async def scenario(
        cell: CellInMemory, log: HeldLog, manager: WitnessManager, outbox: "asyncio.Task[None]"
    ) -> None:
        # Both records are durable: ours, and an election that stands behind it.
        log.add(-1, LeaderElected(candidate="cell-1", incarnation="other"))
        log.read_back()
        await turns()
        assert not manager.calls
        assert outbox.done()
        with pytest.raises(BaseExceptionGroup) as raised:
            outbox.result()
        assert raised.group_contains(LeadershipLost)
        assert cell.epoch < log.follower.machine.state.epoch

    with_an_accepted_launch(scenario)


def test_what_was_started_before_a_halt_leaves_when_the_fold_goes_on() -> None:
    # Between our EffectStarted and its read-back stands a record that nobody can read. While the
    # fold is halted nothing leaves; when an operator has skipped it, the launch does.
    async def scenario(
        cell: CellInMemory, log: HeldLog, manager: WitnessManager, __: "asyncio.Task[None]"
    ) -> None:
        poison = len(log.records)
        log.records.append(LogRecord(poison, b"poison"))
        log.read_back()
        await turns()
        assert log.follower.halt is not None
        assert not manager.calls
        skip = RecordSkipped(offset=poison, digest=digest_of(b"poison"), actor="ann", why="a test")
        generation = Generation("0a0b0c0d")
        began = Copied(
            source=Source("commands", generation, 0, 0, -1),
            body=PartitionBegan(generation=generation),
        )
        log.add(
            cell.epoch, began, Copied(source=Source("commands", generation, 0, 1, 0), body=skip)
        )
        for _ in range(3):
            log.read_back()
            await turns()
        assert log.follower.halt is None
        (call,) = manager.calls
        assert isinstance(call[0], AcceptOffers)

    with_an_accepted_launch(scenario)


def test_the_outcome_is_written_and_nothing_is_sent_twice() -> None:
    async def scenario(
        cell: CellInMemory, log: HeldLog, manager: WitnessManager, __: "asyncio.Task[None]"
    ) -> None:
        for _ in range(5):
            log.read_back()
            await turns()
        assert len(manager.calls) == 1
        assert not log.follower.machine.state.decisions
        written = [
            event
            for record in log.records[len(cell.log) :]
            for event in decode_record(record.value).events
        ]
        assert [type(event) for event in written] == [EffectStarted, EffectEnded]

    with_an_accepted_launch(scenario)
