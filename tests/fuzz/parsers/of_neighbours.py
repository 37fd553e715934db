"""What processes of ours hand each other: headers, announcements, kept files, answers by HTTP."""

import json
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from connectors.client.events import Parser as EventParser
from connectors.federation.configuration import FederatedCell, configuration_of
from connectors.federation.records import EvacuationBegan
from connectors.federation.records import decode as decode_federation
from connectors.federation.records import encode as encode_federation
from connectors.mesos.usage import HostUsage
from projections.alerts.whole import KeptWhole
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.alerts.keeping import Keeping
from streams.autoscale.policies import PoliciesUnknown, asked_of
from streams.federation.forwarding import Strayed, cells_for
from streams.federation.replication import last_heartbeat, prefix_of, replicas
from streams.health.host_samples import host_sample
from streams.health.keeping import Kept, read_kept
from streams.health.tail import Marks, _read_marks
from streams.history.partitions import archived_message
from streams.registrar.endpoints import EndpointsUnknown, endpoints_now
from streams.tracing.context import read_traceparent, traceparent_of
from streams.upgrade.reader import decode_reader, encode_reader, reader_here
from streams.webhooks.feed import Feed
from streams.webhooks.told import Hook, NotTold, webhooks_now
from tests.fuzz.files import in_file
from tests.fuzz.parser import Parser, Refused, text_of
from tests.support.kept_log import MemoryStore


def _ran(work: Coroutine[Any, Any, object]) -> object:
    """What the coroutine answers; it may wait for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise AssertionError("it waits")


def _known(found: object) -> object:
    if not found:
        raise Refused("it says nothing")
    return found


def _traceparent(data: bytes) -> object:
    assert traceparent_of([("traceparent", data)]) == read_traceparent(data.decode("latin-1"))
    return _known(read_traceparent(text_of(data)))


class _Record(NamedTuple):
    """A record of Kafka as aiokafka gives it: what one wrote, and null headers where it is empty.

    Made of bytes: the first line is a header's value, the second the key, the rest the value.
    """

    headers: tuple[tuple[str, bytes | None], ...]
    key: bytes | None
    value: bytes | None
    topic: str = "t"
    partition: int = 0
    offset: int = 7
    timestamp: int = 1

    @classmethod
    def of(cls, data: bytes, *names: str, **headers: bytes) -> "_Record":
        head, _, rest = data.partition(b"\n")
        key, _, value = rest.partition(b"\n")
        told = ((name, head or None) for name in names)
        return cls((*told, *headers.items()), key or None, value or None)


async def _nowhere(_: str) -> tuple[str, ...]:
    return ()


def _forwarded(data: bytes) -> object:
    record: Any = _Record.of(data, "flumina-cell")
    return _ran(cells_for(record, _CONFIGURATION, ("a", "b"), _nowhere))


def _feed(data: bytes) -> object:
    feed = Feed.__new__(Feed)
    feed._source, feed._hook = "/flumina/main", _HOOK
    record: Any = _Record.of(data, "ce_id", ce_source=b"/flumina/main", ce_type=b"flumina.x")
    return _known(feed._event(record))


def _archived(data: bytes) -> object:
    record: Any = _Record.of(data, "ce_id", "ce_source")
    found = archived_message(record)
    assert all(isinstance(value, bytes) for _, value in found.headers)
    return found


def _reader(data: bytes) -> object:
    return _known(decode_reader(data))


def _sample(data: bytes) -> object:
    return _known(host_sample(data, "metrics:0:1"))


def _store(key: str, data: bytes) -> MemoryStore:
    store = MemoryStore()
    store.objects[key] = data
    return store


def _replica(data: bytes) -> object:
    return _known(replicas(_store(f"{prefix_of(_CELL)}jobs/one", data), _CELL))


def _heartbeat(data: bytes) -> object:
    return _known(last_heartbeat(_store(f"{prefix_of(_CELL)}heartbeats/1", data), _CELL))


def _alerts(data: bytes) -> object:
    return _known(Keeping(_store("alerts/main/000000000000001", data), "main").newest())


def _summed(data: bytes) -> object:
    """What health remembers: whatever it holds, its sum is right."""
    return _kept(zlib.crc32(data).to_bytes(4, "big") + data)


_kept: Final = in_file("health.kept", lambda path: _known(read_kept(path)))
_marks: Final = in_file("tail.marks", lambda path: _known(_read_marks(path)))


def _events(data: bytes) -> object:
    parser = EventParser()
    # A stream is read as it comes, so no more of it than some lines.
    lines = (*data.decode("utf-8", "replace").split("\n", LINES_MAX)[:LINES_MAX], "")
    return _known([event for line in lines if (event := parser.line(line)) is not None])


class _Said(NamedTuple):
    body: bytes


def _asking(data: bytes) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def ask(*_: object) -> _Said:
        return _Said(data)

    return ask


def _endpoints(data: bytes) -> object:
    ask: Any = _asking(data)
    return _ran(endpoints_now(ask, is_discovery=True))


def _webhooks(data: bytes) -> object:
    ask: Any = _asking(data)
    return _ran(webhooks_now(ask, "main"))


LINES_MAX: Final = 100_000
EXAMPLES: Final = Path(__file__).parents[3] / "docs" / "examples" / "scaling"
_CELL: Final = FederatedCell("a", "http://a:1", "r")
_HOOK: Final = Hook("one", "https://example.com/", "1a2b3c4d", 1, 1)
_CONFIGURATION: Final = configuration_of(
    b'{"cells":[{"name":"a","api":"http://a:1"},{"name":"b","api":"http://b:1"}],'
    b'"default":"a","routes":[{"cell":"b","capacityGroup":"gpu.*"}]}'
)
_JOB: Final = b'{"type":"SubmitJob","jobId":"titus-1","job":{"capacityGroup":"gpu-a"}}'
_REPLICA: Final = b'{"jobId":"titus-1","cell":"a","descriptor":{"a":1},"keptAtMs":1}'
_BEAT: Final = b'{"cell":"a","region":"r","atMs":1,"jobs":2}'
_HOOKS: Final = {
    "cell": "main",
    "generation": "1a2b3c4d",
    "isCurrent": True,
    "items": [msgspec.to_builtins(_HOOK)],
}
_TOLD: Final = {
    "cell": "main",
    "cellUuid": "u",
    "generation": "1a2b3c4d",
    "offset": 7,
    "isCurrent": True,
    "items": [
        {
            "taskId": "t-1",
            "jobId": "j",
            "service": "web",
            "address": "10.0.0.1",
            "ports": [31000],
            "version": "1",
            "isHealthy": True,
            "loadBalancers": ["tg-1"],
        }
    ],
}
_POLICY: Final = json.loads((EXAMPLES / "queue.json").read_bytes())
_POLICIES: Final = {
    "items": [
        {
            "id": {"id": "p-1"},
            "jobId": "titus-1",
            "flumina.version": 1,
            "policyState": {"state": "Applied"},
            "scalingPolicy": _POLICY,
        }
    ]
}
_FEDERATED: Final = encode_federation(
    EvacuationBegan(
        at_ms=1, evacuation="e", region="r", percent=50, per_second=5, actor="ada", why="a test"
    )
)
_USAGES: Final = tuple(
    map(
        msgspec.json.encode,
        (
            HostUsage(1, 1, "main", "h-1", "h", 500, 8_000, 1 << 34, 1 << 33),
            HostUsage(1, 1, "main", "h-2", "h"),
        ),
    )
)
_MARKS: Final = msgspec.json.encode(Marks())
_KEPT_HEALTH: Final = msgspec.msgpack.encode(Kept({0: 7}))


def _written(*values: object) -> tuple[bytes, ...]:
    return tuple(map(msgspec.json.encode, values))


PARSERS: Final = (
    Parser(
        "traceparent",
        "text",
        _traceparent,
        (),
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",),
    ),
    Parser("federated-record", "text", _forwarded, (Strayed,), (b"b\nk\n" + _JOB, b"\n\n" + _JOB)),
    Parser(
        "event-for-a-webhook",
        "text",
        _feed,
        (),
        (b'main/1a2b3c4d:1042[3]\ntitus-1\n{"state":"Accepted"}',),
    ),
    Parser("record-for-the-archive", "text", _archived, (), (b"h\nk\nv", b"\n\n"), tolerant=True),
    Parser("reader-of-a-log", "json", _reader, (), (encode_reader(reader_here("a", "api", "b")),)),
    Parser("federation-record", "json", decode_federation, BAD_BYTES, (_FEDERATED,)),
    Parser("replica-of-a-job", "json", _replica, (), (_REPLICA,)),
    Parser("heartbeat-of-a-cell", "json", _heartbeat, (), (_BEAT,)),
    Parser("usage-of-a-host", "json", _sample, (), _USAGES),
    Parser("kept-alerts", "binary", _alerts, (), (msgspec.msgpack.encode(KeptWhole()),)),
    Parser("kept-health", "binary", _summed, (), (_KEPT_HEALTH,)),
    Parser("marks-of-a-tail", "json", _marks, (), (_MARKS,)),
    Parser("server-sent-events", "text", _events, (), (b"event: a\nid: 1\ndata: {}\n",)),
    Parser("policies-to-follow", "json", asked_of, (PoliciesUnknown,), _written(_POLICIES)),
    Parser("endpoints-told", "json", _endpoints, (EndpointsUnknown,), _written(_TOLD)),
    Parser("webhooks-told", "json", _webhooks, (NotTold,), _written(_HOOKS)),
)
