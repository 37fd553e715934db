"""Many small calls over one connection, written without waiting for the answer to each.

The one thing to know: HTTP/1.1 answers come in the order of the requests (RFC 9112, section 9.3.2),
so calls that are asked for together cost one write and one round trip. It is for calls that need
not wait for each other: acknowledgements, which say the same however often they are sent, and
ACCEPTs, each of which is about offers of its own. An answer counts from its head on, whatever
becomes of its text. aiohttp has no such thing; a call takes it half a millisecond of work, here it
takes a few microseconds. So nothing is made for each call that one thing can do for all: calls that
are asked for together are one coroutine's, and one timer serves all time-outs of a connection.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

import httptools
import msgspec

ANSWER_BYTES_MAX: Final = 64 * 1024
"""Of one answer with its headers; a master's refusal is a sentence."""


class LaneBrokenError(Exception):
    """The connection did not bring the answer to a call; the text says why."""


class Answer(msgspec.Struct, frozen=True):
    """What the other side said to one call."""

    status: int
    body: bytes


class Asked:
    """A call that leaves: until when its answer is waited for, and what became of it."""

    __slots__ = ("found", "timeout_s", "told", "until_s")

    def __init__(self, until_s: float, timeout_s: float, told: asyncio.Future[None]) -> None:
        self.until_s, self.timeout_s = until_s, timeout_s
        self.told = told
        """Done with the answer, or when it is known that there is none."""
        self.found: Answer | str = ""
        """The answer, or why there is none."""

    def end(self, found: Answer | str) -> None:
        """Keep what became of it, and let go on who waits."""
        self.found = found
        if not self.told.done():
            self.told.set_result(None)


class Pipeline(asyncio.Protocol):
    """One connection; ``post`` sends a call on it, many at a time if need be."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._unsent: list[bytes] = []
        self._unanswered: deque[Asked] = deque()
        self._timer: asyncio.TimerHandle | None = None
        """When the first of them, or one that was answered since, has waited long enough."""
        self._body = bytearray()
        self._bytes_of_answer = 0
        self._status: int | None = None
        """Of the answer whose head has come and whose end has not."""
        self._fault: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether another call can be sent."""
        return self._fault is None

    async def post(self, body: bytes, timeout_s: float) -> Answer:
        """The answer to one call. Raises LaneBrokenError where it did not come."""
        (found,) = await self.post_all((body,), timeout_s)
        if isinstance(found, str):
            raise LaneBrokenError(found)
        return found

    async def post_all(self, bodies: Sequence[bytes], timeout_s: float) -> list[Answer | str]:
        """The answers to calls that leave together, in their order; why, where one did not come."""
        if self._fault is not None or not bodies:
            return [self._fault or ""] * len(bodies)
        asked = self.ask(bodies, timeout_s)
        await asked[-1].told  # The others are answered before it.
        return [each.found for each in asked]

    def ask(self, bodies: Sequence[bytes], timeout_s: float) -> list[Asked]:
        """The calls, which leave together; raises LaneBrokenError where none leaves any more."""
        if self._fault is not None:
            raise LaneBrokenError(self._fault)
        loop = asyncio.get_running_loop()
        if not self._unsent:
            # Whatever else is asked for before the loop comes round again goes with it.
            loop.call_soon(self._send)
        self._unsent += [b"%b%d\r\n\r\n%b" % (self._head, len(each), each) for each in bodies]
        until_s = loop.time() + timeout_s
        asked = [Asked(until_s, timeout_s, loop.create_future()) for _ in bodies]
        self._unanswered += asked
        if self._timer is None or until_s < self._timer.when():
            self._look_at(loop, until_s)
        return asked

    def _look_at(self, loop: asyncio.AbstractEventLoop, until_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(until_s, self._waited, loop, until_s)

    def _waited(self, loop: asyncio.AbstractEventLoop, now_s: float) -> None:
        """Break the connection where a call has waited too long, else see to the next of them."""
        self._timer = None
        if not self._unanswered:
            return
        first = min(self._unanswered, key=attrgetter("until_s"))
        if first.until_s <= now_s:
            self._break(f"no answer within {first.timeout_s:g} s")
        else:
            self._look_at(loop, first.until_s)

    def _send(self) -> None:
        requests, self._unsent = self._unsent, []
        if self._fault is None and self._transport is not None:
            self._transport.write(b"".join(requests))

    def close(self) -> None:
        """Give the connection back; calls without an answer fail."""
        self._break("closed by ourselves")

    def _break(self, why: str) -> None:
        if self._fault is not None:
            return
        self._fault = why
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        if self._status is not None:
            self._answer(self._status)
        while self._unanswered:
            self._unanswered.popleft().end(why)

    # What asyncio and the parser call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._break(f"the connection broke: {exc}" if exc else "the master closed the connection")

    def data_received(self, data: bytes) -> None:
        """Bytes of answers; what is no HTTP breaks the lane."""
        self._bytes_of_answer += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as fault:
            self._break(f"no HTTP answer: {fault}")
        if self._bytes_of_answer > ANSWER_BYTES_MAX:
            self._break(f"an answer of more than {ANSWER_BYTES_MAX} bytes")

    def on_message_begin(self) -> None:
        """An answer begins."""
        self._body = bytearray()

    def on_headers_complete(self) -> None:
        """An answer's head is there, and with it what the answer is."""
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """A part of an answer's body."""
        if len(self._body) + len(body) <= ANSWER_BYTES_MAX:
            self._body += body

    def on_message_complete(self) -> None:
        """An answer is whole."""
        self._bytes_of_answer = 0
        if not self._unanswered:
            self._break("an answer that nobody asked for")
            return
        self._answer(self._parser.get_status_code())
        if not self._parser.should_keep_alive():
            self._break("the master closes the connection after an answer")

    def _answer(self, status: int) -> None:
        """The oldest call without an answer has this one, with as much of its text as came."""
        self._status = None
        if self._unanswered:
            self._unanswered.popleft().end(Answer(status, bytes(self._body)))


async def open_pipeline(
    host: str, port: int, path: str, headers: dict[str, str], connect_s: float
) -> Pipeline:
    """A connection to ``host:port`` on which POSTs with these headers can be sent.

    Raises LaneBrokenError where there is none.
    """
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(lines).encode("ascii") + b"\r\nContent-Length: "
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(connect_s):
            _, lane = await loop.create_connection(lambda: Pipeline(head), host, port)
    except (OSError, TimeoutError) as fault:
        raise LaneBrokenError(
            f"cannot be reached: {str(fault) or 'no connection in time'}"
        ) from fault
    return lane
