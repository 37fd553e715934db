"""Records of each topic as the events that queries see.

How: records as their writers write them, by the same codec.
"""

from typing import Any

import pytest

from scheduler.model.address import Source as Copy
from scheduler.model.changes import TaskChanged
from scheduler.model.codec import encode_change, encode_record
from scheduler.model.events import CellRecord, Copied, EffectEnded, Tick
from scheduler.model.ids import Generation, HostId, JobId, OfferId, ProposalId, StreamId, TaskId
from scheduler.model.inbound import OffersChanged
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.resources import Resources
from streams.query.record import Record, Unreadable
from streams.query.sources import SOURCES, decoded

AT_MS = 1_763_800_000_000


def events(topic: str, value: bytes) -> list[dict[str, Any]]:
    """The events of a record."""
    return decoded(topic, Record(3, 17, AT_MS, b"key", value))


def of_stream(name: str, found: list[dict[str, Any]]) -> list[str]:
    """Which kinds of them are of a stream."""
    return [each["kind"] for each in found if SOURCES[name].wants(each)]


def test_a_record_of_the_cell_log() -> None:
    """A launch for each task, an offer for each that came or went, a copy with its source."""
    offer = Offer(
        OfferId("o1"), HostId("S0"), Resources(4_000, 8_192), HostFacts("agent-1", "http://a")
    )
    record = CellRecord(
        version=1,
        epoch=5,
        at_ms=AT_MS + 1,
        events=(
            Tick(),
            LaunchTasks(
                HostId("S0"), (OfferId("o1"),), (Launch(TaskId("a"), (31000,)), Launch(TaskId("b")))
            ),
            Copied(
                Copy("mesos", Generation("0a0a0a0a"), 0, 12, 11),
                OffersChanged(StreamId("s1"), 12, added=(offer,), removed=(OfferId("o0"),)),
            ),
            EffectEnded(ProposalId("main/0a0a0a0a:3[1]"), "sent"),
        ),
    )
    found = events("cell", encode_record(record))
    kinds = ["Tick", "LaunchTasks", "LaunchTasks", "OfferAdded", "OfferRemoved", "EffectEnded"]
    assert [each["kind"] for each in found] == kinds
    assert [each["index"] for each in found] == list(range(6))
    assert [each["event"] for each in found] == [0, 1, 1, 2, 2, 3]
    launch, added = found[1], found[3]
    assert (launch["task_id"], launch["host_id"], launch["tasks_together"]) == ("a", "S0", 2)
    assert (added["cpu_milli"], added["hostname"], added["source"]) == (
        4000,
        "agent-1",
        "mesos:0:12",
    )
    assert (added["at_ms"], added["partition"], added["offset"]) == (AT_MS + 1, 3, 17)
    assert of_stream("offers", found) == ["OfferAdded", "OfferRemoved"]
    assert of_stream("decisions", found) == ["LaunchTasks", "LaunchTasks", "EffectEnded"]
    assert of_stream("events", found) == kinds


def test_a_change_is_of_jobs_or_tasks() -> None:
    """By what it is called."""
    change = TaskChanged(JobId("j"), TaskId("t"), "Started", "running", host_id=HostId("S0"))
    found = events("job-events", encode_change(change))
    assert of_stream("tasks", found) == ["TaskChanged"]
    assert of_stream("jobs", found) == []
    assert (found[0]["state"], found[0]["at_ms"]) == ("Started", AT_MS)


def test_lines_of_hosts() -> None:
    """One event a line, with its level, whoever ships them."""
    found = events(
        "host-logs", b'{"host_id":"h1","lines":["kernel: ERROR disk full","calm"],"times_ms":[5,6]}'
    )
    assert [(each["message"], each.get("level"), each["at_ms"]) for each in found] == [
        ("kernel: ERROR disk full", "ERROR", 5),
        ("calm", None, 6),
    ]
    (foreign,) = events("host-logs", b'{"log":"oops","severity":"warning","host":"h2"}')
    assert (foreign["host"], foreign["level"]) == ("h2", "WARN")


def test_a_verdict_of_probes_names_the_bad_ones() -> None:
    """So that a query can ask for them."""
    value = (
        b'{"type":"HostProbed","host_id":"S0","probes":['
        b'{"name":"disk","state":"bad"},{"name":"clock","state":"good"}]}'
    )
    (found,) = events("verdicts", value)
    assert found["bad"] == ["disk"]
    assert of_stream("verdicts", [found]) == ["HostProbed"]


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"[1]", b"null", b'"x"', b"{", b"<script>"])
@pytest.mark.parametrize(
    "topic", ["cell", "job-events", "verdicts", "metrics", "mesos", "host-logs"]
)
def test_what_is_no_record_is_told_as_such(topic: str, value: bytes) -> None:
    """It is counted and passed over, and ends nobody's query."""
    with pytest.raises(Unreadable):
        events(topic, value)


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        ("host-logs", b"[" * 50_000),
        ("commands", b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"),
        ("verdicts", b'{"probes":5}'),
        ("verdicts", b'{"probes":[1]}'),
        ("verdicts", b'{"probes":[{"state":"bad"}]}'),
    ],
)
def test_a_record_of_another_form_is_unreadable_and_no_more(topic: str, value: bytes) -> None:
    """Who may write to a topic must not be able to end all queries of it."""
    with pytest.raises(Unreadable):
        decoded(topic, Record(3, 17, AT_MS, b"key", value))
