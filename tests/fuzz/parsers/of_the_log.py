"""What is read of Kafka: our own records, and what anybody may publish into foreign topics."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from projections.entries import Entry
from projections.notes import CellEntered, HostEntered, TaskAddressed, TaskEntered
from projections.query.kept import Kept, KeptBook, ToAlert, ToMetric, encoded
from projections.query.parser import parse as parse_query
from projections.query.subscriptions import Subscriptions
from projections.travel.masking import masked_json
from projections.travel.notes import Note, NoteUnreadable, decoded_note
from scheduler.model.codec import (
    Undecodable,
    decode_change,
    decode_hosts,
    decode_mesos,
    decode_record,
    decode_verdict,
    encode_hosts,
    encode_verdict,
)
from scheduler.model.foreign import decode_commands_record, decode_jobs_record
from scheduler.model.health import HostJudged, HostProbed
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.inbound import InboundRejected
from streams.health.records import HostLines, encode_lines, line_records
from streams.health.records import Unreadable as UnreadableLines
from streams.history.heads import archived_record, at_ms_of
from streams.query.record import Record, Unreadable
from streams.query.sources import decoded
from tests.fuzz.parser import Parser, Refused
from tests.support.samples_fleet import REPORTS
from tests.support.samples_health import INBOUND

RECORDS: Final = Path(__file__).parents[2] / "golden" / "records" / "version-1"


def _golden(folder: str, begins: str = "") -> tuple[bytes, ...]:
    files = sorted(RECORDS.glob(f"{folder}/{begins}*.json"))
    return tuple(each.read_bytes().strip() for each in files)


def _foreign(decode: Callable[[bytes | None, bytes | None], object]) -> Callable[[bytes], object]:
    """The reader of a foreign topic: a rejection is what the log holds in the record's place."""

    def parse(data: bytes) -> object:
        found = decode(None, data)
        msgspec.json.encode(found)  # the log must be able to hold it, rejections too
        if isinstance(found, InboundRejected):
            raise Refused(str(found.faults[:1]))
        return found

    return parse


def _events_of(topic: str) -> Callable[[bytes], object]:
    return lambda data: decoded(topic, Record(0, 0, 1_763_800_000_000, None, data))


def _heads(data: bytes) -> object:
    return at_ms_of(data), archived_record(1, data, 1_763_800_000_000)


def _kept(data: bytes) -> object:
    book = KeptBook()
    book.take(1, data)
    if book.unreadable:
        raise Refused("counted as unreadable")
    return book


def _published(data: bytes) -> object:
    subscriptions = Subscriptions(lambda: 0.5)
    subscriptions.add("one", parse_query("select a, e['b'] from s where kind == 'x' && n > 1"))
    subscriptions.add("two", parse_query("select * from s where s ==~ /a.*b/"))
    subscriptions.publish(data, 1)
    if subscriptions.undecodable:
        raise Refused("counted as undecodable")
    return subscriptions


def _masked(data: bytes) -> object:
    return masked_json(data)


def _line_records(data: bytes) -> object:
    return line_records(data, None, "host-logs:0:1", "0", 1_763_800_000_000)


def _note(data: bytes) -> object:
    return decoded_note(Note(1, 0, 1, "TaskChanged", "", "", "", data))


_VERDICTS: Final = tuple(
    encode_verdict(each) for each in INBOUND if isinstance(each, HostJudged | HostProbed)
)
_NOTES: Final = tuple(
    map(
        msgspec.json.encode,
        (
            TaskEntered(JobId("a"), TaskId("a-0-1"), Entry(1, 2, 3, "submitted", "x"), "Running"),
            CellEntered("leader", "a text"),
            HostEntered(HostId("h"), "lost"),
            TaskAddressed(JobId("a"), TaskId("a-0-1"), "10.0.0.1"),
        ),
    )
)
_LINES: Final = (
    encode_lines(HostLines("host-1", ["kernel: EXT4-fs error", "x"], [1, 2], "syslog")),
    b'{"host":"h1","message":"out of memory","level":"error","timestamp":"2026-11-22T12:00:00Z"}',
    b'[{"hostname":"h1","log":"a"},{"hostname":"h2","log":"b","time":1763800000.5}]',
    b'{"host":"h1","msg":"a"}\n{"host":"h1","msg":"b"}',
)
_ORDERS: Final = (
    b'{"type":"KillJob","jobId":"titus-1","actor":"ada","why":"a test"}',
    b'{"type":"ScaleJob","jobId":"titus-1","desired":2,"min":1,"max":3,"actor":"a","why":"b"}',
    b'{"type":"KillTask","taskId":"titus-1-worker-0-1","shrink":true,"actor":"a","why":"b"}',
    b'{"type":"PartitionBegan","generation":"1a2b3c4d"}',
)
_COMMANDS: Final = (
    b'{"type":"SetPolicy","values":{"batch_size_max":5},"actor":"ada","why":"a test"}',
    (
        b'{"type":"SkipRecord","offset":1,"digest":"00000000000000000000000000000000",'
        b'"actor":"a","why":"b"}'
    ),
    b'{"type":"ForgetOrphan","taskId":"x","hostId":"S1","actor":"a","why":"b"}',
    b'{"type":"PartitionBegan","generation":"1a2b3c4d"}',
)
"""More are made by `tests.fuzz.parsers.of_jobs`, whose descriptors stand inside ``SubmitJob``."""
_KEPT: Final = tuple(
    map(
        encoded,
        (
            Kept(sort="stream", name="a", actor="b", at_ms=1, mql="select * from tasks"),
            Kept(sort="saved", name="a", actor="b", at_ms=1, sink=ToAlert(key=("a",))),
            Kept(sort="stream", name="m", actor="b", at_ms=1, mql="x", sink=ToMetric("a_total")),
        ),
    )
)
_CELL: Final = tuple(each for each in _golden("cell") if b'"version"' in each)

PARSERS: Final = (
    Parser("cell-log-record", "json", decode_record, (Undecodable,), _CELL),
    Parser("mesos-topic-record", "json", decode_mesos, (Undecodable,), _golden("mesos")),
    Parser(
        "hosts-topic-record",
        "json",
        decode_hosts,
        (Undecodable,),
        tuple(encode_hosts(each) for each in REPORTS),
    ),
    Parser("verdicts-topic-record", "json", decode_verdict, (Undecodable,), _VERDICTS),
    Parser("job-events-record", "json", decode_change, (Undecodable,), _golden("changes")),
    Parser("orders-in-jobs-topic", "json", _foreign(decode_jobs_record), (), _ORDERS),
    Parser("commands-topic-record", "json", _foreign(decode_commands_record), (), _COMMANDS),
    Parser("host-lines-record", "json", _line_records, (UnreadableLines,), _LINES),
    Parser("query-of-cell-record", "json", _events_of("cell"), (Unreadable,), _CELL),
    Parser("query-of-verdict", "json", _events_of("verdicts"), (Unreadable,), _VERDICTS),
    Parser("query-of-host-lines", "json", _events_of("host-logs"), (Unreadable,), _LINES),
    Parser(
        "query-of-job-event", "json", _events_of("job-events"), (Unreadable,), _golden("changes")
    ),
    Parser(
        "published-event", "json", _published, (), (b'{"a":1,"b":2,"n":3,"kind":"x","s":"ab"}',)
    ),
    Parser("kept-query-record", "json", _kept, (), _KEPT),
    Parser("history-note", "json", _note, (NoteUnreadable,), _NOTES),
    Parser("record-head", "json", _heads, (), _CELL, tolerant=True),
    Parser("masked-record", "json", _masked, (), _CELL, tolerant=True),
)
