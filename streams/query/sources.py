"""The streams that a query may name: which topic each is of, and what its events look like.

The one thing to know: a record is decoded once for all streams of its topic. `decoded` gives its
events as flat dictionaries, each with its ``kind``; a stream is all of a topic's events, or those
of some kinds. It works on what Kafka has and on what the archive has of the same record.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

import orjson

from streams.kafka.topics import TOPICS
from streams.query.depth import is_too_deep
from streams.query.kinds import (
    HOST_KINDS,
    JOB_KINDS,
    OFFER_KINDS,
    TASK_KINDS,
    USAGE_KINDS,
    VERDICT_KINDS,
    decision_kinds,
)
from streams.query.record import Record, Unreadable

Event = dict[str, Any]
FieldType = Literal["text", "number", "truth", "list", "object", "any"]


class Field(NamedTuple):
    """A field of a stream's events, with an example of what stands in it."""

    name: str
    type: FieldType
    example: Any


class Source(NamedTuple):
    """A stream by its name."""

    name: str
    topic: str
    """Without the installation's prefix."""
    description: str
    fields: tuple[Field, ...]
    kinds: frozenset[str] | None = None
    """The kinds of events that are of it; None for all of the topic's."""

    def wants(self, event: Event) -> bool:
        """Whether an event of its topic is of this stream."""
        return self.kinds is None or event["kind"] in self.kinds


COMMON: Final = (
    Field("kind", "text", "TaskChanged"),
    Field("at_ms", "number", 1_763_800_000_000),
    Field("topic", "text", "cell"),
    Field("partition", "number", 0),
    Field("offset", "number", 1042),
    Field("index", "number", 0),
)
"""What every event has: what it is, when it was, and where it stands."""
_IDS: Final = (
    Field("job_id", "text", "web"),
    Field("task_id", "text", "web-0-1"),
    Field("host_id", "text", "agent-1-S0"),
)


def _cell_events(record: Record) -> list[Event]:
    found = _object(record.value)
    at_ms, epoch = found.get("at_ms", record.at_ms), found.get("epoch", -1)
    if not isinstance(found.get("events"), list):
        raise Unreadable("it has no list of events")
    events: list[Event] = []
    for number, raw in enumerate(found["events"]):
        for event in _of_cell(raw):
            event["at_ms"], event["epoch"], event["event"] = at_ms, epoch, number
            events.append(event)
    return events


def _of_cell(raw: Event) -> list[Event]:
    kind = raw.pop("type", "")
    if kind == "Copied":
        body = raw.get("body") or {}
        flat = {**body, "kind": body.pop("type", ""), "source": _source(raw.get("source"))}
        if "observed_at_ms" in raw:
            flat.setdefault("observed_at_ms", raw["observed_at_ms"])
        flat.pop("type", None)
        return _offers(flat) if flat["kind"] == "OffersChanged" else [flat]
    if kind == "LaunchTasks":
        launches = raw.pop("launches", ())
        # A launch is written as a list, its task first (`scheduler.model.proposals.Launch`).
        return [
            {
                **raw,
                "kind": kind,
                "task_id": each[0],
                "ports": each[1] if len(each) > 1 else [],
                "tasks_together": len(launches),
            }
            for each in launches
        ]
    raw["kind"] = kind
    return [raw]


def _offers(flat: Event) -> list[Event]:
    """One event for each offer that came or went."""
    base = {"source": flat["source"], "stream_id": flat.get("stream_id")}
    found: list[Event] = []
    for each in flat.get("added", ()):
        facts = each.pop("facts", None) or {}
        resources = each.pop("resources", None) or {}
        found.append({**base, **each, **resources, **facts, "kind": "OfferAdded"})
    found += [
        {**base, "offer_id": each, "kind": "OfferRemoved"} for each in flat.get("removed", ())
    ]
    return found


def _source(raw: Any) -> str:  # noqa: ANN401 - as it stands in the record
    """The inbound record that a copy is of, as ``topic:partition:offset``."""
    is_whole = isinstance(raw, list) and len(raw) >= 4
    return f"{raw[0]}:{raw[2]}:{raw[3]}" if is_whole else ""


def _typed(record: Record) -> list[Event]:
    found = _object(record.value)
    found["kind"] = str(found.pop("type", found.get("kind", "")))
    found.setdefault("at_ms", record.at_ms)
    return [found]


def _verdicts(record: Record) -> list[Event]:
    events = _typed(record)
    for event in events:
        if probes := event.get("probes"):
            event["bad"] = [each["name"] for each in probes if each.get("state") == "bad"]
    return events


def _lines(record: Record) -> list[Event]:
    # Detectors' vocabulary is some MiB: only who asks for lines pays for it.
    from streams.query.lines import line_events  # noqa: PLC0415

    return line_events(record)


def _object(value: bytes) -> Event:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Unreadable(str(error)) from error
    if not isinstance(found, dict):
        raise Unreadable("it is no JSON object")
    if is_too_deep(value, found):
        raise Unreadable("it is nested too deeply")
    return found


_DECODERS: Final[dict[str, Callable[[Record], list[Event]]]] = {
    "cell": _cell_events,
    "verdicts": _verdicts,
    "host-logs": _lines,
}


def decoded(topic: str, record: Record) -> list[Event]:
    """The events of one record of a topic (without prefix), in order; raises `Unreadable`."""
    try:
        events = _DECODERS.get(topic, _typed)(record)
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError) as error:
        # Anybody may write to a topic: one record of another form must not end those who read it.
        raise Unreadable(f"it is of another form: {error!r}") from error
    place = {"topic": topic, "partition": record.partition, "offset": record.offset}
    for index, event in enumerate(events):
        event.update(place, index=index)
        event.setdefault("at_ms", record.at_ms)
    return events


_OF_CELL: Final = (Field("epoch", "number", 12), Field("source", "text", "mesos:0:311"))


def _of_changes() -> Sequence[Source]:
    return (
        Source(
            "jobs",
            "job-events",
            "what became of jobs: accepted, changed, scaled, updated, finished, refused",
            (
                *_IDS[:1],
                Field("state", "text", "Accepted"),
                Field("reason", "text", ""),
                Field("message", "text", ""),
                Field("desired", "number", 5),
            ),
            JOB_KINDS,
        ),
        Source(
            "tasks",
            "job-events",
            "each state that a task entered, and why",
            (
                *_IDS,
                Field("state", "text", "Started"),
                Field("step", "text", "placed"),
                Field("reason", "text", ""),
                Field("message", "text", ""),
                Field("hostname", "text", "agent-1"),
                Field("observed_at_ms", "number", 1_763_800_000_000),
            ),
            TASK_KINDS,
        ),
    )


def _of_the_cell() -> Sequence[Source]:
    return (
        Source(
            "offers",
            "cell",
            "each offer that came or went, with its resources",
            (
                Field("offer_id", "text", "o-17"),
                *_IDS[2:],
                Field("cpu_milli", "number", 4000),
                Field("memory_mib", "number", 8192),
                Field("disk_mib", "number", 10240),
                Field("gpus", "number", 0),
                Field("hostname", "text", "agent-1"),
                *_OF_CELL,
            ),
            OFFER_KINDS,
        ),
        Source(
            "decisions",
            "cell",
            "what the scheduler decided, one event a launch, how each was carried out, and rounds",
            (
                *_IDS[1:],
                Field("proposal_id", "text", "main/1a2b3c4d:1042[0]"),
                Field("fate", "text", "sent"),
                Field("waiting", "number", 3),
                Field("placed", "number", 2),
                Field("hosts", "number", 12),
                *_OF_CELL[:1],
            ),
            decision_kinds(),
        ),
        Source(
            "hosts",
            "cell",
            "what was said of hosts, in the cell's own order: verdicts, orders, clouds, failures",
            (
                *_IDS[2:],
                Field("standing", "text", "draining"),
                Field("detector", "text", "lines"),
                Field("actor", "text", "ann"),
                *_OF_CELL,
            ),
            HOST_KINDS,
        ),
    )


def _of_other_topics() -> Sequence[Source]:
    return (
        Source(
            "host-logs",
            "host-logs",
            "log lines of hosts, one event a line",
            (
                Field("host", "text", "agent-1"),
                Field("message", "text", "error: disk full"),
                Field("level", "text", "ERROR"),
                Field("file", "text", "/var/log/syslog"),
            ),
        ),
        Source(
            "verdicts",
            "verdicts",
            "what detectors and probes found about hosts",
            (
                *_IDS[2:],
                Field("detector", "text", "lines"),
                Field("standing", "text", "sick"),
                Field("score_milli", "number", 800),
                Field("evidence", "list", []),
                Field("probes", "list", []),
                Field("bad", "list", ["disk"]),
            ),
            VERDICT_KINDS,
        ),
        Source(
            "metrics",
            "metrics",
            "what tasks, hosts and the cell use, sampled",
            (
                *_IDS,
                Field("host", "text", "agent-1"),
                Field("cpu_milli", "number", 250),
                Field("memory_rss_bytes", "number", 1 << 26),
                Field("load_1min_milli", "number", 700),
                Field("tasks_running", "number", 3),
            ),
            USAGE_KINDS,
        ),
        Source(
            "events",
            "cell",
            "the cell log as it is: every event and proposal",
            (*_IDS, Field("actor", "text", "ann"), Field("event", "number", 0), *_OF_CELL),
        ),
    )


_OTHERS: Final = {
    "changes": "job-events",
    "submissions": "jobs",
    "groups": "hosts",
    "commands": "commands",
    "mesos": "mesos",
    "dead-letters": "dead-letters",
    "federation": "federation",
    "federated-jobs": "federated-jobs",
    "queries": "queries",
    "readers": "readers",
}
"""Every other topic is a stream as well, of its records as they are."""


def _said(name: str) -> tuple[Field, ...]:
    """What orders have besides: who gave it, and why."""
    is_order = name in {"commands", "submissions"}
    return (Field("actor", "text", "ann"), Field("why", "text", "a rack moves")) if is_order else ()


def _sources() -> dict[str, Source]:
    holds = {each.name: each.holds for each in TOPICS}
    rows = [
        row._replace(fields=(*COMMON, *row.fields))
        for row in (*_of_changes(), *_of_the_cell(), *_of_other_topics())
    ] + [
        Source(name, topic, f"topic {topic} as it is: {holds[topic]}", (*COMMON, *_said(name)))
        for name, topic in _OTHERS.items()
    ]
    return {each.name: each for each in rows}


SOURCES: Final[dict[str, Source]] = _sources()
"""By name, in the order in which they are shown."""
PARTITIONS: Final[dict[str, int | None]] = {each.name: each.partitions for each in TOPICS}
"""By topic; None where each cell has one."""
