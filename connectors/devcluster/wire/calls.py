"""From the bytes of a request to a checked scheduler call, refusing with Mesos' own sentences.

The one thing to know: what passes here is well formed, never yet valid. A call that is well formed
and makes no sense is answered 202 and by events, or by nothing.
"""

import base64

import orjson

from connectors.devcluster.wire import codec
from connectors.devcluster.wire.codec import CallError, ContentType
from connectors.devcluster.wire.convert import MESSAGES_MAX
from connectors.devcluster.wire.plain import plain
from connectors.devcluster.words import Json

# Call types whose sub-message must be there; REVIVE, SUPPRESS and TEARDOWN have none to demand.
_NEEDS_BODY = frozenset(
    {
        "ACCEPT",
        "ACCEPT_INVERSE_OFFERS",
        "ACKNOWLEDGE",
        "ACKNOWLEDGE_OPERATION_STATUS",
        "DECLINE",
        "DECLINE_INVERSE_OFFERS",
        "KILL",
        "MESSAGE",
        "RECONCILE",
        "RECONCILE_OPERATIONS",
        "REQUEST",
        "SHUTDOWN",
        "SUBSCRIBE",
        "UPDATE_FRAMEWORK",
    }
)


def parse_call(body: bytes, content_type: ContentType = codec.JSON) -> Json:
    """The scheduler call in a body, with nulls removed and numbers as numbers."""
    call = codec.parse("scheduler.Call", content_type, body)
    _validate(call)
    return call


def parse_frequent_call(body: bytes) -> Json | None:
    """An ACKNOWLEDGE, ACCEPT or DECLINE in JSON that is as it should be; None for all else."""
    try:
        call = orjson.loads(body)
        if _is_plain_acknowledge(call):
            return dict(call) if is_uuid(call["acknowledge"]["uuid"]) else None
        if isinstance(call, dict) and call.get("type") in ("ACCEPT", "DECLINE"):
            found = plain("scheduler.Call", body)
            if found is None or len(body) > MESSAGES_MAX:
                return parse_call(body)
            _validate(found)
            return found
    except ValueError:
        # Whoever looks at it the long way finds the words.
        return None
    return None


def _is_plain_acknowledge(call: object) -> bool:
    """Whether it needs no conversion: all fields, no others, each of its kind."""
    if not isinstance(call, dict) or len(call) != 3 or call.get("type") != "ACKNOWLEDGE":
        return False
    body = call.get("acknowledge")
    return (
        isinstance(body, dict)
        and len(body) == 3
        and type(body.get("uuid")) is str
        and _is_plain_id(body.get("agent_id"))
        and _is_plain_id(body.get("task_id"))
        and _is_plain_id(call.get("framework_id"))
    )


def _is_plain_id(value: object) -> bool:
    return isinstance(value, dict) and len(value) == 1 and type(value.get("value")) is str


def _validate(call: Json) -> None:
    """What Mesos checks of a converted call before it looks at the framework."""
    problem = _problem(call)
    if problem:
        raise CallError(f"Failed to validate scheduler::Call: {problem}")


def _problem(call: Json) -> str | None:
    kind = call.get("type")
    # 1.11.0 aborts on UNKNOWN; an emulation answers as if the type were missing, and lives.
    if kind is None or kind == "UNKNOWN":
        return "Expecting 'type' to be present"
    body = kind.lower()
    if kind != "SUBSCRIBE" and "framework_id" not in call:
        return "Expecting 'framework_id' to be present"
    if kind in _NEEDS_BODY and body not in call:
        return f"Expecting '{body}' to be present"
    if kind.startswith("ACKNOWLEDGE") and not is_uuid(call[body]["uuid"]):
        return "Not a valid UUID"
    if kind == "ACKNOWLEDGE_OPERATION_STATUS" and "agent_id" not in call[body]:
        return "Expecting 'agent_id' to be present"
    if kind in ("SUBSCRIBE", "UPDATE_FRAMEWORK"):
        inner = call[body]["framework_info"].get("id")
        if inner != call.get("framework_id"):
            return f"'framework_id' differs from '{body}.framework_info.id'"
    return None


def is_uuid(text: str) -> bool:
    """Whether the base64 text is 16 bytes with a known UUID version, which is what Mesos asks."""
    raw = base64.b64decode(text)
    return len(raw) == 16 and 1 <= raw[6] >> 4 <= 5
