"""Messages on the wire, JSON or protobuf: bytes to a checked dict, and a dict to bytes.

The one thing to know: inside the cluster a message is one JSON-like dict, whatever it came as or
leaves as: snake_case names, enums as words, bytes as base64 text, what is absent absent.
"""

from types import ModuleType
from typing import Literal

import orjson

from connectors.devcluster.wire.convert import MESSAGES_MAX, ShapeError, convert
from connectors.devcluster.words import Json

ContentType = Literal["application/json", "application/x-protobuf"]

JSON: ContentType = "application/json"
PROTOBUF: ContentType = "application/x-protobuf"


class CallError(ValueError):
    """The body is not the message it should be; the text is the body of the 400."""


def parse(name: str, content_type: ContentType, body: bytes) -> Json:
    """The message of this name (``scheduler.Call``) in the body, with required fields there."""
    short = name.rpartition(".")[2]
    if content_type == PROTOBUF:
        protobuf = _protobuf()
        try:
            return dict(protobuf.decode(name, body))
        except protobuf.ProtobufError as error:
            raise CallError(f"Failed to parse body into {short} protobuf: {error}") from error
    if len(body) > MESSAGES_MAX and body.count(b"{") + body.count(b"[") > MESSAGES_MAX:
        raise CallError(
            f"Failed to parse body into JSON: it holds more than {MESSAGES_MAX} objects and lists"
        )
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise CallError(f"Failed to parse body into JSON: {error}") from error
    try:
        return convert(name, value)
    except ShapeError as error:
        raise CallError(f"Failed to convert JSON into {short} protobuf: {error}") from error


def encode(name: str, content_type: ContentType, value: Json) -> bytes:
    """The bytes of a message of ours."""
    if content_type == PROTOBUF:
        return bytes(_protobuf().encode(name, value))
    return orjson.dumps(value)


def _protobuf() -> ModuleType:
    # Imported when the first peer speaks it: 60 ms and 8 MB that most clusters never need.
    from connectors.devcluster.wire import protobuf  # noqa: PLC0415

    return protobuf
