"""Poison in the cell log (faults 16, 17): the fold halts there, names it, and touches nothing."""

import pytest

from scheduler.digest import canonical_bytes
from scheduler.model.codec import digest_of
from streams.cell.follower import BareFold, Follower, LogRecord
from tests.support.cell import batch, running_cell

RECORD = b'{"version":1,"epoch":3,"at_ms":1,"events":[%b]}'
TICK = b'{"type":"Tick"}'
POISON = {
    "no bytes (a tombstone)": b"",
    "no JSON": b"{'version'",
    "another wire format's magic": b"\x00\x00\x00\x00\x2a\x08\x96\x01",
    "no record": b'["version", 1]',
    "no version": RECORD.replace(b'"version":1,', b"") % TICK,
    "a version of the future": RECORD.replace(b'"version":1', b'"version":2') % TICK,
    "a version that is no number": RECORD.replace(b'"version":1', b'"version":true') % TICK,
    "an unknown event": RECORD % b'{"type":"TasksEndedAll"}',
    "an unknown field": RECORD % b'{"type":"Tick","kill":"all"}',
    "no events": RECORD % b"",
    "a number beyond all": RECORD.replace(b'"at_ms":1', b'"at_ms":1e400') % TICK,
    "half a surrogate": RECORD % b'{"type":"EffectStarted","proposal_id":"\\ud800"}',
    "deeply nested": b"[" * 100_000 + b"]" * 100_000,
    "16 MiB of nothing": b"x" * (16 * 1024 * 1024),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_poison_halts_at_its_offset_and_changes_nothing(poison: bytes) -> None:
    cell = running_cell()
    cell.run(batch(2))
    follower = Follower("cell", 0, BareFold)
    follower.take([LogRecord(offset, data) for offset, data in enumerate(cell.log)])
    before = canonical_bytes(follower.machine.state)
    follower.take([LogRecord(len(cell.log), poison), LogRecord(len(cell.log) + 1, cell.log[-1])])
    halt = follower.halt
    assert halt is not None
    assert (halt.offset, halt.digest) == (len(cell.log), digest_of(poison))
    assert canonical_bytes(follower.machine.state) == before
    assert f"cell[0] halted at offset {len(cell.log)}" in halt.sentence()
    assert len(halt.sentence()) < 2_000, "what is wrong with it, and not the poison itself"


def test_records_that_kafka_dropped_below_the_fold_halt_it_and_say_what_is_needed() -> None:
    cell = running_cell()
    follower = Follower("cell", 0, BareFold)
    follower.take([LogRecord(offset, data) for offset, data in enumerate(cell.log[:3])])
    follower.stop_at_hole(begins=5, ends=9)
    assert follower.halt is not None
    assert "the log begins at 5, the fold needs offset 3" in follower.halt.cause
    assert "snapshot" in follower.halt.cause
