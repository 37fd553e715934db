"""A connection of the standard library to one server: by TLS or in the clear, never by a proxy.

The one thing to know: nothing is sent yet, and nothing is ever followed; whoever asks says for how
long it waits.
"""

import http.client
import ssl
from collections.abc import Callable


def connection_to(
    host: str,
    port: int | None,
    timeout_s: float,
    context: Callable[[], ssl.SSLContext | None] | None,
) -> http.client.HTTPConnection:
    """A connection that is not open yet; ``context`` says whom to believe, None is in the clear.

    ``timeout_s`` is for connecting and for each wait for bytes. Raises what ``context`` raises;
    None of it is as the system believes.
    """
    if context is None:
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context())
