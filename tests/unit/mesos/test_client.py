"""The client against a master that misbehaves: each fault has its record, and nothing raises.

Every test opens real sockets on loopback to a scripted master, so what is tested is what goes
over the wire. What a real master does is the contract tests' matter.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import pytest

from connectors.mesos.client import MesosClient
from connectors.mesos.settings import MesosSettings, Timeouts
from connectors.ports import ClusterManager
from scheduler.model.effects import (
    AcceptOffers,
    AskAll,
    Called,
    Effect,
    KillOnHost,
    Revive,
    Suppress,
    TaskToRun,
)
from scheduler.model.ids import HostId, JobId, OfferId, ProposalId, StreamId, TaskId
from scheduler.model.mesos import (
    MesosRecord,
    OfferRescinded,
    OffersReceived,
    StatusUpdate,
    StreamEnded,
    Subscribed,
)
from scheduler.model.resources import Need
from tests.unit.mesos.scripted import (
    Exchange,
    Handler,
    ScriptedMaster,
    accepted,
    framed,
    opened,
    scripted_master,
    subscribed,
)

P = ProposalId("1.0")
S1 = StreamId("s1")
H = HostId("h1")
DEADLINE_S = 10.0
RESCIND = {"type": "RESCIND", "rescind": {"offer_id": {"value": "o1"}}}
FAILED_OVER = {"type": "ERROR", "error": {"message": "Framework failed over"}}
REMOVED = {"type": "ERROR", "error": {"message": "Framework has been removed"}}


def client_of(*masters: str, answer_s: float = 5.0, missed_max: int = 5) -> MesosClient:
    timeouts = Timeouts(connect_s=answer_s, answer_s=answer_s, heartbeats_missed_max=missed_max)
    return MesosClient(MesosSettings(masters=masters, framework_id="cell-1", timeouts=timeouts))


def run(main: Awaitable[None]) -> None:
    """Run a test with a deadline, so that a stream that never ends fails it."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await main

    asyncio.run(bounded())


async def everything(client: MesosClient, epoch: int = 7) -> list[MesosRecord]:
    return [record async for record in client.subscribe(epoch)]


def ended(records: list[MesosRecord]) -> StreamEnded:
    """The last record, which is the only one that ends the stream."""
    last = records[-1]
    assert isinstance(last, StreamEnded)
    assert not any(isinstance(each, StreamEnded) for each in records[:-1])
    return last


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds; the test's deadline bounds the wait."""
    while not holds():  # noqa: ASYNC110 - what it waits for is the client's state, not an event
        await asyncio.sleep(0.005)


class Opened:
    """A client with an open stream, whose records are collected while the test goes on."""

    def __init__(self, master: ScriptedMaster, *, answer_s: float = 5.0) -> None:
        self.client = client_of(master.address, answer_s=answer_s)
        self.records: list[MesosRecord] = []
        self.reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.reading = asyncio.create_task(self._read())
        await eventually(lambda: bool(self.records))
        assert isinstance(self.records[0], Subscribed)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        assert self.reading is not None
        await self.reading

    async def _read(self) -> None:
        async for record in self.client.subscribe(7):
            self.records.append(record)

    async def ended(self) -> StreamEnded:
        assert self.reading is not None
        await self.reading
        return ended(self.records)


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


async def _dropped(exchange: Exchange) -> None:
    exchange.drop()


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
        (_dropped, 0, "broke off", False),
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


def test_silence_ends_the_stream_and_heartbeats_keep_it() -> None:
    interval_s, missed_max = 0.1, 3

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream(interval_s=interval_s)
        for _ in range(10):  # together far longer than the silence that is allowed
            await asyncio.sleep(interval_s)
            await exchange.event({"type": "HEARTBEAT"})

    async def main() -> None:
        async with scripted_master(stream) as master:
            began = asyncio.get_running_loop().time()
            records = await everything(client_of(master.address, missed_max=missed_max))
            took = asyncio.get_running_loop().time() - began
            assert "nothing was heard" in ended(records).why
            assert len(records) == 2
            assert took >= interval_s * (10 + missed_max) * 0.95

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


def answering(status: int, said: str = "", **headers: str) -> Handler:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer(status, said, **headers)

    return handler


async def _mute(exchange: Exchange) -> None:
    await exchange.gone()


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
        (_dropped, "broke off"),
        (_mute, "did not answer in time"),
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
        async with scripted_master(answering(503)) as one, scripted_master(_dropped) as two:
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


def test_calls_go_out_one_after_the_other_in_the_order_asked() -> None:
    """The master answers slowly; a second call that came before the answer would be seen."""
    under_way: list[str] = []

    async def slowly(exchange: Exchange) -> None:
        assert not under_way
        under_way.append(exchange.request.body["type"])
        await asyncio.sleep(0.01)
        under_way.clear()
        await exchange.answer(202)

    async def main() -> None:
        async with scripted_master(opened, slowly) as master, Opened(master) as stream:
            kill = KillOnHost(P, TaskId("t"), H, 0)
            effects: list[Effect] = [AskAll(P), Revive(P), Suppress(P), kill] * 5
            asked = [stream.client.carry_out(each, S1) for each in effects]
            called = await asyncio.gather(*asked)
            assert called == [Called("sent", S1)] * 20
            assert master.calls == ["RECONCILE", "REVIVE", "SUPPRESS", "KILL"] * 5
            for each in master.heard[1:]:
                assert each.headers["mesos-stream-id"] == "s1"
                assert each.headers["content-type"] == "application/json"
                assert each.body["framework_id"] == {"value": "cell-1"}

    run(main())


@pytest.mark.parametrize(
    ("status", "said", "is_stream_over"),
    [
        (400, "Failed to validate scheduler::Call", False),
        (503, "recovering", False),
        (403, "Framework is not subscribed", True),
        (400, "The stream ID 's1' included in this request didn't match", True),
        (307, "", True),
    ],
)
def test_a_refusal_says_why(status: int, said: str, is_stream_over: bool) -> None:
    async def main() -> None:
        async with (
            scripted_master(opened, answering(status, said)) as master,
            Opened(master) as stream,
        ):
            called = await stream.client.carry_out(Revive(P), S1)
            assert called.fate == "refused"
            assert str(status) in called.detail
            assert said in called.detail
            if is_stream_over:
                assert "a call of type REVIVE ended it" in (await stream.ended()).why
            again = await stream.client.carry_out(Revive(P), S1)
            assert again.fate == "refused"
            assert len(master.calls) == (1 if is_stream_over else 2)

    run(main())


def test_a_call_is_never_sent_on_to_another_master() -> None:
    """The stream belongs to this master; another one would not know it."""

    async def main() -> None:
        async with scripted_master() as other:
            on_call = answering(307, Location=f"//{other.address}/api/v1/scheduler")
            async with scripted_master(opened, on_call) as master, Opened(master) as stream:
                assert (await stream.client.carry_out(Revive(P), S1)).fate == "refused"
                assert other.heard == []

    run(main())


async def _half_an_answer(exchange: Exchange) -> None:
    exchange.writer.write(b"HTTP/1.1 202 Acc")
    exchange.drop()


@pytest.mark.parametrize("handler", [_dropped, _half_an_answer, _mute, answering(500)])
def test_an_unknown_fate_ends_the_stream_and_nothing_more_is_sent(handler: Handler) -> None:
    async def main() -> None:
        async with (
            scripted_master(opened, handler) as master,
            Opened(master, answer_s=0.2) as stream,
        ):
            first, second = await asyncio.gather(
                stream.client.carry_out(Revive(P), S1), stream.client.carry_out(Suppress(P), S1)
            )
            assert (first.fate, first.stream_id) == ("unknown", S1)
            assert second.fate == "refused"
            assert "not sent" in second.detail
            assert "a call of type REVIVE ended it" in (await stream.ended()).why
            await master.closed.wait()
            assert master.calls == ["REVIVE"]

    run(main())


def test_an_answer_whose_text_breaks_off_still_counts() -> None:
    async def broken_text(exchange: Exchange) -> None:
        exchange.writer.write(b"HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\nhal")
        exchange.drop()

    async def main() -> None:
        async with scripted_master(opened, broken_text) as master, Opened(master) as stream:
            called = await stream.client.carry_out(Revive(P), S1)
            assert called.fate == "refused"

    run(main())


def test_a_call_without_a_connection_is_refused_and_the_stream_goes_on() -> None:
    async def main() -> None:
        async with scripted_master() as master, Opened(master) as stream:
            master.stop_listening()
            called = await stream.client.carry_out(Revive(P), S1)
            assert called.fate == "refused"
            assert "not sent" in called.detail
            assert "cannot be reached" in called.detail
            assert len(stream.records) == 1

    run(main())


def test_a_call_that_is_given_up_ends_the_stream() -> None:
    async def main() -> None:
        async with scripted_master(opened, _mute) as master, Opened(master) as stream:
            call = asyncio.create_task(stream.client.carry_out(Revive(P), S1))
            await eventually(lambda: master.calls == ["REVIVE"])
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert "given up" in (await stream.ended()).why

    run(main())


def test_a_call_for_another_stream_is_refused_without_being_sent() -> None:
    async def main() -> None:
        async with scripted_master() as master, Opened(master) as stream:
            for other in (StreamId("s0"), StreamId("")):
                called = await stream.client.carry_out(Revive(P), other)
                assert (called.fate, called.stream_id) == ("refused", other)
            update = StatusUpdate(S1, TaskId("t"), "TASK_RUNNING", H, uuid="AAAA")
            assert (await stream.client.acknowledge(update, StreamId("s0"))).fate == "refused"
            assert master.calls == []

    run(main())


def test_an_update_is_acknowledged_on_the_stream_that_is_named() -> None:
    async def main() -> None:
        async with scripted_master() as master, Opened(master) as stream:
            update = StatusUpdate(StreamId("s0"), TaskId("t"), "TASK_RUNNING", H, uuid="AAAA")
            assert await stream.client.acknowledge(update, S1) == Called("sent", S1)
            nowhere = StatusUpdate(S1, TaskId("t"), "TASK_RUNNING", uuid="AAAA")
            refused = await stream.client.acknowledge(nowhere, S1)
            assert "names no host" in refused.detail
            assert master.calls == ["ACKNOWLEDGE"]

    run(main())


def test_a_text_that_is_no_unicode_is_refused_without_being_sent() -> None:
    async def main() -> None:
        async with scripted_master() as master, Opened(master) as stream:
            called = await stream.client.carry_out(KillOnHost(P, TaskId("\ud800"), H, 0), S1)
            assert called.fate == "refused"
            assert "no valid text" in called.detail
            assert master.calls == []

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


def _reserved_offer() -> dict[str, object]:
    resource = {
        "name": "cpus",
        "type": "SCALAR",
        "scalar": {"value": 2.0},
        "role": "flumina",
        "allocation_info": {"role": "flumina"},
    }
    offer = {"id": {"value": "o1"}, "agent_id": {"value": "h1"}, "resources": [resource]}
    return {"type": "OFFERS", "offers": {"offers": [offer]}}


def test_reserved_resources_are_remembered_until_the_offer_is_used() -> None:
    statuses = iter([503, 202, 202])

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.event(_reserved_offer())

    async def answer(exchange: Exchange) -> None:
        await exchange.answer(next(statuses))

    task = TaskToRun(
        TaskId("t"), JobId("j"), 0, Need(500, 0), (), command=("true",), environment=(),
        labels=(), kill_grace_ms=0,
    )  # fmt: skip
    accept = AcceptOffers(P, H, (OfferId("o1"),), (task,), 0)

    async def main() -> None:
        async with scripted_master(stream, answer) as master, Opened(master) as opened_stream:
            await eventually(lambda: len(opened_stream.records) == 2)
            assert isinstance(opened_stream.records[1], OffersReceived)
            fates = [(await opened_stream.client.carry_out(accept, S1)).fate for _ in range(3)]
            assert fates == ["refused", "sent", "sent"]
            roles = [
                each.body["accept"]["operations"][0]["launch"]["task_infos"][0]["resources"][0].get(
                    "role"
                )
                for each in master.heard[1:]
            ]
            assert roles == ["flumina", "flumina", None]

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
