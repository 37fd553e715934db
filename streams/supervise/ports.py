"""Which ports an `up` uses: the same as last time where that is possible.

The one thing to know: these ports lie below those that the system hands out by itself (32768 and
up on Linux), so that a connection of another program does not take one while nobody listens. Tests
that run in several processes give each a part of them (`FLUMINA_TEST_PORTS`, as in 20000-25000),
for what is free for one may be about to be used by another. So it is with the usual ports of two
`up`s: whoever means to listen on one claims it first (`Claims`).
"""

import os
import secrets
import socket

from streams.errors import OperatorError
from streams.kafka.ports import free_ports, is_free

API_PORT = 7100
"""Where the API of the first `up` of a computer is found; the next one takes any free port."""
CONSOLE_PORT = 7180
"""So it is with the console."""
BLOCKS_FROM, BLOCKS_TO = 20_000, 30_000
"""Below the ports that the dev cluster's agents offer to tasks (31000 and up)."""
BLOCK_ATTEMPTS = 200
BLOCKS_VARIABLE = "FLUMINA_TEST_PORTS"


CLAIM_NAME = "\0flumina-port-{port}"
"""A name without a file: Linux gives it to one process of a network at a time, and takes it back
however that process ends."""


class Claims:
    """The ports that one `up` means to listen on, from the choice until it has ended.

    Seconds lie between finding a port free and a part that listens there: without a claim two
    `up`s that begin side by side would both choose the usual one, and one of them would fail.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def api_port(self, wanted: int | None) -> int:
        """The port for the API: the one asked for, or else the usual one, or else any free one.

        Raises `OperatorError` where the one asked for is another's.
        """
        if wanted is not None:
            if not self._take(wanted):
                raise OperatorError(
                    f"Port {wanted} of 127.0.0.1 is in use.",
                    "Another program listens there, perhaps another `up`.",
                    "End that program or choose another --api-port.",
                )
            return wanted
        return API_PORT if self._take_usual(API_PORT) else free_ports(1)[0]

    def console_port(self) -> int:
        """The port for the console: the usual one, or else any free one."""
        return CONSOLE_PORT if self._take_usual(CONSOLE_PORT) else free_block(1)

    def release(self) -> None:
        """Let go of all; twice is once."""
        while self._held:
            self._held.popitem()[1].close()

    def _take_usual(self, port: int) -> bool:
        # Tests side by side know parts of all ports, and no usual one.
        return BLOCKS_VARIABLE not in os.environ and self._take(port)

    def _take(self, port: int) -> bool:
        if port in self._held:
            return True
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(CLAIM_NAME.format(port=port))
        except OSError:
            claim.close()
            return False
        if not is_free(port):
            claim.close()
            return False
        self._held[port] = claim
        return True


def block_is_free(first: int, count: int) -> bool:
    """Whether a server could listen on each of these neighbouring ports."""
    return all(is_free(port) for port in range(first, first + count))


def free_block(count: int) -> int:
    """The first of so many neighbouring ports that nobody listens on at this moment."""
    begin, end = _blocks()
    for _ in range(BLOCK_ATTEMPTS):
        first = begin + secrets.randbelow(end - begin - count)
        if block_is_free(first, count):
            return first
    raise OperatorError(
        f"No {count} neighbouring free ports were found from {begin} to {end}.",
        "Other programs use nearly all of them.",
        "End some, or start a dev cluster yourself and name it with MESOS_MASTER.",
    )


def _blocks() -> tuple[int, int]:
    """From which port to below which blocks are taken in this process."""
    if part := os.environ.get(BLOCKS_VARIABLE):
        begin, end = part.split("-")
        return int(begin), int(end)
    return BLOCKS_FROM, BLOCKS_TO
