"""An end to conversations that take too long in all, however busy they are byte by byte.

The one thing to know: a time-out of a socket is one of each wait; who sends a byte a second never
meets it. Here the whole conversation has an end.
"""

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def ended_after(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """Break the connection off once so many seconds have passed."""
    patience = threading.Timer(seconds, _broken_off, (connection,))
    patience.daemon = True
    patience.start()
    try:
        yield
    finally:
        patience.cancel()


def _broken_off(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
