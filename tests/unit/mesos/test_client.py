"""Streams from a master that misbehaves: each fault has its record, and nothing raises.

Every test opens real sockets on loopback to a scripted master, so what is tested is what goes
over the wire. What a real master does is the contract tests' matter.
"""

import asyncio

import pytest

from connectors.mesos.client import MesosClient
from connectors.ports import ClusterManager
from scheduler.model.effects import (
    Revive,
)
from scheduler.model.ids import OfferId, StreamId
from scheduler.model.mesos import (
    OfferRescinded,
    OffersReceived,
    StreamEnded,
    Subscribed,
)
from tests.support.mesos_endpoint import (
    Exchange,
    Handler,
    ScriptedMaster,
    accepted,
    framed,
    scripted_master,
    subscribed,
)
from tests.support.mesos_stream import (
    FAILED_OVER,
    REMOVED,
    RESCIND,
    S1,
    Opened,
    P,
    answering,
    client_of,
    dropped,
    ended,
    everything,
    mute,
    run,
)


def test_the_client_is_a_cluster_manager() -> None:
    manager: ClusterManager = client_of("127.0.0.1:1")
    assert isinstance(manager, MesosClient)


def test_a_stream_is_read_from_single_bytes_to_its_end() -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream("s1")
        for byte in framed({"type": "HEARTBEAT"}) + framed(RESCIND):
            await exchange.chunk(bytes([byte]))
        await exchange.chunk(framed(RESCIND) + framed(RESCIND))
        await exchange.end()

    async def main() -> None:
        async with scripted_master(stream) as master:
            records = await everything(client_of(master.address))
            rescinded = OfferRescinded(S1, OfferId("o1"))
            assert records == [
                Subscribed(S1, "cell-1", 7, 15000, master.address),
                rescinded,
                rescinded,
                rescinded,
                StreamEnded(S1, f"{master.address} closed the stream"),
            ]
            (asked,) = master.heard
            assert asked.path == "/api/v1/scheduler"
            assert asked.headers["content-type"] == "application/json"
            assert asked.headers["accept"] == "application/json"
            assert "mesos-stream-id" not in asked.headers
            assert asked.body["type"] == "SUBSCRIBE"

    run(main())


async def _broken_record(exchange: Exchange) -> None:
    await exchange.chunk(framed(RESCIND)[:-3])
    await exchange.end()


async def _no_json(exchange: Exchange) -> None:
    await exchange.chunk(framed(RESCIND) + b"3\n{]}")


async def _no_recordio(exchange: Exchange) -> None:
    await exchange.chunk(framed(RESCIND) + b"<html>")


async def _failed_over(exchange: Exchange) -> None:
    await exchange.event(FAILED_OVER)
    await exchange.event(RESCIND)


async def _removed(exchange: Exchange) -> None:
    await exchange.event(REMOVED)


@pytest.mark.parametrize(
    ("then", "rescinds", "why", "is_fatal"),
    [
        (_broken_record, 0, "closed the stream in the middle of a record", False),
        (dropped, 0, "broke off", False),
        (_no_json, 1, "no event stream: a record of 3 bytes is no JSON", False),
        (_no_recordio, 1, "no event stream: a record's length must be decimal digits", False),
        (_failed_over, 0, "Framework failed over", False),
        (_removed, 0, "Framework has been removed", True),
    ],
)
def test_whatever_ends_a_stream_is_told_once(
    then: Handler, rescinds: int, why: str, is_fatal: bool
) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        await then(exchange)

    async def main() -> None:
        async with scripted_master(stream) as master:
            client = client_of(master.address)
            records = await everything(client)
            assert sum(isinstance(each, OfferRescinded) for each in records) == rescinds
            assert why in ended(records).why
            assert ended(records).is_fatal is is_fatal
            late = await client.carry_out(Revive(P), S1)
            assert late.fate == "refused"
            assert master.calls == []

    run(main())


@pytest.mark.slow
def test_silence_ends_the_stream_and_heartbeats_keep_it() -> None:
    interval_s, missed_max, beats = 0.2, 5, 8

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream(interval_s=interval_s)
        for _ in range(beats):  # together far longer than the silence that is allowed
            await asyncio.sleep(interval_s)
            await exchange.event({"type": "HEARTBEAT"})

    async def main() -> None:
        async with scripted_master(stream) as master:
            began = asyncio.get_running_loop().time()
            records = await everything(client_of(master.address, missed_max=missed_max))
            took = asyncio.get_running_loop().time() - began
            assert "nothing was heard" in ended(records).why
            assert len(records) == 2
            assert took >= interval_s * (beats + missed_max) * 0.95

    run(main())


@pytest.mark.parametrize("first", [{"type": "HEARTBEAT"}, RESCIND])
def test_a_stream_that_does_not_begin_with_subscribed_is_no_stream(
    first: dict[str, object],
) -> None:
    async def stream(exchange: Exchange) -> None:
        exchange.writer.write(
            b"HTTP/1.1 200 OK\r\nMesos-Stream-Id: s1\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await exchange.event(first)

    async def main() -> None:
        async with scripted_master(stream) as master:
            records = await everything(client_of(master.address, answer_s=0.2))
            assert len(records) == 1
            assert ended(records).stream_id == S1

    run(main())


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (answering(503, "Master has not finished recovery"), "still recovering; try again"),
        (answering(404), "no Mesos master, or one that is just starting"),
        (answering(401), "wants us to log in"),
        (answering(403, "no"), "does not allow this principal or role"),
        (answering(400, "bad"), "answered 400: bad"),
        (answering(200, "hello"), "answered 200 without Mesos-Stream-Id"),
        (answering(307), "answered 307"),
        (answering(307, Location="https://m/x"), "flumina speaks plain HTTP"),
        (dropped, "broke off"),
        (mute, "did not answer in time"),
    ],
)
def test_a_master_without_a_stream_is_told_with_its_answer(handler: Handler, why: str) -> None:
    async def main() -> None:
        async with scripted_master(handler) as master:
            client = client_of(master.address, answer_s=0.2)
            records = await everything(client)
            assert len(records) == 1
            assert ended(records).stream_id == ""
            assert master.address in ended(records).why
            assert why in ended(records).why
            assert not ended(records).is_fatal

    run(main())


def test_each_master_is_tried_in_turn_and_all_are_named() -> None:
    async def main() -> None:
        async with scripted_master(answering(503)) as one, scripted_master(dropped) as two:
            one.stop_listening()
            records = await everything(client_of(one.address, two.address))
            assert f"{one.address} cannot be reached: Connect" in ended(records).why
            assert f"{two.address} broke off" in ended(records).why
        async with scripted_master(answering(503)) as one, scripted_master() as two:
            async for record in client_of(one.address, two.address).subscribe(7):
                assert isinstance(record, Subscribed)
                assert record.master == two.address
                break
            assert len(one.heard) == len(two.heard) == 1

    run(main())


def test_a_redirect_is_followed_and_the_leader_remembered() -> None:
    async def ending(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.end()

    async def main() -> None:
        async with scripted_master(ending) as leader:
            location = f"//{leader.address}/api/v1/scheduler"
            async with scripted_master(answering(307, Location=location)) as other:
                client = client_of(other.address)
                for _ in range(2):
                    records = await everything(client)
                    assert isinstance(records[0], Subscribed)
                    assert records[0].master == leader.address
                assert (len(other.heard), len(leader.heard)) == (1, 2)

    run(main())


def test_redirects_in_a_circle_are_not_followed_for_ever() -> None:
    async def main() -> None:
        circle: list[ScriptedMaster] = []

        async def to_itself(exchange: Exchange) -> None:
            await exchange.answer(307, Location=f"//{circle[0].address}")

        async with scripted_master(to_itself) as master:
            circle.append(master)
            records = await everything(client_of(master.address))
            assert "sent us on more than 3 times" in ended(records).why
            assert len(master.heard) == 4

    run(main())


def test_a_new_subscription_ends_the_one_before_it() -> None:
    numbers = iter(range(1, 9))

    async def numbered(exchange: Exchange) -> None:
        await exchange.open_stream(f"s{next(numbers)}")

    async def main() -> None:
        async with scripted_master(numbered) as master, Opened(master) as stream:
            async for record in stream.client.subscribe(8):
                assert isinstance(record, Subscribed)
                assert (record.stream_id, record.epoch) == ("s2", 8)
                old = await stream.ended()
                assert (old.stream_id, old.why) == (
                    "s1",
                    "a newer subscription of this process takes its place",
                )
                assert (await stream.client.carry_out(Revive(P), S1)).fate == "refused"
                assert (await stream.client.carry_out(Revive(P), StreamId("s2"))).fate == "sent"
                break

    run(main())


def test_closing_ends_the_stream_for_good() -> None:
    async def main() -> None:
        async with scripted_master() as master, Opened(master) as stream:
            await stream.client.close()
            assert (await stream.ended()).why == "closed by ourselves"
            await master.closed.wait()
            assert "is closed" in ended(await everything(stream.client)).why
            assert len(master.heard) == 1

    run(main())


def test_closing_while_a_stream_is_being_opened() -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def late(exchange: Exchange) -> None:
        asked.set()
        await go.wait()
        await exchange.open_stream()

    async def main() -> None:
        async with scripted_master(late) as master:
            client = client_of(master.address)
            reading = asyncio.create_task(everything(client))
            await asked.wait()
            await client.close()
            go.set()
            records = await reading
            assert ended(records).why == "closed by ourselves"

    run(main())


def test_who_stops_reading_closes_the_connection() -> None:
    async def main() -> None:
        async with scripted_master() as master:
            records = client_of(master.address).subscribe(7)
            await anext(records)
            await records.aclose()
            await master.closed.wait()

    run(main())


def test_a_large_event_in_small_chunks_is_read() -> None:
    offers = [
        {"id": {"value": f"o{n}"}, "agent_id": {"value": f"h{n}"}, "hostname": "x" * 400}
        for n in range(2000)
    ]
    data = framed(subscribed("cell-1")) + framed({"type": "OFFERS", "offers": {"offers": offers}})

    async def stream(exchange: Exchange) -> None:
        exchange.writer.write(
            b"HTTP/1.1 200 OK\r\nMesos-Stream-Id: s1\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for at in range(0, len(data), 1000):
            await exchange.chunk(data[at : at + 1000])
        await exchange.end()

    async def main() -> None:
        async with scripted_master(stream, accepted) as master:
            records = await everything(client_of(master.address))
            found = [o for each in records if isinstance(each, OffersReceived) for o in each.offers]
            assert [each.offer_id for each in found] == [f"o{n}" for n in range(2000)]

    run(main())
