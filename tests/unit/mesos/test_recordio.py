"""RecordIO: whatever way the bytes are cut, the same records come out, and faults are named.

Proven by properties over random records and random cuts, and by a table of broken streams.
"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mesos.recordio import RecordIoError, RecordReader


def framed(records: list[bytes]) -> bytes:
    return b"".join(b"%d\n%b" % (len(each), each) for each in records)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[left:right] for left, right in itertools.pairwise(at)]


def outcome(pieces: list[bytes], bytes_max: int) -> tuple[list[bytes], str | None, bool]:
    """Records, fault and whether the end is clean."""
    reader, records = RecordReader(bytes_max), list[bytes]()
    try:
        for piece in pieces:
            records.extend(reader.feed(piece))
    except RecordIoError as fault:
        # The fault's text may show more or fewer of the bytes that follow the bad ones.
        return records, str(fault).partition(":")[0], False
    return records, None, reader.is_between_records


@given(st.lists(st.binary(max_size=300)), st.lists(st.integers(0, 10**6)))
def test_any_cut_gives_the_same_records(records: list[bytes], places: list[int]) -> None:
    assert outcome(cut(framed(records), places), 1000) == (records, None, True)


@given(st.lists(st.binary(max_size=40), min_size=1))
def test_single_bytes_give_the_same_records(records: list[bytes]) -> None:
    data = framed(records)
    assert outcome([data[i : i + 1] for i in range(len(data))], 1000) == (records, None, True)


def _first_of_fault(text: str | None) -> str | None:
    """Faults that differ only in when they are noticed count as one."""
    return None if text is None else "fault"


@given(st.binary(max_size=60), st.lists(st.integers(0, 100)))
def test_any_cut_of_any_bytes_gives_the_same_records_before_a_fault(
    data: bytes, places: list[int]
) -> None:
    whole, pieces = outcome([data], 20), outcome(cut(data, places), 20)
    assert pieces[0] == whole[0]
    assert _first_of_fault(pieces[1]) == _first_of_fault(whole[1])
    assert pieces[2] == whole[2]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"x5\nhello", "must be decimal digits"),
        (b"-5\nhello", "must be decimal digits"),
        (b" 5\nhello", "must be decimal digits"),
        (b"5\r\nhello", "must be decimal digits"),
        ("\N{ARABIC-INDIC DIGIT FIVE}\nhello".encode(), "must be decimal digits"),
        (b"\nhello", "length is empty"),
        (b"1001\n", "at most 1000 are taken"),
        (b"00005\nhello", "more than 4 digits"),
        (b"99999", "more than 4 digits"),
    ],
)
def test_a_broken_length_is_named(data: bytes, says: str) -> None:
    reader = RecordReader(1000)
    with pytest.raises(RecordIoError, match=says):
        list(reader.feed(data))


def test_good_records_before_a_fault_still_come() -> None:
    reader, records = RecordReader(1000), list[bytes]()
    coming = reader.feed(b"2\nab1\ncoops")
    records += [next(coming), next(coming)]
    with pytest.raises(RecordIoError):
        next(coming)
    assert records == [b"ab", b"c"]


@pytest.mark.parametrize("rest", [b"5", b"5\n", b"5\nhell"])
def test_an_end_within_a_record_is_noticed(rest: bytes) -> None:
    reader = RecordReader()
    assert list(reader.feed(b"2\nab" + rest)) == [b"ab"]
    assert not reader.is_between_records


def test_a_length_of_exactly_the_limit_is_taken() -> None:
    assert outcome([b"1000\n" + b"x" * 1000], 1000) == ([b"x" * 1000], None, True)
