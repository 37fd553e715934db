"""What can go wrong when the API is asked, each as an exception of its own.

The one thing to know: `ClientError` catches all of them. What the API refuses is `Refused`, with
its status, its sentence, and each fault by its field; the rest are answers that never came.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler.model.reading.bad_bytes import BAD_BYTES


class Reply(msgspec.Struct, frozen=True):
    """An answer, whatever its status; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class FaultOf(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request, and what to do."""

    field: str = ""
    text: str = ""
    hint: str = ""
    code: str = ""


class _Said(msgspec.Struct, frozen=True, rename="camel"):
    message: str = ""
    error_details: str = ""
    faults: tuple[FaultOf, ...] = ()
    id: str = ""
    token: str = ""


class ClientError(Exception):
    """The base of all that is raised here."""


class Unreachable(ClientError):
    """No answer came: nobody listens, the connection broke, or it took too long.

    What was asked may have been done all the same, unless it was a read.
    """


class Unreadable(ClientError):
    """An answer came that is none of this API, or is too large."""


class Refused(ClientError):
    """The API said no; ``reply`` is all that it said."""

    def __init__(self, reply: Reply) -> None:
        said = _said(reply)
        super().__init__(said.message or f"the API answered {reply.status}")
        self.reply = reply
        self.status = reply.status
        self.message = str(self)
        self.details = said.error_details
        self.faults = said.faults
        self.id, self.token = said.id, said.token
        """Of a request whose fate is unknown: what it is about, and where it would stand."""


class BadRequest(Refused):
    """400: the request cannot be understood, or its content is refused."""


class Unauthorized(Refused):
    """401: the token or certificate is missing, unknown or has ended."""


class Forbidden(Refused):
    """403: who asks was not granted that."""


class NotFound(Refused):
    """404: there is no such thing."""


class Conflict(Refused):
    """409: the state of the thing does not allow it, or the name is another's."""


class OtherVersion(Refused):
    """412: the thing has another version than ``if_version``."""


class Limited(Refused):
    """429: a limit is reached, and patience was not enough."""


class Unavailable(Refused):
    """503: nobody leads, or something behind the API does not answer; patience was not enough."""


_KINDS: Final[dict[int, type[Refused]]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: OtherVersion,
    429: Limited,
    503: Unavailable,
}


def refusal_of(reply: Reply) -> Refused:
    """The exception of an answer that says no."""
    return _KINDS.get(reply.status, Refused)(reply)


def _said(reply: Reply) -> _Said:
    try:
        return msgspec.json.decode(reply.body, type=_Said)
    except BAD_BYTES:
        return _Said()  # A proxy's page, or nothing: the status is all there is.
