"""Records of the cell log: at most 1,000 events and 512 KiB, in order, nothing left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.model.address import Source
from scheduler.model.codec import RECORD_BYTES_MAX, RECORD_EVENTS_MAX, decode_record
from scheduler.model.events import Copied, Tick
from scheduler.model.ids import Generation, StreamId
from scheduler.model.mesos import Unrecognised
from streams.cell.writer import RecordTooLarge, encoded_records


def copied(number: int, size: int) -> Copied:
    source = Source("mesos", Generation("0a0b0c0d"), 0, number, number - 1)
    return Copied(source=source, body=Unrecognised(stream_id=StreamId("s"), raw="x" * size))


@given(st.lists(st.integers(0, 200_000), max_size=12))
def test_events_are_split_by_size_and_stay_in_order(sizes: list[int]) -> None:
    events = [copied(number, size) for number, size in enumerate(sizes)]
    records = list(encoded_records(7, 1_000, events))
    assert all(len(each) <= RECORD_BYTES_MAX for each in records)
    assert [event for each in records for event in decode_record(each).events] == events
    assert {decode_record(each).epoch for each in records} <= {7}


def test_no_record_holds_more_than_a_thousand_events() -> None:
    records = list(encoded_records(1, 1, [Tick()] * 2_500))
    assert [len(decode_record(each).events) for each in records] == [
        RECORD_EVENTS_MAX,
        RECORD_EVENTS_MAX,
        500,
    ]


def test_an_event_that_fits_no_record_is_an_error_that_names_it() -> None:
    with pytest.raises(RecordTooLarge, match=r"Copied of \d+ bytes exceeds the 524288 bytes"):
        list(encoded_records(1, 1, [copied(0, RECORD_BYTES_MAX)]))
