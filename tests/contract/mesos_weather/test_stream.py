"""A stream in bad weather: how it is cut, what is no record, and what is no event that we know.

Each case sends its bytes over a real connection, and after them a record that must come out if
the stream is to live on. What cannot be a stream ends it, told in words; what is only strange is
kept as it came and harms nobody.
"""

import asyncio
import json
import tracemalloc
from typing import Any

import pytest

from scheduler.model.codec import decode_mesos, encode_mesos
from scheduler.model.ids import OfferId
from scheduler.model.mesos import (
    HostFailed,
    MesosRecord,
    OfferRescinded,
    OffersReceived,
    StreamEnded,
    Subscribed,
    Unrecognised,
)
from tests.support.mesos_endpoint import Exchange, framed, scripted_master
from tests.support.mesos_stream import RESCIND, S1, client_of, ended, everything, run

KAFKA_RECORD_BYTES_MAX = 1024 * 1024
MARKER = OfferRescinded(S1, OfferId("o1"))


def recorded(data: bytes) -> bytes:
    """Bytes as one record."""
    return b"%d\n%b" % (len(data), data)


def heard(*chunks: bytes, missed_max: int = 5) -> list[MesosRecord]:
    """What comes out of a stream of these chunks, after ``Subscribed``; the end is the last."""
    found: list[MesosRecord] = []

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        for chunk in chunks:
            await exchange.chunk(chunk)
            await asyncio.sleep(0)  # Lets the client read: else chunks would come together.
            await asyncio.sleep(0)
        await exchange.end()

    async def main() -> None:
        async with scripted_master(stream) as master:
            found.extend(await everything(client_of(master.address, missed_max=missed_max)))

    run(main())
    assert isinstance(found[0], Subscribed)
    ended(found)
    for record in found:  # Whatever came out can be written to the log, and read again.
        data = encode_mesos(record)
        assert len(data) < KAFKA_RECORD_BYTES_MAX
        assert decode_mesos(data) == record
    return found[1:]


def one(event: bytes) -> MesosRecord:
    """What one record becomes, on a stream that lives on after it."""
    first, marker, end = heard(recorded(event) + framed(RESCIND))
    assert marker == MARKER
    assert isinstance(end, StreamEnded)
    assert "closed the stream" in end.why
    return first


# How a stream is cut.


def test_records_may_be_split_at_every_byte() -> None:
    """The same record once for each place where it can be cut, on one stream."""
    data = framed({"type": "HEARTBEAT"}) + framed(RESCIND)
    chunks = [part for at in range(1, len(data)) for part in (data[:at], data[at:])]
    *records, end = heard(*chunks)
    assert records == [MARKER] * (len(data) - 1)
    assert isinstance(end, StreamEnded)


@pytest.mark.parametrize("size", [1, 2, 7, 1_000_000])
def test_chunks_of_any_size_hold_the_same_records(size: int) -> None:
    data = framed(RESCIND) * 9
    *records, _ = heard(*(data[at : at + size] for at in range(0, len(data), size)))
    assert records == [MARKER] * 9


def test_a_stream_without_chunks_is_read_until_its_connection_ends() -> None:
    """A proxy between may do so."""

    async def stream(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.0 200 OK\r\nMesos-Stream-Id: s1\r\n\r\n")
        framework = {"framework_id": {"value": "cell-1"}}
        await exchange.raw(framed({"type": "SUBSCRIBED", "subscribed": framework}))
        await exchange.raw(framed(RESCIND))
        exchange.drop()

    async def main() -> None:
        async with scripted_master(stream) as master:
            _, *records, _ = await everything(client_of(master.address))
            assert records == [MARKER]

    run(main())


@pytest.mark.parametrize("how", ["drop", "reset", "half_close", "end"])
@pytest.mark.parametrize("rest", [b"", b"5", b"5\n", b'5\n{"ty'])
def test_an_end_at_any_place_is_told(how: str, rest: bytes) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.chunk(framed(RESCIND) + rest)
        await read.wait()
        result = getattr(exchange, how)()
        if result is not None:
            await result

    read = asyncio.Event()

    async def main() -> None:
        async with scripted_master(stream) as master:
            records = []
            async for record in client_of(master.address).subscribe(7):
                records.append(record)
                if record == MARKER:
                    read.set()
            assert ended(records).stream_id == S1
            assert len(records) == 3
            if how == "end":
                assert ("middle of a record" in ended(records).why) == bool(rest)

    run(main())


BROKEN: dict[str, tuple[bytes, str]] = {
    "a record of no bytes": (b"0\n", "a record of 0 bytes is no JSON"),
    "an empty length": (b"\n{}", "length is empty"),
    "a huge length": (b"9999999999999999999999\n", "more than 8 digits"),
    "a length above the limit": (b"67108865\n", "67108865 bytes is announced"),
    "a length that never ends": (b"1" * 5_000, "more than 8 digits"),
    "a negative length": (b"-5\n{}", "decimal digits"),
    "a signed length": (b"+5\n{}", "decimal digits"),
    "a length in hexadecimal": (b"0x10\n{}", "decimal digits"),
    "a length with a blank": (b" 5\n{}", "decimal digits"),
    "a length with a carriage return": (b"2\r\n{}", "decimal digits"),
    "a length in other digits": ("٣\n{}".encode(), "decimal digits"),
    "a length that is not true": (b"3\n{}5\n{}", "no JSON"),
    "no length": (b'{"type":"HEARTBEAT"}\n', "decimal digits"),
    "no JSON": (recorded(b'{"type":'), "no JSON"),
    "two values in a record": (recorded(b"{}{}"), "no JSON"),
    "bytes that are no text": (recorded(bytes(range(128, 256))), "no JSON"),
}


@pytest.mark.parametrize(("data", "says"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_stream_of_records_ends_it_after_the_good_ones(data: bytes, says: str) -> None:
    marker, end = heard(framed(RESCIND) + data + framed(RESCIND))
    assert marker == MARKER
    assert isinstance(end, StreamEnded)
    assert says in end.why
    assert not end.is_fatal


def test_a_record_as_long_as_allowed_that_never_ends_is_given_up_in_silence() -> None:
    """Bytes alone are no sign of life: a record that drips for ever must not hold the stream."""

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream(interval_s=0.3)
        await exchange.chunk(b"67108864\n")
        while True:  # Until the client gives up.
            await exchange.chunk(b" ")
            await asyncio.sleep(0.02)

    async def main() -> None:
        async with scripted_master(stream) as master:
            records = await everything(client_of(master.address, missed_max=3))
            assert "no record to its end was heard" in ended(records).why
            await master.closed.wait()

    run(main())


# What is no event that we know, or has values that nobody should send.


def text(event: object) -> bytes:
    """An event as JSON."""
    return json.dumps(event).encode()


KEPT: dict[str, bytes] = {
    "inverse offers": text(
        {
            "type": "INVERSE_OFFERS",
            "inverse_offers": {
                "inverse_offers": [
                    {"id": {"value": "i1"}, "unavailability": {"start": {"nanoseconds": 1}}}
                ]
            },
        }
    ),
    "an inverse offer taken back": text(
        {"type": "RESCIND_INVERSE_OFFER", "rescind_inverse_offer": {"inverse_offer_id": {}}}
    ),
    "an operation's status, never asked for": text(
        {
            "type": "UPDATE_OPERATION_STATUS",
            "update_operation_status": {"status": {"state": "OPERATION_FINISHED"}},
        }
    ),
    "a message": text({"type": "MESSAGE", "message": {"data": "aGVsbG8="}}),
    "a type of a later Mesos": text({"type": "BRIGHTER_DAYS", "brighter_days": {"from": 1}}),
    "the zero type": text({"type": "UNKNOWN"}),
    "a type as a number": b'{"type":3}',
    "a type in lower case": b'{"type":"heartbeat"}',
    "no type": b"{}",
    "a type that is null": b'{"type":null}',
    "null": b"null",
    "a list": b"[]",
    "a text": b'"HEARTBEAT"',
    "a number": b"7",
    "offers without offers": b'{"type":"OFFERS"}',
    "offers that are null": b'{"type":"OFFERS","offers":null}',
    "offers of another kind": b'{"type":"OFFERS","offers":{"offers":7}}',
    "a rescission of nothing": b'{"type":"RESCIND","rescind":{}}',
    "a failure with a status of 2 to the 63rd": b'{"type":"FAILURE","failure":{"status":%d}}'
    % 2**63,
    "an offer with an amount that is no number": b'{"type":"OFFERS","offers":{"offers":[{"id":'
    b'{"value":"o"},"agent_id":{"value":"h"},"resources":[{"name":"cpus","scalar":'
    b'{"value":NaN}}]}]}}',
    "an offer with a port of 2 to the 63rd": b'{"type":"OFFERS","offers":{"offers":[{"id":'
    b'{"value":"o"},"agent_id":{"value":"h"},"resources":[{"name":"ports","ranges":'
    b'{"range":[{"begin":1,"end":%d}]}}]}]}}' % 2**63,
    "an offer of a megabyte": text(
        {
            "type": "OFFERS",
            "offers": {
                "offers": [
                    {
                        "id": {"value": "o"},
                        "agent_id": {"value": "h"},
                        "attributes": [{"name": "a", "text": {"value": "x" * 1_000_000}}],
                    }
                ]
            },
        }
    ),
    "an id of a megabyte": text(
        {"type": "RESCIND", "rescind": {"offer_id": {"value": "x" * 10**6}}}
    ),
    "deep nesting": b'{"type":"NEW","new":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("event", KEPT.values(), ids=KEPT)
def test_what_is_not_known_is_kept_and_the_stream_goes_on(event: bytes) -> None:
    record = one(event)
    assert isinstance(record, Unrecognised)
    assert record.task_id is None
    assert len(record.raw) <= 64 * 1024
    assert record.raw[:20] in event.decode()  # The event's text, or that of its strange offer.


def test_an_event_without_offers_says_nothing() -> None:
    assert heard(framed({"type": "OFFERS", "offers": {}}) + framed(RESCIND))[0] == MARKER


def test_unknown_fields_and_nulls_do_no_harm() -> None:
    event = RESCIND | {"new": {"a": [1]}, "offers": None, "update": None, "error": None}
    assert one(text(event)) == MARKER


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    event = b'{"type":"ERROR","type":"RESCIND","rescind":{"offer_id":{"value":"x","value":"o1"}}}'
    assert one(event) == MARKER


@pytest.mark.parametrize(
    ("value", "text_after"),
    [(b'"\xff\xfe"', "\ufffd\ufffd"), (b'"\\ud800"', "?"), (b'"\\ud83d\\ude00"', "\U0001f600")],
)
def test_what_is_no_text_inside_a_text_costs_only_itself(value: bytes, text_after: str) -> None:
    event = b'{"type":"OFFERS","offers":{"offers":[{"id":{"value":"o"},"agent_id":{"value":"h"},'
    event += b'"hostname":%b}]}}' % value
    record = one(event)
    assert isinstance(record, OffersReceived)
    assert record.offers[0].facts is not None
    assert record.offers[0].facts.hostname == text_after


def test_a_number_that_is_none_costs_only_its_own_offer() -> None:
    """The others of the same event are there, and the strange one is kept."""
    offers = b",".join(
        b'{"id":{"value":"o%d"},"agent_id":{"value":"h"},"attributes":[{"name":"a","type":"SCALAR",'
        b'"scalar":{"value":%b}}]}' % (number, value)
        for number, value in enumerate([b"1.5", b"NaN", b"-Infinity", b"2", b"1e999"])
    )
    records = heard(recorded(b'{"type":"OFFERS","offers":{"offers":[' + offers + b"]}}"))
    found = [each.offer_id for r in records if isinstance(r, OffersReceived) for each in r.offers]
    strange = [each for each in records if isinstance(each, Unrecognised)]
    assert {"o0", "o3"} <= set(found)
    assert len(found) + len(strange) == 5


@pytest.mark.parametrize(
    ("failure", "record"),
    [
        ({"agent_id": {"value": "h"}}, HostFailed(S1, "h")),  # type: ignore[arg-type]
        (
            {"agent_id": {"value": "h"}, "executor_id": {"value": "e"}, "status": 1792},
            HostFailed(S1, "h", "e", 1792),  # type: ignore[arg-type]
        ),
        ({}, HostFailed(S1)),
        ({"status": None, "agent_id": None}, HostFailed(S1)),
    ],
)
def test_both_kinds_of_failure_are_read(failure: dict[str, Any], record: HostFailed) -> None:
    assert one(text({"type": "FAILURE", "failure": failure})) == record


# ERROR: the stream is over, whatever follows on it.


@pytest.mark.parametrize(
    ("message", "is_fatal"),
    [
        ("Framework has been removed", True),
        ("Framework failed over", False),
        ("Framework disconnected", False),
        ("Invalid FrameworkInfo: Role 'a b' is invalid", False),
        ("User 'x' is not allowed to run", False),
        ("something of a later Mesos", False),
        ("the words Framework has been removed somewhere in it", False),
        ("x" * 1_000_000, False),
        ("", False),
    ],
)
def test_an_error_ends_the_stream_and_only_a_burnt_id_the_cell(
    message: str, is_fatal: bool
) -> None:
    (end,) = heard(framed({"type": "ERROR", "error": {"message": message}}) + framed(RESCIND))
    assert isinstance(end, StreamEnded)
    assert end.is_fatal is is_fatal
    assert (message[:100] or "gave no reason") in end.why


# Size.


def test_the_offers_of_7000_hosts_come_in_one_record_of_9_megabytes() -> None:
    hosts = 7_000
    offers = [
        {
            "id": {"value": f"a5ad2f1a-1d0e-4b37-9f0d-0a4a6d2c8a11-O{n}"},
            "framework_id": {"value": "cell-1"},
            "agent_id": {"value": f"a5ad2f1a-1d0e-4b37-9f0d-0a4a6d2c8a11-S{n}"},
            "hostname": f"host-{n}.example.org",
            "url": {"scheme": "http", "address": {"ip": "10.0.0.1", "port": 5051}, "path": "/a"},
            "resources": [
                {
                    "name": name,
                    "type": "SCALAR",
                    "scalar": {"value": 64.0},
                    "role": "*",
                    "allocation_info": {"role": "*"},
                }
                for name in ("cpus", "mem", "disk")
            ],
            "attributes": [
                {"name": f"attribute-{a}", "type": "TEXT", "text": {"value": "x" * 20}}
                for a in range(8)
            ],
        }
        for n in range(hosts)
    ]
    event = framed({"type": "OFFERS", "offers": {"offers": offers}})
    assert len(event) > 9_000_000
    chunks = [event[at : at + 65_536] for at in range(0, len(event), 65_536)]
    tracemalloc.start()
    records = heard(*chunks)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    found = [each for r in records if isinstance(r, OffersReceived) for each in r.offers]
    assert len(found) == len({each.host_id for each in found}) == hosts
    assert most_bytes < 15 * len(event)
