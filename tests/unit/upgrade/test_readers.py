"""Readers announce, writers wait: what a leader may write follows from who lives and reads what."""

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from scheduler.machine import FOLD_VERSION
from scheduler.model import codec
from scheduler.model.codec import RECORD_VERSION, decode_record
from scheduler.model.events import Mark, Tick
from streams.cell.writer import encoded_records
from streams.upgrade import gate as gate_module
from streams.upgrade.gate import Gate
from streams.upgrade.reader import (
    LIVE_S,
    Roll,
    common_of,
    decode_reader,
    encode_reader,
    own_kinds,
    reader_here,
)

HERE = reader_here("cell-1", "cell", "9")
OLDER = replace(HERE, name="api-0", role="api", build="8", records=RECORD_VERSION - 1)
LESS = replace(HERE, name="api-0", role="api", kinds=tuple(sorted(own_kinds() - {"Mark"})))


def roll_of(*readers: object) -> Roll:
    roll = Roll(clock=lambda: 100.0)
    for each in readers:
        roll.note(each)  # type: ignore[arg-type]
    return roll


def test_an_announcement_says_what_this_build_reads() -> None:
    assert (HERE.records, HERE.folds) == (RECORD_VERSION, FOLD_VERSION)
    assert {"CellRecord", "LaunchTasks", "Tick", "JobSubmitted"} <= set(HERE.kinds)
    assert decode_reader(encode_reader(HERE)) == HERE


@pytest.mark.parametrize("value", [None, b"", b"{", b'{"name": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_announcement_says_nothing(value: bytes | None) -> None:
    assert decode_reader(value) is None


def test_a_later_build_may_say_more() -> None:
    raw = msgspec.json.decode(encode_reader(HERE)) | {"something": "new"}
    assert decode_reader(msgspec.json.encode(raw)) == HERE


def test_who_is_silent_or_gone_holds_nothing_back() -> None:
    now_s = 100.0
    roll = Roll(clock=lambda: now_s)
    roll.note(OLDER)
    assert roll.common().records == RECORD_VERSION - 1
    now_s += LIVE_S + 1
    assert roll.common().records == RECORD_VERSION
    roll.note(OLDER, age_s=LIVE_S + 1)
    assert roll.live() == []
    roll.note(OLDER)
    roll.note(replace(OLDER, is_gone=True))
    assert roll.live() == []


def test_what_all_can_read_is_the_least_of_each() -> None:
    common = common_of([HERE, OLDER, LESS])
    assert common.records == RECORD_VERSION - 1
    assert common.unknown == {"Mark"}
    assert [each.split()[1] for each in common.holding] == ["api-0", "api-0"]
    assert common_of([HERE]).holding == ()


def test_a_kind_that_a_reader_does_not_know_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "LOOK_S", 0.001)
    roll = roll_of(HERE, LESS)
    gate = Gate(roll)

    async def go() -> None:
        assert await gate.version_for([Tick()]) == RECORD_VERSION  # What all know goes on.
        waiting = asyncio.create_task(gate.version_for([Tick(), Mark()]))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        roll.note(replace(LESS, is_gone=True))
        assert await waiting == RECORD_VERSION

    asyncio.run(go())


def test_an_operator_may_have_it_written_at_once() -> None:
    gate = Gate(roll_of(LESS, OLDER), is_at_once=True)
    assert asyncio.run(gate.version_for([Mark()])) == RECORD_VERSION


def test_a_build_that_cannot_write_the_older_version_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "LOOK_S", 0.001)
    roll = roll_of(OLDER)

    async def go() -> None:
        waiting = asyncio.create_task(Gate(roll).version_for([Tick()]))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        roll.note(replace(OLDER, is_gone=True))
        assert await waiting == RECORD_VERSION

    asyncio.run(go())


def test_with_a_downcaster_the_older_version_is_written_and_never_again_after_the_newer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Expand: the release that brings a version can write the one before. Migrate: once nobody
    # lives who needs that, the new one is written, and stays, whoever comes.
    def lower(raw: codec.Raw) -> codec.Raw:
        return raw | {"events": [each | {"seen": True} for each in raw["events"]]}

    monkeypatch.setattr(codec, "DOWNCASTERS", {RECORD_VERSION - 1: lower})
    roll = roll_of(HERE, OLDER)
    gate = Gate(roll)
    version = asyncio.run(gate.version_for([Tick()]))
    assert version == RECORD_VERSION - 1
    (data,) = encoded_records(1, 2, [Tick()], version)
    raw = msgspec.json.decode(data)
    assert raw["version"] == RECORD_VERSION - 1
    assert raw["events"][0]["seen"] is True
    roll.note(replace(OLDER, is_gone=True))
    assert asyncio.run(gate.version_for([Tick()])) == RECORD_VERSION
    roll.note(OLDER)
    assert asyncio.run(gate.version_for([Tick()])) == RECORD_VERSION
    (data,) = encoded_records(1, 2, [Tick()])
    assert decode_record(data).version == RECORD_VERSION


def test_an_old_build_refuses_a_newer_log_and_names_both_versions() -> None:
    (data,) = encoded_records(1, 2, [Tick()])
    newer = msgspec.json.encode(msgspec.json.decode(data) | {"version": RECORD_VERSION + 1})
    with pytest.raises(
        codec.Undecodable,
        match=f"has version {RECORD_VERSION + 1}, this build knows versions up to {RECORD_VERSION}",
    ):
        decode_record(newer)
