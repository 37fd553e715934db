"""An event, as the bytes and headers of one HTTP request.

The one thing to know: the body is a CloudEvent in JSON, its ``id`` the change's own, made of
its address in the cell log, so that a receiver knows what it has had before. The signature is the
pages' own: an HMAC over the time header, a full stop and the body.
"""

from typing import Final, NamedTuple

import msgspec

from connectors.pager.translate import SIGNATURE_HEADER, TIME_HEADER, signature

ID_HEADER: Final = "Flumina-Event-Id"
NAME_HEADER: Final = "Flumina-Webhook"
CONTENT_TYPE: Final = "application/cloudevents+json"


class Event(NamedTuple):
    """One change, as topic ``job-events`` has it."""

    id: str
    """Made of its address in the cell log: ``cell/generation:offset[index]``, ``….1`` the next."""
    kind: str
    source: str
    """``/flumina/cells/CELL``."""
    subject: str
    """The job's id; empty where it is about none."""
    data: bytes
    """The change's JSON."""
    state: str = ""
    """That the job or task entered, where it is of one."""


class _Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """A CloudEvent 1.0 in structured mode."""

    specversion: str
    id: str
    type: str
    source: str
    datacontenttype: str
    data: msgspec.Raw
    subject: str = ""


def body_of(event: Event) -> bytes:
    """The JSON that the receiver reads."""
    kind, form = f"flumina.{event.kind}", "application/json"
    data = msgspec.Raw(event.data)
    envelope = _Envelope("1.0", event.id, kind, event.source, form, data, event.subject)
    return msgspec.json.encode(envelope)


def headers_of(event: Event, name: str, body: bytes, secret: str, at_ms: int) -> dict[str, str]:
    """The headers of the request; signed where there is a secret."""
    headers = {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": "flumina",
        ID_HEADER: event.id,
        NAME_HEADER: name,
        TIME_HEADER: str(at_ms),
    }
    if secret:
        headers[SIGNATURE_HEADER] = f"sha256={signature(body, secret, at_ms)}"
    return headers
