"""A head and its body leave in one call; whatever is written arrives whole and in order."""

import asyncio
from collections.abc import Callable

import pytest

from streams.api.one_send import OneSend

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
LARGE = b"x" * 100_000


class Kept(asyncio.Transport):
    """Keeps what it is given, call by call."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.calls: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append(bytes(data))

    def close(self) -> None:
        self.calls.append(b"closed")


def calls(do: Callable[[OneSend], None]) -> tuple[list[bytes], list[bytes]]:
    """What had been written when ``do`` was done, and at the end of that turn of the loop."""

    async def run() -> tuple[list[bytes], list[bytes]]:
        kept = Kept()
        do(OneSend(kept, asyncio.get_running_loop()))
        at_once = kept.calls.copy()
        await asyncio.sleep(0)
        return at_once, kept.calls

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("written", "at_once", "at_last"),
    [
        ([HEAD, b"{}"], [HEAD + b"{}"], [HEAD + b"{}"]),
        ([HEAD], [], [HEAD]),
        ([HEAD, b""], [HEAD], [HEAD]),
        ([b"{}"], [b"{}"], [b"{}"]),
        ([HEAD, LARGE], [HEAD, LARGE], [HEAD, LARGE]),
        ([HEAD, b"{}", HEAD, b"[]"], [HEAD + b"{}", HEAD + b"[]"], [HEAD + b"{}", HEAD + b"[]"]),
        # A stream whose piece looks like a head loses nothing, and waits for nobody.
        ([HEAD, b"a", HEAD], [HEAD + b"a"], [HEAD + b"a", HEAD]),
    ],
)
def test_a_head_leaves_with_its_body_or_at_the_end_of_the_turn(
    written: list[bytes], at_once: list[bytes], at_last: list[bytes]
) -> None:
    def write(transport: OneSend) -> None:
        for each in written:
            transport.write(each)

    assert calls(write) == (at_once, at_last)


def test_a_head_that_is_held_leaves_before_the_connection_ends() -> None:
    def end(transport: OneSend) -> None:
        transport.write(HEAD)
        transport.close()

    assert calls(end)[0] == [HEAD, b"closed"]


def test_everything_else_is_the_transports() -> None:
    def look(transport: OneSend) -> None:
        assert transport.get_extra_info("peername") == ("127.0.0.1", 1)

    assert calls(look) == ([], [])
