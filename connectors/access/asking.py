"""One GET to a server of ours, by the standard library alone: for processes that stay small.

The one thing to know: no proxy is asked and nothing is followed: the token goes to the address that
was named, and nowhere else.
"""

import http.client
from typing import Final
from urllib.parse import urlsplit

from connectors.access.outgoing import Credentials
from connectors.http.connecting import connection_to

OK: Final = 200


def got(url: str, credentials: Credentials, timeout_s: float, bytes_max: int) -> bytes:
    """The answer's body; raises `OSError`, also for an answer that is none (`NoTls` is one)."""
    parts = urlsplit(url)
    context = credentials.context if parts.scheme == "https" else None
    connection = connection_to(parts.hostname or "", parts.port, timeout_s, context)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request("GET", target, headers=credentials.headers())
        answer = connection.getresponse()
        if answer.status != OK:
            raise OSError(f"it answered with status {answer.status}")
        return answer.read(bytes_max + 1)
    except http.client.HTTPException as error:
        raise OSError(f"its answer is no HTTP: {error!r}") from error
    finally:
        connection.close()
