"""Calls to a master that misbehaves: in order, once, and with a fate that is never too good.

Every test opens real sockets on loopback to a scripted master, as in ``test_client.py``.
"""

import asyncio

import pytest

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
from scheduler.model.ids import JobId, OfferId, StreamId, TaskId
from scheduler.model.mesos import (
    OffersReceived,
    StatusUpdate,
)
from scheduler.model.resources import Need
from tests.support.mesos_endpoint import (
    Exchange,
    Handler,
    opened,
    scripted_master,
)
from tests.support.mesos_stream import (
    S1,
    H,
    Opened,
    P,
    answering,
    dropped,
    eventually,
    mute,
    run,
)


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


@pytest.mark.slow
@pytest.mark.parametrize("handler", [dropped, _half_an_answer, mute, answering(500)])
def test_an_unknown_fate_ends_the_stream_and_nothing_more_is_sent(handler: Handler) -> None:
    async def main() -> None:
        async with (
            scripted_master(opened, handler) as master,
            Opened(master, answer_s=0.5) as stream,
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
        async with scripted_master(opened, mute) as master, Opened(master) as stream:
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


def test_of_many_acknowledgements_each_is_told_what_became_of_it() -> None:
    statuses = iter([202, 400, 202])

    async def answer(exchange: Exchange) -> None:
        await exchange.answer(next(statuses))

    async def main() -> None:
        async with scripted_master(opened, answer) as master, Opened(master) as stream:
            here = [
                StatusUpdate(S1, TaskId(f"t{number}"), "TASK_RUNNING", H, uuid="AAAA")
                for number in range(3)
            ]
            nowhere = StatusUpdate(S1, TaskId("t"), "TASK_RUNNING", uuid="AAAA")
            updates = [nowhere, *here, nowhere]
            called = await stream.client.acknowledge_all(updates, S1)
            fates = [each.fate for each in called]
            assert fates == ["refused", "sent", "refused", "sent", "refused"]
            assert "names no host" in called[0].detail
            assert "the master answered 400" in called[2].detail
            assert master.calls == ["ACKNOWLEDGE"] * 3
            late = await stream.client.acknowledge_all(updates, StreamId("s0"))
            assert [each.fate for each in late] == ["refused"] * 5
            assert await stream.client.acknowledge_all((), S1) == []

    run(main())


def test_a_text_that_is_no_unicode_is_refused_without_being_sent() -> None:
    async def main() -> None:
        async with scripted_master() as master, Opened(master) as stream:
            called = await stream.client.carry_out(KillOnHost(P, TaskId("\ud800"), H, 0), S1)
            assert called.fate == "refused"
            assert "no valid text" in called.detail
            assert master.calls == []

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
