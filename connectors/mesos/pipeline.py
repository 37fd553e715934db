"""Many small calls over one connection, written without waiting for the answer to each.

The one thing to know: HTTP/1.1 answers come in the order of the requests (RFC 9112, section 9.3.2),
so calls that are asked for together cost one write and one round trip. It is for calls that need
not wait for each other: acknowledgements, which say the same however often they are sent, and
ACCEPTs, each of which is about offers of its own. An answer counts from its head on, whatever
becomes of its text. aiohttp has no such thing; a call takes it half a millisecond of work, here it
takes six microseconds.
"""

import asyncio
from collections import deque
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


class Pipeline(asyncio.Protocol):
    """One connection; ``post`` sends a call on it, many at a time if need be."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._unsent: list[bytes] = []
        self._unanswered: deque[asyncio.Future[Answer]] = deque()
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
        if self._fault is not None:
            raise LaneBrokenError(self._fault)
        loop = asyncio.get_running_loop()
        if not self._unsent:
            # Whatever else is asked for before the loop comes round again goes with it.
            loop.call_soon(self._send)
        self._unsent.append(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        answered: asyncio.Future[Answer] = loop.create_future()
        self._unanswered.append(answered)
        try:
            # Not `timeout`, which would cancel what a head that came has already decided.
            await asyncio.wait((answered,), timeout=timeout_s)
        except asyncio.CancelledError:
            answered.cancel()
            raise
        if not answered.done():
            self._break(f"no answer within {timeout_s:g} s")
        return answered.result()

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
        if self._transport is not None:
            self._transport.abort()
        if self._status is not None:
            self._answer(self._status)
        while self._unanswered:
            answered = self._unanswered.popleft()
            if not answered.done():
                answered.set_exception(LaneBrokenError(why))

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
            answered = self._unanswered.popleft()
            if not answered.done():
                answered.set_result(Answer(status, bytes(self._body)))


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
