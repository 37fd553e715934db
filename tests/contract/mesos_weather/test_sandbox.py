"""Reading a sandbox in bad weather: whatever a host answers, it costs bounded time and memory."""

import asyncio
import tracemalloc

import pytest

from connectors.mesos.sandbox import HostGoneError, SandboxError, SandboxReader
from scheduler.model.ids import TaskId
from tests.support.mesos_endpoint import RawHandler, address_of, raw_endpoint, reset
from tests.support.mesos_stream import run


def _answering(head: bytes, *, then: bytes = b"", pause_s: float = 0.0) -> RawHandler:
    """Answer with ``head``, and with ``then`` again and again until the client is gone."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while then:
            writer.write(then)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return handler


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    reset(writer)


async def _mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_CHUNK = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
_ELSEWHERE = b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"

_DRIPPING = _answering(b"HTTP/1.1 2", then=b"0", pause_s=0.01)

CASES: dict[str, tuple[RawHandler, type[SandboxError], str]] = {
    "never answers": (_mute, HostGoneError, "did not answer within"),
    "drips": (_DRIPPING, HostGoneError, "read|within"),
    "resets": (_reset, HostGoneError, "cannot be read"),
    "closes": (_answering(b""), HostGoneError, "cannot be read"),
    "speaks TLS": (_answering(b"\x15\x03\x03\x00\x02\x02\x46"), HostGoneError, "cannot be read"),
    "breaks off": (
        _answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
        HostGoneError,
        "cannot be read",
    ),
    "never ends": (_answering(_CHUNKED, then=_CHUNK), SandboxError, "more than"),
    "sends us on": (_answering(_ELSEWHERE), SandboxError, "answered 307"),
    "refuses without end": (
        _answering(_CHUNKED.replace(b"200 OK", b"500 X"), then=_CHUNK),
        SandboxError,
        "more than",
    ),
}


@pytest.mark.parametrize(("handler", "kind", "says"), CASES.values(), ids=CASES)
def test_a_host_that_misbehaves_is_told(
    handler: RawHandler, kind: type[SandboxError], says: str
) -> None:
    async def main() -> None:
        async with raw_endpoint(handler) as server:
            is_slow = handler in {_mute, _DRIPPING}
            reader = SandboxReader(timeout_s=0.3 if is_slow else 5.0)
            try:
                with pytest.raises(kind, match=says):
                    await reader.read(f"http://{address_of(server)}", "/d", "stdout", 0, 100)
            finally:
                await reader.close()

    tracemalloc.start()
    run(main())
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 8 * 1024 * 1024


def test_the_reader_goes_on_with_the_next_host() -> None:
    body = b'{"data":"hello","offset":0}'
    good = _answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async def main() -> None:
        async with raw_endpoint(_reset) as bad, raw_endpoint(good) as host:
            reader = SandboxReader(timeout_s=30.0)
            try:
                with pytest.raises(HostGoneError):
                    await reader.directory(f"http://{address_of(bad)}", "f", TaskId("t"))
                piece = await reader.read(f"http://{address_of(host)}", "/d", "stdout", 0, 100)
                assert piece.data == b"hello"
            finally:
                await reader.close()

    run(main())
