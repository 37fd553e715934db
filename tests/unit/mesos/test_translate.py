"""Mesos' events in our words: one line a case, from events that a real Mesos 1.11.0 sent.

``recorded/README.md`` says where each comes from. What no real master would send (unknown types,
wrong kinds, missing fields) is made here from the recorded ones.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mesos.translate import (
    MESSAGE_CHARACTERS_MAX,
    OFFERS_JSON_BYTES_MAX,
    RAW_BYTES_MAX,
    MalformedRecordError,
    StreamIdentity,
    heard,
)
from scheduler.model.ids import HostId, OfferId, StreamId, TaskId
from scheduler.model.mesos import (
    HostFacts,
    HostFailed,
    InverseOffer,
    InverseOfferRescinded,
    InverseOffersReceived,
    MesosRecord,
    Offer,
    OfferRescinded,
    OffersReceived,
    StatusUpdate,
    StreamEnded,
    Subscribed,
    Unrecognised,
)
from scheduler.model.resources import PortRange, Resources

RECORDED = Path(__file__).parent / "recorded"
S1 = StreamId("s1")
STREAM = StreamIdentity(S1, epoch=42, master="127.0.0.1:5050")
HOST_0 = HostId("286032d3-3d90-416b-8c81-95fae066ab43-S0")
HOST_1 = HostId("286032d3-3d90-416b-8c81-95fae066ab43-S1")
HOST_RESERVED = HostId("c01e9b2b-ba63-4348-9102-01f58b736079-S0")
RUN = "8914a08d-9111-444f-9490-d7db63841238"
PORTS = (PortRange(31000, 31999),)


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_bytes())
    return found


def records_of(event: object) -> tuple[MesosRecord, ...]:
    return heard(json.dumps(event).encode(), STREAM).records


def the_record(event: object) -> MesosRecord:
    (record,) = records_of(event)
    return record


def update(task: str, state: str, **more: Any) -> StatusUpdate:
    return msgspec.convert(
        {"type": "StatusUpdate", "stream_id": S1, "task_id": task, "state": state, **more},
        StatusUpdate,
    )


UPDATES = {
    "update_running": update(
        "job-worker-0-1",
        "TASK_RUNNING",
        host_id=HOST_0,
        source="SOURCE_EXECUTOR",
        container_ip="127.0.0.1",
    ),
    "update_failed": update(
        "job-worker-1-2",
        "TASK_FAILED",
        host_id=HOST_0,
        source="SOURCE_EXECUTOR",
        message="exit 7",
        container_ip="127.0.0.1",
    ),
    "update_killed": update(
        "job-worker-0-1",
        "TASK_KILLED",
        host_id=HOST_0,
        source="SOURCE_EXECUTOR",
        message="exit -15",
        container_ip="127.0.0.1",
    ),
    "update_dropped": update(
        "job-worker-3-4",
        "TASK_DROPPED",
        host_id=HOST_0,
        source="SOURCE_MASTER",
        reason="REASON_INVALID_OFFERS",
        message=f"Task launched with invalid offers: Offer {RUN}-O0 is no longer valid",
    ),
    "update_unreachable": update(
        "job-worker-0-1",
        "TASK_UNREACHABLE",
        host_id=HOST_0,
        source="SOURCE_MASTER",
        reason="REASON_AGENT_REMOVED",
        message="health check timed out",
    ),
    "update_reregistered": update(
        "job-worker-0-1",
        "TASK_RUNNING",
        host_id=HOST_0,
        source="SOURCE_MASTER",
        reason="REASON_AGENT_REREGISTERED",
        message="Unreachable agent re-reregistered",
        container_ip="127.0.0.1",
    ),
    "reconcile_running": update(
        "job-worker-0-1",
        "TASK_RUNNING",
        host_id=HOST_0,
        source="SOURCE_MASTER",
        reason="REASON_RECONCILIATION",
        message="Reconciliation: Latest task state",
        container_ip="127.0.0.1",
    ),
    "reconcile_unknown": update(
        "nope",
        "TASK_UNKNOWN",
        source="SOURCE_MASTER",
        reason="REASON_RECONCILIATION",
        message="Reconciliation: Task is unknown",
    ),
    "reconcile_gone": update(
        "nope",
        "TASK_GONE",
        host_id=HOST_0,
        source="SOURCE_MASTER",
        reason="REASON_RECONCILIATION",
        message="Reconciliation: Task is unknown to the agent",
    ),
}


@pytest.mark.parametrize("name", UPDATES)
def test_a_recorded_update_is_read(name: str) -> None:
    event = recorded(name)
    status = event["update"]["status"]
    record = the_record(event)
    assert isinstance(record, StatusUpdate)
    # The time and the uuid are the only facts that the table above does not repeat.
    assert record.observed_at_ms == round(status["timestamp"] * 1000) > 1_700_000_000_000
    assert record.uuid == status.get("uuid", "")
    assert msgspec.structs.replace(record, observed_at_ms=0, uuid="") == UPDATES[name]


@pytest.mark.parametrize(
    ("name", "has_uuid"),
    [
        ("update_running", True),
        ("update_failed", True),
        ("update_dropped", False),
        ("update_unreachable", False),
        ("update_reregistered", False),
        ("reconcile_running", False),
    ],
)
def test_only_what_an_agent_made_has_a_uuid(name: str, has_uuid: bool) -> None:
    record = the_record(recorded(name))
    assert isinstance(record, StatusUpdate)
    assert bool(record.uuid) is has_uuid
    assert record.is_reconciliation is name.startswith("reconcile_")


def test_a_subscription_is_read() -> None:
    framework_id = recorded("subscribed")["subscribed"]["framework_id"]["value"]
    assert the_record(recorded("subscribed")) == Subscribed(
        S1, framework_id, epoch=42, heartbeat_interval_ms=15000, master="127.0.0.1:5050"
    )


def test_a_heartbeat_says_nothing() -> None:
    assert records_of(recorded("heartbeat")) == ()


def test_offers_of_two_hosts_come_in_one_record() -> None:
    whole = Resources(cpu_milli=4000, memory_mib=8192, disk_mib=10000, ports=PORTS)
    assert the_record(recorded("offers_of_two_hosts")) == OffersReceived(
        S1,
        (
            Offer(
                OfferId(f"{RUN}-O0"),
                HOST_0,
                whole,
                HostFacts("localhost", "http://127.0.0.1:25051", (("zone", "z1"),)),
            ),
            Offer(
                OfferId(f"{RUN}-O1"),
                HOST_1,
                whole,
                HostFacts("localhost", "http://127.0.0.1:25052", (("zone", "z2"),)),
            ),
        ),
    )


def test_reserved_resources_are_summed_and_attributes_of_each_type_are_texts() -> None:
    said = heard(json.dumps(recorded("offers_reserved_static")).encode(), STREAM)
    (record,) = said.records
    assert isinstance(record, OffersReceived)
    (offer,) = [each for each in record.offers if each.host_id == HOST_RESERVED]
    assert offer.resources == Resources(
        4000, 2048, 1000, (PortRange(31000, 31009), PortRange(32000, 32009))
    )
    assert offer.facts is not None
    assert offer.facts.attributes == (("rack", "7"), ("span", "[1-3,9-10]"), ("zone", "z3"))
    ((offer_id, parts),) = said.reserved
    assert offer_id == offer.offer_id
    assert [(each.name, each.amount) for each in parts] == [
        ("cpus", 2000),
        ("mem", 1024),
        ("ports", 0),
    ]


@pytest.mark.parametrize(
    ("told", "attributes"),
    [
        ({}, ()),
        ({"domain": {}, "unavailability": None}, ()),
        (
            {"domain": {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "a"}}}},
            (("mesos.region", "eu"), ("mesos.zone", "a")),
        ),
        (
            {"unavailability": {"start": {"nanoseconds": 1_700_000_000_000_000_000}}},
            (("mesos.unavailable_from_ms", "1700000000000"),),
        ),
        (
            {
                "unavailability": {
                    "start": {"nanoseconds": 4_999_999},
                    "duration": {"nanoseconds": 3_600_000_000_000},
                },
                "attributes": [{"name": "mesos.zone", "text": {"value": "their own"}}],
            },
            (
                ("mesos.unavailable_for_ms", "3600000"),
                ("mesos.unavailable_from_ms", "5"),
                ("mesos.zone", "their own"),
            ),
        ),
    ],
)
def test_what_the_master_tells_of_a_host_stands_beside_its_attributes(
    told: dict[str, object], attributes: tuple[tuple[str, str], ...]
) -> None:
    offer = {"id": {"value": "o"}, "agent_id": {"value": "h"}, "hostname": "n"} | told
    record = the_record({"type": "OFFERS", "offers": {"offers": [offer]}})
    assert isinstance(record, OffersReceived)
    assert record.offers[0].facts == HostFacts("n", "", attributes)


def test_persistent_volumes_are_no_free_disk() -> None:
    said = heard(json.dumps(recorded("offers_reserved_dynamic")).encode(), STREAM)
    (record,) = said.records
    assert isinstance(record, OffersReceived)
    # 4 cpus of which 1 is reserved; 10,000 MiB of which 60 are reserved and 40 are a volume.
    assert record.offers[0].resources == Resources(4000, 8192, 9960, PORTS)


def test_other_events_are_read() -> None:
    assert the_record(recorded("rescind")) == OfferRescinded(S1, OfferId(f"{RUN}-O1"))
    assert the_record(recorded("failure_of_a_host")) == HostFailed(S1, HOST_0)
    failure = {"agent_id": {"value": "h"}, "executor_id": {"value": "e"}, "status": 1792}
    assert the_record({"type": "FAILURE", "failure": failure}) == HostFailed(
        S1, HostId("h"), "e", 1792
    )


def test_only_a_removed_framework_is_fatal() -> None:
    removed, failed_over = recorded("error_removed"), recorded("error_failed_over")
    assert the_record(removed) == StreamEnded(
        S1, "the master ended the stream: Framework has been removed", is_fatal=True
    )
    assert the_record(failed_over) == StreamEnded(
        S1, "the master ended the stream: Framework failed over"
    )
    assert the_record({"type": "ERROR"}) == StreamEnded(
        S1, "the master ended the stream: it gave no reason"
    )


@pytest.mark.parametrize(
    "event",
    [
        {"type": "INVERSE_OFFERS", "inverse_offers": 7},
        {"type": "RESCIND_INVERSE_OFFER", "rescind_inverse_offer": {}},
        {"type": "SOMETHING_NEW"},
        {},
        {"type": 7},
        {"type": "UPDATE"},
        {"type": "UPDATE", "update": {"status": {"state": "TASK_RUNNING"}}},
        {"type": "UPDATE", "update": {"status": {"task_id": {"value": 5}, "state": "TASK_LOST"}}},
        {"type": "UPDATE", "update": {"status": {"task_id": {}, "state": "TASK_LOST"}}},
        {"type": "RESCIND", "rescind": {}},
        {"type": "FAILURE", "failure": {"status": 2**70}},
        {"type": "OFFERS"},
        [],
        "HEARTBEAT",
    ],
)
def test_what_we_do_not_know_is_kept_as_it_came(event: object) -> None:
    assert the_record(event) == Unrecognised(S1, json.dumps(event))


def test_deep_nesting_is_kept_as_it_came() -> None:
    raw = b'{"type":"NEW","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    (record,) = heard(raw, STREAM).records
    assert isinstance(record, Unrecognised)
    assert len(record.raw) == RAW_BYTES_MAX


def test_a_strange_offer_does_not_hide_the_others() -> None:
    event = recorded("offers_of_two_hosts")
    strange = event["offers"]["offers"][0]
    strange["resources"][1]["scalar"]["value"] = -4
    first, second = records_of(event)
    assert isinstance(first, Unrecognised)
    assert json.loads(first.raw) == strange
    assert isinstance(second, OffersReceived)
    assert [each.host_id for each in second.offers] == [HOST_1]


def test_missing_and_null_fields_of_a_status_are_tolerated() -> None:
    bare = {"task_id": {"value": "t"}, "state": "TASK_LOST"}
    nulls = dict.fromkeys(
        ("agent_id", "reason", "message", "uuid", "timestamp", "healthy", "container_status")
    )
    expected = StatusUpdate(S1, TaskId("t"), "TASK_LOST")
    assert the_record({"type": "UPDATE", "update": {"status": bare}}) == expected
    assert the_record({"type": "UPDATE", "update": {"status": bare | nulls}}) == expected


def test_null_fields_of_an_offer_are_tolerated() -> None:
    event = recorded("offers_of_two_hosts")
    plain = the_record(event)
    nulls = dict.fromkeys(("reservation", "reservations", "disk", "revocable", "shared"))
    for offer in event["offers"]["offers"]:
        offer["resources"] = [each | nulls for each in offer["resources"]]
    assert the_record(event) == plain
    assert heard(json.dumps(event).encode(), STREAM).reserved == ()


@pytest.mark.parametrize("condition", ["revocable", "shared", "provider_id", "disk"])
def test_resources_with_conditions_are_left_aside(condition: str) -> None:
    event = recorded("offers_of_two_hosts")
    cpus = event["offers"]["offers"][0]["resources"][1]
    cpus[condition] = {}
    record = the_record(event)
    assert isinstance(record, OffersReceived)
    assert [each.resources.cpu_milli for each in record.offers] == [0, 4000]


@pytest.mark.parametrize(
    ("cpus", "mem", "expected"),
    [(0.1, 0.999, (100, 0)), (0.0005, 100.9999, (0, 101)), (3.7, 8191.999, (3700, 8191))],
)
def test_scalars_become_whole_units(cpus: float, mem: float, expected: tuple[int, int]) -> None:
    event = recorded("offers_of_two_hosts")
    resources = event["offers"]["offers"][0]["resources"]
    resources[1]["scalar"]["value"], resources[2]["scalar"]["value"] = cpus, mem
    record = the_record(event)
    assert isinstance(record, OffersReceived)
    found = record.offers[0].resources
    assert (found.cpu_milli, found.memory_mib) == expected


@pytest.mark.parametrize("timestamp", [-5.0, 0, 1e300, 1e11])
def test_an_absurd_time_counts_as_absent(timestamp: float) -> None:
    status = {"task_id": {"value": "t"}, "state": "TASK_LOST", "timestamp": timestamp}
    record = the_record({"type": "UPDATE", "update": {"status": status}})
    assert isinstance(record, StatusUpdate)
    assert record.observed_at_ms == 0


@pytest.mark.parametrize(
    ("seconds", "expected"), [(15.0, 15000), (0.5, 500), (0, 15000), (-1, 15000), (1e9, 15000)]
)
def test_a_heartbeat_interval_is_bounded(seconds: float, expected: int) -> None:
    event = recorded("subscribed")
    event["subscribed"]["heartbeat_interval_seconds"] = seconds
    record = the_record(event)
    assert isinstance(record, Subscribed)
    assert record.heartbeat_interval_ms == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"hostname": "h", "ip": "10.0.0.1", "port": 5051}, "http://10.0.0.1:5051"),
        ({"hostname": "h", "port": 5051}, "http://h:5051"),
        ({"hostname": "h", "ip": "0.0.0.0", "port": 5051}, "http://h:5051"),  # noqa: S104 - an answer, not a binding
        ({"hostname": "h", "ip": "fe80::1", "port": 5051}, "http://[fe80::1]:5051"),
        ({"hostname": "h", "port": 0}, ""),
        ({"port": 5051}, ""),
    ],
)
def test_a_hosts_address(address: dict[str, object], expected: str) -> None:
    event = recorded("offers_of_two_hosts")
    event["offers"]["offers"][0]["url"]["address"] = address
    record = the_record(event)
    assert isinstance(record, OffersReceived)
    assert record.offers[0].facts is not None
    assert record.offers[0].facts.url == expected


def test_many_offers_come_in_bounded_records_and_none_is_lost() -> None:
    event = recorded("offers_of_two_hosts")
    one = event["offers"]["offers"][0]
    offers = [one | {"id": {"value": f"O{n}"}} for n in range(1000)]
    records = records_of({"type": "OFFERS", "offers": {"offers": offers}})
    assert len(records) > 2
    ids: list[str] = []
    for record in records:
        assert isinstance(record, OffersReceived)
        assert len(msgspec.json.encode(record)) < OFFERS_JSON_BYTES_MAX
        ids.extend(each.offer_id for each in record.offers)
    assert ids == [f"O{n}" for n in range(1000)]


def test_a_long_message_is_cut() -> None:
    event = recorded("update_failed")
    event["update"]["status"]["message"] = "x" * 10_000
    record = the_record(event)
    assert isinstance(record, StatusUpdate)
    assert record.message == "x" * MESSAGE_CHARACTERS_MAX + "… (10000 characters in all)"


def test_a_message_that_is_no_utf_8_does_not_end_the_stream() -> None:
    """Mesos writes a task's bytes as they are; the update would come again on every stream."""
    raw = json.dumps(recorded("update_failed")).encode().replace(b"exit 7", b"exit \xff7")
    (record,) = heard(raw, STREAM).records
    assert isinstance(record, StatusUpdate)
    assert record.message == "exit \N{REPLACEMENT CHARACTER}7"


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"nonsense", b'{"type":"HEARTBEAT"} more'])
def test_what_is_no_json_is_told(raw: bytes) -> None:
    with pytest.raises(MalformedRecordError, match=f"a record of {len(raw)} bytes is no JSON"):
        heard(raw, STREAM)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
places = st.lists(st.integers(0, 30), min_size=1, max_size=8)
names = st.sampled_from(sorted(path.stem for path in RECORDED.glob("*.json")))


@given(names, places, json_values)
def test_any_value_anywhere_is_taken_without_an_exception(
    name: str, way: list[int], value: object
) -> None:
    """One value somewhere in a recorded event is replaced by anything; what comes out encodes."""
    event: Any = recorded(name)
    inner: Any = event
    for step in way:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        if not keys:
            break
        key = keys[step % len(keys)]
        if isinstance(inner[key], dict | list) and step is not way[-1]:
            inner = inner[key]
        else:
            inner[key] = value
            break
    for record in records_of(event):
        encoded = msgspec.json.encode(record)
        assert msgspec.json.decode(encoded, type=type(record)) == record


def _asked(host: str, **duration: int) -> dict[str, Any]:
    away: dict[str, Any] = {"start": {"nanoseconds": 1_900_000_000_000_000_123}}
    if duration:
        away["duration"] = duration
    return {"id": {"value": f"O-{host}"}, "agent_id": {"value": host}, "unavailability": away}


def test_inverse_offers_are_read_and_one_strange_one_costs_only_itself() -> None:
    event = {
        "type": "INVERSE_OFFERS",
        "inverse_offers": {
            "inverse_offers": [
                _asked("h1", nanoseconds=3_600_000_000_000),
                {**_asked("h2"), "agent_id": {"value": ""}},
                _asked("h3"),
            ]
        },
    }
    strange, read = records_of(event)
    assert isinstance(strange, Unrecognised)
    first = InverseOffer(OfferId("O-h1"), HostId("h1"), 1_900_000_000_000, 3_600_000)
    third = InverseOffer(OfferId("O-h3"), HostId("h3"), 1_900_000_000_000, None)
    assert read == InverseOffersReceived(S1, (first, third))


def test_a_rescinded_inverse_offer_is_read() -> None:
    event = {
        "type": "RESCIND_INVERSE_OFFER",
        "rescind_inverse_offer": {"inverse_offer_id": {"value": "O-h1"}},
    }
    assert the_record(event) == InverseOfferRescinded(S1, OfferId("O-h1"))
