"""The short way for the calls that come in thousands: answered where their bytes arrive.

The one thing to know: it takes only what it knows whole - a POST of a scheduler call in JSON, all
there, with plain headers - and leaves everything else to the ASGI application, which answers the
same. Through ASGI a request costs 100 microseconds before anybody has looked at the call.
"""

import functools
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connectors.devcluster.master.scheduler_calls import Answer
from connectors.devcluster.wire.event_stream import CHUNKS

Quick = Callable[[str | None, bytes], Answer | None]
"""The answer to a call with this stream id and this body; None when the long way must be gone."""

_PATHS: Final = (
    b"POST /api/v1/scheduler HTTP/1.1\r\n",
    b"POST /master/api/v1/scheduler HTTP/1.1\r\n",
)
_HEAD_BYTES_MAX: Final = 4096
_BODY_BYTES_MAX: Final = 1024 * 1024
# What asks for something that only the long way does.
_LONG_WAY: Final = frozenset(
    {b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"connection"}
)
_TEXT: Final = b"content-type: text/plain; charset=utf-8\r\n"


def head_of(data: bytes, place: int = 0) -> tuple[int, int, str | None] | None:
    """Where the body begins and ends, and the stream id; None when this is none of ours.

    The end may lie beyond the data: the rest has not come yet.
    """
    end = data.find(b"\r\n\r\n", place, place + _HEAD_BYTES_MAX)
    if end < 0 or not data.startswith(b"POST ", place):
        return None
    read = _read_head(data[place:end])
    if read is None:
        return None
    length, stream_id = read
    return end + 4, end + 4 + length, stream_id


# A client repeats its headers with each call; only the length changes, and seldom.
@functools.lru_cache(maxsize=1024)
def _read_head(head: bytes) -> tuple[int, str | None] | None:
    """The length of the body and the stream id; None when the long way must be gone."""
    path = next((p for p in _PATHS if head.startswith(p)), None)
    if path is None:
        return None
    length, stream_id, is_json = -1, None, False
    for line in head[len(path) :].split(b"\r\n"):
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip()
        if name == b"content-length":
            if length >= 0 or not value.isdigit():
                return None
            length = int(value)
        elif name == b"content-type":
            is_json = value == b"application/json"
            if not is_json:
                return None
        elif name == b"mesos-stream-id":
            stream_id = value.decode("latin-1")
        elif name in _LONG_WAY and (name, value.lower()) != (b"connection", b"keep-alive"):
            return None
    return (length, stream_id) if is_json and 0 <= length <= _BODY_BYTES_MAX else None


# The headers say which second it is; in one second all answers of a kind are alike.
@functools.lru_cache(maxsize=16)
def answer_bytes(answer: Answer, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """The answer as HTTP, as the long way writes it."""
    text = answer.text.encode()
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n".encode()]
    lines += [name + b": " + value + b"\r\n" for name, value in headers]
    lines += [b"content-length: %d\r\n" % len(text), _TEXT if text else b"", b"\r\n", text]
    return b"".join(lines)


def answered(
    data: bytes, quick: Quick, headers: list[tuple[bytes, bytes]]
) -> tuple[bytes, bytes, bool]:
    """What is to be written, what is left of the data, and whether that is the start of ours."""
    written = []
    is_ours = False
    same = tuple(headers)
    place = 0
    while place < len(data) and (head := head_of(data, place)) is not None:
        begin, end, stream_id = head
        is_ours = end > len(data)
        if is_ours:
            break
        answer = quick(stream_id, data[begin:end])
        if answer is None:
            break
        written.append(answer_bytes(answer, same))
        place = end
    return b"".join(written), data[place:], is_ours


def quick_protocol(
    base: type[HttpToolsProtocol], quick: Quick, settle: Callable[[], None]
) -> type[HttpToolsProtocol]:
    """The protocol with the short way in front of it; ``settle`` comes before any answer."""

    class QuickProtocol(base):  # type: ignore[misc, valid-type]
        # A request that the long way has begun to read and not finished.
        _is_inside = False
        # The beginning of a request of ours whose rest has not come yet.
        _held = b""

        def data_received(self, data: bytes) -> None:
            data, self._held = self._held + data, b""
            is_answering = self.cycle is not None and not self.cycle.response_complete
            if not (self._is_inside or is_answering or self.pipeline):
                written, data, is_ours = answered(data, quick, self.server_state.default_headers)
                if written:
                    settle()
                    # The long way ends connections that it has not heard of; this one lives.
                    self._unset_keepalive_if_required()
                    self.transport.write(written)
                if is_ours:
                    self._held, data = data, b""
            if data:
                super().data_received(data)

        def on_message_begin(self) -> None:
            self._is_inside = True
            super().on_message_begin()
            self.scope["extensions"] = {CHUNKS: self._write_chunks}

        def on_message_complete(self) -> None:
            self._is_inside = False
            super().on_message_complete()

        def _write_chunks(self, records: Iterable[bytes]) -> bool:
            """Whether each was sent as a chunk of its own; not to a reader who is slow or gone."""
            if self.flow.write_paused or self.transport.is_closing():
                return False
            chunks = (b"%x\r\n%b\r\n" % (len(record), record) for record in records)
            self.transport.write(b"".join(chunks))
            return True

    return QuickProtocol
