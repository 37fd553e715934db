"""Records of host logs as different shippers write them, and when their lines were written."""

import json
from datetime import datetime

import msgspec
import pytest

from projections.health.blocks import LineRecord
from streams.health.line_times import line_time_ms
from streams.health.records import LINES_MAX, HostLines, Unreadable, encode_lines, line_records

MADE = 1_800_000_000_000


def read(value: object, key: bytes | None = b"k") -> list[LineRecord]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return line_records(data, key, "host-logs:0:1", "0", MADE)


def test_ours_is_read_as_it_was_written() -> None:
    (found,) = read(encode_lines(HostLines("h", ["a", "b"], [1, 2], "/var/log/x")))
    assert found == LineRecord("h", ["a", "b"], [1, 2], "host-logs:0:1", "0", MADE)
    (found,) = read(encode_lines(HostLines("h", ["a", "b"])))
    assert list(found.times_ms) == [MADE]


@pytest.mark.parametrize(
    ("value", "host", "line", "at_ms"),
    [
        # Vector
        (
            {"message": "m", "host": "h", "timestamp": "2027-01-15T08:00:01.5Z", "file": "/x"},
            *("h", "m", 1_800_000_001_500),
        ),
        # Fluent Bit: tail, with its key of time; systemd; Kubernetes' filter
        ({"@timestamp": 1_800_000_002.25, "log": "m\n"}, "k", "m", 1_800_000_002_250),
        (
            {
                "_HOSTNAME": "h",
                "MESSAGE": "m",
                "_SOURCE_REALTIME_TIMESTAMP": "1800000003000000",
            },
            *("h", "m", 1_800_000_003_000),
        ),
        ({"log": "m", "kubernetes": {"host": "node"}}, "node", "m", MADE),
        ({"message": "m", "level": "error"}, "k", "ERROR: m", MADE),
        ({"message": "ERROR m", "level": "error"}, "k", "ERROR m", MADE),
        ({"message": "m", "timestamp": "soon"}, "k", "m", MADE),
    ],
)
def test_records_of_other_shippers(
    value: dict[str, object], host: str, line: str, at_ms: int
) -> None:
    (found,) = read(value)
    assert (found.host_id, list(found.lines), list(found.times_ms)) == (host, [line], [at_ms])


def test_an_array_and_lines_of_json_hold_several_hosts() -> None:
    entries = [{"message": str(n), "host": f"h{n % 2}"} for n in range(4)]
    for value in (entries, "\n".join(map(json.dumps, entries)).encode()):
        found = {each.host_id: list(each.lines) for each in read(value)}
        assert found == {"h0": ["0", "2"], "h1": ["1", "3"]}


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (b"", "JSON"),
        (b"\xff\x00", "JSON"),
        (b"7", "object"),
        (b"[]", "0 entries"),
        ([{"message": "m"}] * (LINES_MAX + 1), "1001 entries"),
        ({"text": "m"}, "none of the fields"),
        ({"message": {"a": 1}}, "none of the fields"),
        ({"host_id": "h", "lines": "no list"}, "ours"),
        ({"host_id": "h", "lines": []}, "ours"),
        ({"host_id": "h", "lines": ["x"] * (LINES_MAX + 1)}, "ours"),
        ({"host_id": "", "lines": ["x"]}, "ours"),
        ({"host_id": "h", "lines": ["x"], "more": 1}, "ours"),
        ({"host_id": "h", "lines": ["x", "y", "z"], "times_ms": [1, 2]}, "2 times"),
        ({"message": "m", "host": "h" * 300}, "host"),
    ],
)
def test_what_cannot_be_read_says_why(value: object, word: str) -> None:
    with pytest.raises(Unreadable, match=word):
        read(value)


def test_a_record_without_any_host_cannot_be_read() -> None:
    with pytest.raises(Unreadable, match="host"):
        read({"message": "m"}, key=None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2027-01-15T08:00:01.250Z x", 1_800_000_001_250),
        ("[2027-01-15 08:00:01,25+00:00] x", 1_800_000_001_250),
        ("2027-99-15T08:00:01Z x", MADE),
        ("no time", MADE),
        ("Foo 12 10:00:00 x", MADE),
    ],
)
def test_a_line_says_when_it_was_written(line: str, expected: int) -> None:
    assert line_time_ms(line, MADE) == expected


def test_a_line_of_syslog_is_of_the_year_that_fits() -> None:
    now = datetime(2027, 1, 2).astimezone()
    now_ms = int(now.timestamp() * 1_000)
    before = datetime(2026, 12, 31, 23, 59, 58).astimezone()
    assert line_time_ms("<3>Dec 31 23:59:58 h kernel: x", now_ms) == before.timestamp() * 1_000


def test_records_are_closed() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"host_id":"h","lines":["x"],"other":1}', type=HostLines)


@pytest.mark.parametrize("value", [b"[" * 50_000, b'{"a":' * 50_000, b"{}\n" + b"[" * 50_000])
def test_brackets_without_end_are_no_record(value: bytes) -> None:
    """What anybody may ship must not end who reads it."""
    with pytest.raises(Unreadable):
        read(value)
