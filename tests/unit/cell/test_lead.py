"""The right to act: gone with another election, and with five seconds of silence."""

import asyncio

import pytest

from scheduler.model.codec import decode_record
from scheduler.model.events import LeaderElected, Tick
from scheduler.model.inbound import LeaderDismissed
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.cell.lead import Lead, LeadershipLost
from streams.cell.surroundings import PACE
from streams.cell.writer import CellLog
from tests.support.cell import CellInMemory, running_cell
from tests.support.leading import HeldLog


def leading(cell: CellInMemory, clock: list[float]) -> tuple[Lead, Follower]:
    """A lead of the cell's present epoch, with a clock that the test moves, and its fold."""
    follower = Follower("cell", 0, BareFold)
    follower.take([LogRecord(at, data) for at, data in enumerate(cell.log)])
    lead = Lead(follower, CellLog(None, "cell", 0, "test"), cell.epoch, lambda: clock[0])
    follower.hearers.append(lead.heard)
    return lead, follower


def test_a_leader_may_act_until_another_is_elected() -> None:
    cell, clock = running_cell(), [100.0]
    lead, follower = leading(cell, clock)
    lead.check()
    assert not lead.is_behind()
    offset = cell.write(LeaderElected(candidate="cell-1", incarnation="other"), epoch=-1)
    follower.take([LogRecord(offset, cell.log[offset])])
    with pytest.raises(LeadershipLost, match="another leader was elected"):
        lead.check()


def test_a_leader_that_an_operator_dismissed_may_act_no_more_and_the_next_one_may() -> None:
    cell, clock = running_cell(), [100.0]
    lead, follower = leading(cell, clock)
    cell.copy("commands", LeaderDismissed(epoch=cell.epoch, actor="op", why="upgrade"))
    follower.take(
        [LogRecord(at, cell.log[at]) for at in range(follower.seen_offset + 1, len(cell.log))]
    )
    with pytest.raises(LeadershipLost, match="an operator"):
        lead.check()
    cell.elect("cell-1")
    newer, _ = leading(cell, clock)
    newer.check()


def test_silence_ends_the_right_and_a_record_of_ours_renews_it() -> None:
    cell, clock = running_cell(), [100.0]
    lead, _ = leading(cell, clock)
    clock[0] += PACE.silence_s_max - 0.1
    lead.check()
    cell.tick()
    lead.heard(decode_record(cell.log[-1]))
    clock[0] += PACE.silence_s_max - 0.1
    lead.check()
    clock[0] += 0.2
    with pytest.raises(LeadershipLost, match="read back"):
        lead.check()


def test_a_record_of_another_epoch_renews_nothing() -> None:
    cell, clock = running_cell(), [100.0]
    lead, _ = leading(cell, clock)
    clock[0] += PACE.silence_s_max + 1
    cell.write(LeaderElected(candidate="cell-1", incarnation="other"), epoch=-1)
    lead.heard(decode_record(cell.log[-1]))
    with pytest.raises(LeadershipLost):
        lead.check()


def test_a_log_that_lost_acknowledged_records_ends_the_right_at_the_next_record() -> None:
    # Else the leader would take records of before for its own read back, and go on.
    cell = running_cell()
    log = HeldLog(cell)
    lead = log.lead(cell.epoch)
    asyncio.run(lead.write([Tick()]))
    log.read_back()
    del log.records[-3:]
    with pytest.raises(LeadershipLost, match="lost acknowledged records"):
        asyncio.run(lead.write_and_read_back([Tick()]))
