"""Calls in bad weather: what the connector believes of a call that was answered badly, or never.

Each kind of call against each kind of answer. A fate is never too good: ``refused`` only where
the call surely did nothing, ``sent`` where the master has read it, ``unknown`` else; and after an
``unknown`` the stream is over, because only a new one fences the old call off.
"""

import asyncio
import tracemalloc

import pytest

from connectors.mesos.client import MesosClient
from scheduler.model.effects import (
    AcceptOffers,
    AskAll,
    AskState,
    Called,
    DeclineOffers,
    Effect,
    KillOnHost,
    Revive,
    Suppress,
    TaskToRun,
)
from scheduler.model.ids import JobId, OfferId, StreamId, TaskId
from scheduler.model.mesos import OfferRescinded, OffersReceived, StatusUpdate
from scheduler.model.resources import Need
from tests.support.mesos_endpoint import Exchange, Handler, opened, scripted_master
from tests.support.mesos_stream import (
    RESCIND,
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

T = TaskId("t")
TASK = TaskToRun(
    T, JobId("j"), 0, Need(500, 32), (), command=("true",), environment=(), labels=(),
    kill_grace_ms=0,
)  # fmt: skip
UPDATE = StatusUpdate(S1, T, "TASK_RUNNING", H, uuid="x3bSgzWTRzS0vq2JcZuG4w==")
CALLS: dict[str, Effect | StatusUpdate] = {
    "ACCEPT": AcceptOffers(P, H, (OfferId("o1"),), (TASK,), 0),
    "DECLINE": DeclineOffers(P, (OfferId("o1"),), 5_000),
    "KILL": KillOnHost(P, T, H, 0),
    "RECONCILE": AskState(P, ((T, H),)),
    "RECONCILE of all": AskAll(P),
    "SUPPRESS": Suppress(P),
    "REVIVE": Revive(P),
    "ACKNOWLEDGE": UPDATE,
}


async def sent(client: MesosClient, call: Effect | StatusUpdate) -> Called:
    """Send the call on the first stream."""
    if isinstance(call, StatusUpdate):
        return await client.acknowledge(call, S1)
    return await client.carry_out(call, S1)


def called(call: Effect | StatusUpdate, handler: Handler, answer_s: float = 5.0) -> str:
    """The fate of one call whose answer is ``handler``; checks what must hold for every fate."""
    fates: list[str] = []

    async def main() -> None:
        async with (
            scripted_master(opened, handler) as master,
            Opened(master, answer_s=answer_s) as stream,
        ):
            first = await sent(stream.client, call)
            first.detail.encode()
            assert first.stream_id == S1
            assert len(first.detail) < 5_000
            fates.append(first.fate)
            if first.fate == "unknown":
                assert (await stream.ended()).stream_id == S1
                again = await sent(stream.client, call)
                assert again.fate == "refused"
                assert len(master.calls) == 1, "nothing is sent twice, and nothing after"

    run(main())
    return fates[0]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_202_and_then_nothing_is_sent_and_the_stream_stays(call: Effect | StatusUpdate) -> None:
    """That nothing follows is for the fold to notice: it asks again, by its own clock."""

    async def main() -> None:
        async with scripted_master() as master, Opened(master) as stream:
            assert await sent(stream.client, call) == Called("sent", S1)
            assert await stream.client.carry_out(Revive(P), S1) == Called("sent", S1)
            assert len(stream.records) == 1

    run(main())


async def _half_an_answer(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 202 Acc")
    exchange.drop()


async def _reset(exchange: Exchange) -> None:
    exchange.reset()


async def _half_close(exchange: Exchange) -> None:
    exchange.half_close()
    await exchange.gone()


async def _tls(exchange: Exchange) -> None:
    await exchange.raw(b"\x15\x03\x03\x00\x02\x02\x46")
    await exchange.gone()


async def _dripping(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 202 Accepted\r\nX: ")
    while True:  # Until the client gives up.
        await exchange.raw(b"x")
        await asyncio.sleep(0.01)


BROKEN: dict[str, Handler] = {
    "dropped after it was read": dropped,
    "reset after it was read": _reset,
    "half an answer": _half_an_answer,
    "half closed": _half_close,
    "a TLS alert": _tls,
    "an answer that drips": _dripping,
    "never answered": mute,
}
BAD_GATEWAYS: dict[str, Handler] = {
    "500": answering(500),
    "500 with a text": answering(500, "x" * 10_000),
    "502": answering(502),
    "504": answering(504, "gateway"),
}


@pytest.mark.parametrize("call", [CALLS["ACCEPT"], CALLS["KILL"]], ids=["ACCEPT", "KILL"])
@pytest.mark.parametrize(
    "handler", [*BROKEN.values(), *BAD_GATEWAYS.values()], ids=[*BROKEN, *BAD_GATEWAYS]
)
def test_a_lost_answer_is_an_unknown_fate_and_ends_the_stream(
    call: Effect, handler: Handler
) -> None:
    answer_s = 0.5 if handler in {mute, _dripping} else 5.0
    assert called(call, handler, answer_s=answer_s) == "unknown"


@pytest.mark.parametrize("handler", BROKEN.values(), ids=BROKEN)
def test_a_lost_answer_to_an_acknowledgement_costs_nothing_but_a_second_one(
    handler: Handler,
) -> None:
    """It may be sent twice, and its fate may stay unknown: Mesos repeats what it has not heard."""

    async def main() -> None:
        async with (
            scripted_master(opened, handler) as master,
            Opened(master, answer_s=0.5) as stream,
        ):
            assert (await sent(stream.client, UPDATE)).fate == "unknown"
            assert master.calls == ["ACKNOWLEDGE"] * 2
            assert len(stream.records) == 1, "the stream goes on"

    run(main())


@pytest.mark.parametrize("handler", BAD_GATEWAYS.values(), ids=BAD_GATEWAYS)
def test_a_bad_gateway_between_costs_an_acknowledgement_and_not_the_stream(
    handler: Handler,
) -> None:
    """As where the answer is lost: Mesos repeats the update, and that is acknowledged again."""
    answers: list[Handler] = [handler, answering(202)]

    async def in_turn(exchange: Exchange) -> None:
        await answers.pop(0)(exchange)

    async def main() -> None:
        async with scripted_master(opened, in_turn) as master, Opened(master) as stream:
            assert (await sent(stream.client, UPDATE)).fate == "unknown"
            assert await sent(stream.client, UPDATE) == Called("sent", S1)
            assert master.calls == ["ACKNOWLEDGE"] * 2
            assert len(stream.records) == 1, "the stream goes on"

    run(main())


@pytest.mark.parametrize("status", [307, 403])
def test_an_acknowledgement_that_another_stream_or_leader_refuses_ends_the_stream(
    status: int,
) -> None:
    async def main() -> None:
        async with (
            scripted_master(opened, answering(status)) as master,
            Opened(master) as stream,
        ):
            assert (await sent(stream.client, UPDATE)).fate == "refused"
            assert "an acknowledgement ended it" in (await stream.ended()).why

    run(main())


REFUSALS = [
    (status, said)
    for status in (300, 301, 302, 307, 308, 400, 401, 403, 404, 405, 406, 413, 415, 429, 503)
    for said in ("", "no")
]


@pytest.mark.parametrize(("status", "said"), REFUSALS)
def test_a_refusal_did_nothing(status: int, said: str) -> None:
    assert called(CALLS["ACCEPT"], answering(status, said)) == "refused"


def test_the_text_of_a_refusal_is_cut_however_long_it_is() -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:  # Until the client closes the connection.
            await exchange.chunk(b"x" * 10_000)

    tracemalloc.start()
    assert called(CALLS["ACCEPT"], endless) == "refused"
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 4 * 1024 * 1024


def test_a_202_whose_text_never_comes_still_counts() -> None:
    async def no_text(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\n")
        await exchange.gone()

    assert called(CALLS["ACCEPT"], no_text, answer_s=0.5) == "sent"


def test_a_master_that_redirects_calls_leads_no_longer() -> None:
    async def main() -> None:
        async with (
            scripted_master() as other,
            scripted_master(opened, answering(307, Location=f"//{other.address}")) as master,
            Opened(master) as stream,
        ):
            assert (await sent(stream.client, CALLS["ACCEPT"])).fate == "refused"
            assert "does not lead" in (await stream.ended()).why
            assert other.heard == [], "a call belongs to its stream, and is never sent on"

    run(main())


# Offers and what is said of them while an ACCEPT is on its way.


def _reserved_offer(offer_id: str = "o1") -> dict[str, object]:
    resource = {
        "name": "cpus",
        "type": "SCALAR",
        "scalar": {"value": 2.0},
        "role": "flumina",
        "allocation_info": {"role": "flumina"},
    }
    offer = {"id": {"value": offer_id}, "agent_id": {"value": "h1"}, "resources": [resource]}
    return {"type": "OFFERS", "offers": {"offers": [offer]}}


@pytest.mark.parametrize("when", ["before", "while", "after"])
def test_a_rescission_around_an_accept_is_told_and_the_call_stands_alone(when: str) -> None:
    """The call is sent as it was decided; the master answers 202, and then what it was worth."""
    stream_of: list[Exchange] = []
    its: list[Opened] = []

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.event(_reserved_offer())
        stream_of.append(exchange)

    async def answer(exchange: Exchange) -> None:
        if when == "while":
            await stream_of[0].event(RESCIND)
            await eventually(lambda: rescinded() == 1)
        await exchange.answer(202)

    def rescinded() -> int:
        return sum(isinstance(each, OfferRescinded) for each in its[0].records)

    async def main() -> None:
        async with scripted_master(stream, answer) as master, Opened(master) as it:
            its.append(it)
            await eventually(lambda: len(it.records) == 2)
            assert isinstance(it.records[1], OffersReceived)
            if when == "before":
                await stream_of[0].event(RESCIND)
                await eventually(lambda: rescinded() == 1)
            assert (await sent(it.client, CALLS["ACCEPT"])).fate == "sent"
            if when == "after":
                await stream_of[0].event(RESCIND)
            await eventually(lambda: rescinded() == 1)
            assert master.calls == ["ACCEPT"]
            asked = master.heard[1].body["accept"]["operations"][0]["launch"]["task_infos"][0]
            # What was taken back before is no longer known as reserved.
            assert asked["resources"][0].get("role") == (None if when == "before" else "flumina")

    run(main())


def test_offers_of_an_old_stream_are_used_on_no_stream() -> None:
    """What the old stream's offers held is forgotten with it."""
    names = iter(["s1", "s2"])

    async def stream(exchange: Exchange) -> None:
        name = next(names)
        await exchange.open_stream(name)
        if name == "s1":
            await exchange.event(_reserved_offer())

    async def main() -> None:
        async with scripted_master(stream) as master, Opened(master) as first:
            await eventually(lambda: len(first.records) == 2)
            second = first.client.subscribe(8)
            await anext(second)
            accept = CALLS["ACCEPT"]
            assert isinstance(accept, AcceptOffers)
            old = await first.client.carry_out(accept, S1)
            assert old.fate == "refused"
            assert master.calls == []
            assert (await first.ended()).stream_id == S1
            assert (await first.client.carry_out(accept, StreamId("s2"))).fate == "sent"
            asked = master.heard[2].body["accept"]["operations"][0]["launch"]["task_infos"][0]
            assert "role" not in asked["resources"][0], "what s1 said was reserved is forgotten"
            await second.aclose()

    run(main())
