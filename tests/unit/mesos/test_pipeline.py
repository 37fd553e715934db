"""The connection of the acknowledgements: many calls, one round trip, and every way it can break.

A raw endpoint counts what arrives and answers as each case says; nothing sleeps.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from connectors.mesos.pipeline import (
    ANSWER_BYTES_MAX,
    Answer,
    LaneBrokenError,
    Pipeline,
    open_pipeline,
)
from tests.support.mesos_endpoint import raw_endpoint

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
BODIES = [b"one", b"two", b"three"]
DEADLINE_S = 5.0

Endpoint = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_calls(reader: asyncio.StreamReader, count: int) -> list[tuple[bytes, bytes]]:
    """Head and body of the next calls."""
    calls = []
    for _ in range(count):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        calls.append((head, await reader.readexactly(length)))
    return calls


def run(endpoint: Endpoint, case: Callable[[Pipeline], Awaitable[None]]) -> None:
    """Run a case on a pipeline to that endpoint."""

    async def main() -> None:
        async with raw_endpoint(endpoint) as server, asyncio.timeout(DEADLINE_S):
            port = server.sockets[0].getsockname()[1]
            lane = await open_pipeline("127.0.0.1", port, "/path", {"X-Id": "s1"}, DEADLINE_S)
            try:
                await case(lane)
            finally:
                lane.close()

    asyncio.run(main())


async def posted(lane: Pipeline, later_s: float = DEADLINE_S) -> list[Answer | str]:
    """What became of three calls that were asked for together; all but the first wait so long."""
    waits_s = (DEADLINE_S, later_s, later_s)
    ended = await asyncio.gather(
        *(lane.post(*each) for each in zip(BODIES, waits_s, strict=True)), return_exceptions=True
    )
    found: list[Answer | str] = []
    for each in ended:
        assert isinstance(each, Answer | LaneBrokenError), repr(each)
        found.append(each if isinstance(each, Answer) else str(each))
    return found


def test_all_calls_leave_before_the_first_answer_comes_and_answers_keep_their_order() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def endpoint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await read_calls(reader, 3))
        # In pieces that fit nowhere: the answers are one stream of bytes.
        answers = ACCEPTED + b"HTTP/1.1 400 No\r\nContent-Length: 3\r\n\r\nwhy" + ACCEPTED
        for begin in range(0, len(answers), 7):
            writer.write(answers[begin : begin + 7])
            await writer.drain()
        await reader.read()

    async def case(lane: Pipeline) -> None:
        assert await posted(lane) == [Answer(202, b""), Answer(400, b"why"), Answer(202, b"")]
        assert lane.is_open

    run(endpoint, case)
    assert [body for _, body in seen] == BODIES
    assert seen[0][0].startswith(b"POST /path HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-Id: s1\r\n" in seen[0][0]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "closed the connection"),
        (ACCEPTED[:20], "closed the connection"),
        (b"\x16\x03\x01 no HTTP at all\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 202 A\r\nContent-Length: -4\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 202 A\r\nX: " + b"x" * (ANSWER_BYTES_MAX + 9), "more than"),
        (b"HTTP/1.1 202 A\r\nContent-Length: 999999\r\n\r\n" + b"x" * 99_999, "more than"),
        (b"HTTP/1.1 202 A\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "closes"),
        (b"HTTP/1.1 101 Upgrade\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "no HTTP answer"),
    ],
)
def test_what_breaks_the_connection_fails_every_call_that_waits(said: bytes, why: str) -> None:
    async def endpoint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_calls(reader, 3)
        writer.write(said)
        await writer.drain()
        writer.close()

    async def case(lane: Pipeline) -> None:
        answers = await posted(lane)
        assert why in str(answers[-1])
        assert not lane.is_open
        with pytest.raises(LaneBrokenError, match=why):
            await lane.post(b"later", DEADLINE_S)

    run(endpoint, case)


def test_the_first_answer_counts_though_the_second_never_comes() -> None:
    async def endpoint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_calls(reader, 3)
        writer.write(ACCEPTED)
        await writer.drain()
        await reader.read()

    async def case(lane: Pipeline) -> None:
        first, second, third = await posted(lane, later_s=0.2)
        assert first == Answer(202, b"")
        assert "no answer within 0.2 s" in str(second)
        assert "no answer within 0.2 s" in str(third)
        assert not lane.is_open

    run(endpoint, case)


def test_an_answer_that_nobody_asked_for_breaks_the_connection() -> None:
    async def endpoint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_calls(reader, 3)
        writer.write(ACCEPTED * 4)
        await reader.read()

    async def case(lane: Pipeline) -> None:
        assert await posted(lane) == [Answer(202, b"")] * 3
        assert not lane.is_open

    run(endpoint, case)


def test_a_call_that_is_given_up_takes_nobody_elses_answer() -> None:
    go_on = asyncio.Event()

    async def endpoint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_calls(reader, 2)
        await go_on.wait()
        writer.write(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n" + ACCEPTED)
        await reader.read()

    async def case(lane: Pipeline) -> None:
        first = asyncio.create_task(lane.post(b"first", DEADLINE_S))
        second = asyncio.create_task(lane.post(b"second", DEADLINE_S))
        await asyncio.sleep(0)
        first.cancel()
        go_on.set()
        assert await second == Answer(202, b"")

    run(endpoint, case)


def test_where_nobody_listens_the_reason_is_told() -> None:
    async def endpoint(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def main() -> None:
        async with raw_endpoint(endpoint) as server:
            port = server.sockets[0].getsockname()[1]
        with pytest.raises(LaneBrokenError, match="cannot be reached"):
            await open_pipeline("127.0.0.1", port, "/", {}, DEADLINE_S)

    asyncio.run(main())


def test_calls_that_leave_together_are_answered_in_their_order_or_told_why_not() -> None:
    async def endpoint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_calls(reader, 3)
        writer.write(ACCEPTED + b"HTTP/1.1 400 No\r\nContent-Length: 3\r\n\r\nwhy")
        await writer.drain()
        writer.close()

    async def case(lane: Pipeline) -> None:
        first, second, third = await lane.post_all(BODIES, DEADLINE_S)
        assert (first, second) == (Answer(202, b""), Answer(400, b"why"))
        assert "closed the connection" in str(third)
        assert await lane.post_all(BODIES[:2], DEADLINE_S) == [third, third]
        assert await lane.post_all((), DEADLINE_S) == []

    run(endpoint, case)


def test_a_later_call_that_waits_less_long_ends_the_connection_when_its_time_is_over() -> None:
    async def endpoint(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def case(lane: Pipeline) -> None:
        patient = asyncio.create_task(lane.post(b"patient", DEADLINE_S * 100))
        await asyncio.sleep(0)
        with pytest.raises(LaneBrokenError, match=r"no answer within 0\.05 s"):
            await lane.post(b"hasty", 0.05)
        with pytest.raises(LaneBrokenError, match=r"no answer within 0\.05 s"):
            await patient

    run(endpoint, case)


def test_an_answer_in_time_leaves_the_next_call_its_own_time() -> None:
    async def endpoint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await read_calls(reader, 1)
            writer.write(ACCEPTED)
        await reader.read()

    async def case(lane: Pipeline) -> None:
        assert await lane.post(b"first", 0.2) == Answer(202, b"")
        # The timer of the first goes off meanwhile, and finds nobody who has waited too long.
        assert await lane.post(b"second", 0.3) == Answer(202, b"")
        with pytest.raises(LaneBrokenError, match=r"no answer within 0\.3 s"):
            await lane.post(b"third", 0.3)

    run(endpoint, case)
