"""SUBSCRIBE in bad weather: every answer but a stream is told in words, and in bounded time.

A scripted endpoint on loopback answers; the connector's own client asks. Nothing may raise, wait
for ever, follow a redirect for ever, or take up memory that the other side decides about.
"""

import asyncio
import tracemalloc
from itertools import cycle

import pytest

from scheduler.model.mesos import MesosRecord, Subscribed
from tests.support.mesos_endpoint import (
    Exchange,
    Handler,
    RawHandler,
    address_of,
    framed,
    opened,
    raw_endpoint,
    reset,
    scripted_master,
    subscribed,
)
from tests.support.mesos_stream import S1, answering, client_of, ended, everything, mute, run

BODIES = ["", "no", "<html>" + "x" * 100_000]


async def fruitless(*masters: str, answer_s: float = 5.0) -> str:
    """Subscribe where no stream comes about; what is said of it."""
    records = await everything(client_of(*masters, answer_s=answer_s))
    assert len(records) == 1
    end = ended(records)
    assert (end.stream_id, end.is_fatal) == ("", False)
    end.why.encode()  # It goes into the log, which takes nothing but text.
    assert len(end.why) < 10_000
    return end.why


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    "status", [202, 204, 300, 304, 400, 401, 403, 404, 406, 415, 429, 500, 501, 502, 503, 504]
)
def test_any_other_status_is_told_with_a_bounded_part_of_its_body(status: int, body: str) -> None:
    said = "" if status in {204, 304} else body  # Neither has a body.

    async def main() -> None:
        async with scripted_master(answering(status, said)) as master:
            why = await fruitless(master.address)
            assert f"{master.address} answered {status}: {said[:20].strip() or 'nothing'}" in why
            assert len(master.heard) == 1

    run(main())


def test_a_refusal_whose_text_never_ends_is_cut_and_its_connection_closed() -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:  # Until the client closes the connection, which ends this handler.
            await exchange.chunk(b"x" * 10_000)

    async def main() -> None:
        async with scripted_master(endless) as master:
            tracemalloc.start()
            why = await fruitless(master.address)
            _, most_bytes = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert "answered 500: xxx" in why
            assert most_bytes < 4 * 1024 * 1024
            await master.closed.wait()

    run(main())


def _dripping(head: bytes, drop: bytes) -> Handler:
    async def handler(exchange: Exchange) -> None:
        await exchange.raw(head)
        while True:  # Until the client gives up, which is what is tested.
            await exchange.raw(drop)
            await asyncio.sleep(0.01)

    return handler


@pytest.mark.parametrize(
    "handler",
    [
        mute,
        _dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        _dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        _dripping(b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["mute", "endless header", "endless headers", "endless text"],
)
def test_an_answer_that_never_ends_is_given_up(handler: Handler) -> None:
    async def main() -> None:
        async with scripted_master(handler) as master:
            began = asyncio.get_running_loop().time()
            await fruitless(master.address, answer_s=0.15)
            assert asyncio.get_running_loop().time() - began < 5
            await master.closed.wait()

    run(main())


GARBAGE: dict[str, bytes] = {
    "a TLS alert": b"\x15\x03\x03\x00\x02\x02\x46",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "bytes that are no text": b"\xff\xfe\xed\xa0\x80 \x00\r\n\r\n",
    "a status line without a number": b"HTTP/1.1 yes OK\r\n\r\n",
    "a header without a colon": b"HTTP/1.1 200 OK\r\n\xed\xa0\x80\r\n\r\n",
    "a huge header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "two lengths": b"HTTP/1.1 500 X\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nabcde",
    "nothing": b"",
    "SSH": b"SSH-2.0-OpenSSH_9.2p1\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_http_is_told(garbage: bytes) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.raw(garbage)
        exchange.drop()

    async def main() -> None:
        async with scripted_master(answer) as master:
            assert f"{master.address} " in await fruitless(master.address, answer_s=1.0)

    run(main())


async def _reset_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def _reset_in_the_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    reset(writer)


async def _half_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write_eof()
    await reader.read()  # Until the client has closed, too.


@pytest.mark.parametrize("handler", [_reset_at_once, _reset_in_the_request, _half_closed])
def test_a_connection_that_breaks_off_before_an_answer_is_told(handler: RawHandler) -> None:
    async def main() -> None:
        async with raw_endpoint(handler) as server:
            assert f"{address_of(server)} broke off" in await fruitless(address_of(server))

    run(main())


# Redirects: Mesos' own is "//host:port/path".


@pytest.mark.parametrize(
    "location",
    ["//{}/api/v1/scheduler", "http://{}/api/v1/scheduler", "//{}", "HTTP://{}/x?y#z"],
)
def test_a_redirect_in_any_form_leads_to_the_leader(location: str) -> None:
    async def main() -> None:
        async with scripted_master(_ending) as leader:
            target = location.format(leader.address)
            async with scripted_master(answering(307, Location=target)) as other:
                first, *_ = await everything(client_of(other.address))
                assert isinstance(first, Subscribed)
                assert first.master == leader.address
                assert leader.heard[0].path == "/api/v1/scheduler"
                assert "mesos-stream-id" not in leader.heard[0].headers

    run(main())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("/api/v1/scheduler", "sent us on more than 3 times"),
        ("?leader", "sent us on more than 3 times"),
        ("//127.0.0.1:1/api/v1/scheduler", "127.0.0.1:1 cannot be reached"),
        ("//no-such-host.invalid:5050", "no-such-host.invalid:5050 cannot be reached"),
        ("https://127.0.0.1:1/", "flumina speaks plain HTTP"),
        ("ftp://127.0.0.1:1/", "flumina speaks plain HTTP"),
        ("//[::1", "which is no address"),
        ("//127.0.0.1:99999/", "which is no address"),
        ("//127.0.0.1:0/", "which is no address"),
        ("http://", "sent us on more than 3 times"),
        ("http:///x", "sent us on more than 3 times"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_told(status: int, location: str, says: str) -> None:
    async def main() -> None:
        async with scripted_master(answering(status, Location=location)) as master:
            assert says in await fruitless(master.address)
            assert len(master.heard) <= 4

    run(main())


def test_two_masters_that_name_each_other_are_not_asked_for_ever() -> None:
    async def main() -> None:
        names: list[str] = []

        async def to_the_other(exchange: Exchange) -> None:
            here = exchange.writer.get_extra_info("sockname")[1]
            (other,) = [each for each in names if not each.endswith(f":{here}")]
            await exchange.answer(307, Location=f"//{other}/api/v1/scheduler")

        async with scripted_master(to_the_other) as one, scripted_master(to_the_other) as two:
            names += [one.address, two.address]
            why = await fruitless(*names)
            assert why.count("sent us on more than 3 times") == 2
            assert len(one.heard) + len(two.heard) == 8

    run(main())


async def _ending(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.end()


def test_the_leader_is_found_again_however_it_changes() -> None:
    """Of three masters one leads at a time; the others name it, know none, or are not there."""
    leader = ""

    async def answer(exchange: Exchange) -> None:
        here = f"127.0.0.1:{exchange.writer.get_extra_info('sockname')[1]}"
        if not leader:
            await exchange.answer(503, "no leader")
        elif here == leader:
            await _ending(exchange)
        else:
            await exchange.answer(307, Location=f"//{leader}/api/v1/scheduler")

    async def main() -> None:
        nonlocal leader
        async with (
            scripted_master(answer) as one,
            scripted_master(answer) as two,
            scripted_master(answer) as three,
        ):
            client = client_of(one.address, two.address, three.address)
            for leader in (two.address, three.address, two.address, one.address):
                first, *_ = await everything(client)
                assert isinstance(first, Subscribed)
                assert first.master == leader
            one.stop_listening()
            leader = three.address
            found = [(await everything(client))[0] for _ in range(2)]
            assert [each.master for each in found if isinstance(each, Subscribed)] == [leader] * 2
            leader = ""
            why = ended(await everything(client)).why
            assert why.count("still recovering") == 2
            assert "cannot be reached" in why

    run(main())


# The stream's first words.

_HEAD = b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n"


def _beginning(headers: bytes, *events: object) -> Handler:
    async def handler(exchange: Exchange) -> None:
        await exchange.raw(_HEAD % headers)
        for each in events:
            await exchange.event(each)
        await exchange.gone()

    return handler


SUBSCRIBED = subscribed("cell-1")
STREAM = b"Mesos-Stream-Id: s1\r\n"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Mesos-Stream-Id:\r\n",
        b"Mesos-Stream-Id:   \r\n",
        b"Mesos-Stream-Id: a b\r\n",
        b"Mesos-Stream-Id: \xed\xa0\x80\r\n",
        b"Mesos-Stream-Id: \xc3\xa4\r\n",
        b"Mesos-Stream-Id: " + b"s" * 5_000 + b"\r\n",
    ],
)
def test_a_stream_without_a_usable_id_is_none(header: bytes) -> None:
    async def main() -> None:
        async with scripted_master(_beginning(header, SUBSCRIBED)) as master:
            assert "without Mesos-Stream-Id" in await fruitless(master.address)
            await master.closed.wait()

    run(main())


def test_a_stream_id_in_any_case_is_taken() -> None:
    async def main() -> None:
        async with scripted_master(_beginning(b"MESOS-stream-ID: s1\r\n", SUBSCRIBED)) as master:
            async for record in client_of(master.address).subscribe(7):
                assert record == Subscribed(S1, "cell-1", 7, 15_000, master.address)
                break

    run(main())


@pytest.mark.parametrize(
    "content_type", [b"", b"text/html", b"application/x-protobuf", b"application/json; x=y"]
)
def test_the_content_type_decides_nothing_the_bytes_do(content_type: bytes) -> None:
    head = STREAM + (b"Content-Type: %b\r\n" % content_type if content_type else b"")

    async def main() -> None:
        async with scripted_master(_beginning(head, SUBSCRIBED)) as master:
            first = await anext(aiter(client_of(master.address).subscribe(7)))
            assert isinstance(first, Subscribed)

    run(main())


def test_a_stream_in_protobuf_is_told_as_no_event_stream() -> None:
    async def protobuf(exchange: Exchange) -> None:
        await exchange.raw(_HEAD % (STREAM + b"Content-Type: application/x-protobuf\r\n"))
        await exchange.chunk(b"12\n\x08\x01\x12\x08\n\x06cell-1")

    async def main() -> None:
        async with scripted_master(protobuf) as master:
            end = ended(await everything(client_of(master.address)))
            assert "is no JSON" in end.why
            assert end.stream_id == "s1"

    run(main())


HEARTBEAT = {"type": "HEARTBEAT"}


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ((), "nothing was heard"),
        ((HEARTBEAT, SUBSCRIBED), "the first event is not SUBSCRIBED"),
        (({"type": "OFFERS", "offers": {"offers": []}}, SUBSCRIBED), "is not SUBSCRIBED"),
        (({"type": "SUBSCRIBED"},), "is not SUBSCRIBED"),
        (({"type": "SUBSCRIBED", "subscribed": {}},), "is not SUBSCRIBED"),
        (({"type": "SUBSCRIBED", "subscribed": {"framework_id": None}},), "is not SUBSCRIBED"),
        ((subscribed("somebody-else"),), "the master calls us 'somebody-else'"),
        (({"type": "ERROR", "error": {"message": "bad role"}},), "bad role"),
        (({"type": "ERROR"},), "gave no reason"),
    ],
)
def test_a_stream_that_begins_wrongly_is_over(events: tuple[object, ...], says: str) -> None:
    async def main() -> None:
        async with scripted_master(_beginning(STREAM, *events)) as master:
            records = await everything(client_of(master.address, answer_s=1.0))
            assert len(records) == 1
            assert says in ended(records).why
            assert ended(records).stream_id == "s1"
            await master.closed.wait()

    run(main())


def test_beats_without_subscribed_do_not_hold_a_stream_open() -> None:
    async def beating(exchange: Exchange) -> None:
        await exchange.raw(_HEAD % STREAM)
        for part in cycle([b"2", b"0", b"\n", b'{"type":']):  # A record that never ends.
            await exchange.chunk(part)
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with scripted_master(beating) as master:
            records = await everything(client_of(master.address, answer_s=0.2))
            assert len(records) == 1

    run(main())


def test_a_second_subscribed_ends_the_stream() -> None:
    async def main() -> None:
        async with scripted_master(_beginning(STREAM, SUBSCRIBED, SUBSCRIBED)) as master:
            records = await everything(client_of(master.address))
            assert len(records) == 2
            assert "a second time" in ended(records).why

    run(main())


@pytest.mark.parametrize("interval", [None, 0, -5, 1e-9, 1e300, "x"])
def test_a_heartbeat_interval_that_makes_no_sense_is_mesos_own(interval: object) -> None:
    event = subscribed("cell-1")
    event["subscribed"] = {
        "framework_id": {"value": "cell-1"},
        "heartbeat_interval_seconds": interval,
    }

    async def main() -> None:
        async with scripted_master(_beginning(STREAM, event)) as master:
            records: list[MesosRecord] = []
            async for record in client_of(master.address).subscribe(7):
                records.append(record)
                break
            if interval == "x":  # Of another kind: then it is no SUBSCRIBED that we can read.
                assert "is not SUBSCRIBED" in ended(records).why
            else:
                assert isinstance(records[0], Subscribed)
                assert records[0].heartbeat_interval_ms == 15_000

    run(main())


def test_records_and_chunks_need_not_match_from_the_first_byte_on() -> None:
    data = framed(SUBSCRIBED) + framed(HEARTBEAT) + framed(HEARTBEAT)

    async def whole(exchange: Exchange) -> None:
        await exchange.raw(_HEAD % STREAM)
        await exchange.chunk(data)
        await exchange.end()

    async def main() -> None:
        async with scripted_master(whole) as master, scripted_master(opened):
            records = await everything(client_of(master.address))
            assert len(records) == 2
            assert "closed the stream" in ended(records).why

    run(main())
