"""The wire of the development cluster: what is written is what is read, and nothing breaks it.

For any message of the table, made at random, JSON and protobuf give back the same dict; and
whatever bytes come as a call, they are a call or a refusal. A failing example is printed by
hypothesis in its smallest form.
"""

import base64
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.devcluster.wire import codec
from connectors.devcluster.wire.calls import parse_call
from connectors.devcluster.wire.codec import JSON, PROTOBUF, CallError, ContentType
from connectors.devcluster.wire.plain import plain
from connectors.devcluster.wire.schema import Field, oneofs, schema

Json = dict[str, Any]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SCALAR_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "bytes": st.binary(max_size=20).map(lambda raw: base64.b64encode(raw).decode()),
    "bool": st.booleans(),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
}
# Deeper than this only required fields are filled in.
DEPTH = 4


@st.composite
def messages(draw: st.DrawFn, name: str, depth: int = DEPTH) -> Json:
    """A message of the table in its normal form, with a few of its fields."""
    fields = list(schema().messages[name].values())
    more = draw(st.lists(st.sampled_from(fields), max_size=3)) if fields and depth > 0 else []
    chosen = [f for f in fields if f.label == "required" or f in more]
    for names in oneofs(schema().messages[name]).values():
        excess = [f for f in chosen if f.name in names][1:]
        chosen = [f for f in chosen if f not in excess]
    return {f.name: draw(_values(f, depth)) for f in chosen}


def _values(field: Field, depth: int) -> st.SearchStrategy[Any]:
    table = schema()
    if field.kind in table.messages:
        one: st.SearchStrategy[Any] = messages(field.kind, depth - 1)
    elif field.kind in table.enums:
        one = st.sampled_from(sorted(table.enums[field.kind]))
    else:
        one = SCALAR_VALUES[field.kind]
    match field.label:
        case "repeated":
            return st.lists(one, min_size=1, max_size=2)
        case "map":
            return st.dictionaries(TEXTS, one, min_size=1, max_size=2)
        case _:
            return one


ROOTS = [
    *("scheduler.Call", "scheduler.Event", "executor.Call", "executor.Event"),
    *("master.Call", "master.Response", "master.Event", "agent.Call", "agent.Response"),
    *("TaskInfo", "TaskStatus", "Offer", "InverseOffer", "maintenance.Schedule", "DrainConfig"),
]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(ROOTS).flatmap(lambda name: st.tuples(st.just(name), messages(name))))
def test_what_is_written_is_read_again(message: tuple[str, Json]) -> None:
    name, value = message
    for content_type in (PROTOBUF, JSON):
        assert codec.parse(name, content_type, codec.encode(name, content_type, value)) == value


def parse_anything(body: bytes, content_type: ContentType) -> None:
    """Parse; a refusal is as good as a call, as long as the call can be kept and sent on."""
    with suppress(CallError):
        orjson.dumps(parse_call(body, content_type))


@pytest.mark.parametrize("content_type", [JSON, PROTOBUF])
@given(body=st.binary(max_size=80))
def test_any_bytes_are_a_call_or_a_refusal(content_type: ContentType, body: bytes) -> None:
    parse_anything(body, content_type)


@pytest.mark.parametrize("content_type", [JSON, PROTOBUF])
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(call=messages("scheduler.Call"), data=st.data())
def test_a_call_that_is_damaged_on_its_way_is_a_call_or_a_refusal(
    content_type: ContentType, call: Json, data: st.DataObject
) -> None:
    body = bytearray(codec.encode("scheduler.Call", content_type, call))
    for _ in range(data.draw(st.integers(1, 4))):
        if not body:
            break
        at = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(["change", "cut", "repeat"])):
            case "change":
                body[at] = data.draw(st.integers(0, 255))
            case "cut":
                del body[at:]
            case _:
                body[at:at] = body[at : at + 20]
    parse_anything(bytes(body), content_type)


@st.composite
def odd(draw: st.DrawFn, value: Any) -> Any:
    """The value, perhaps with something in it that only a generous reader takes."""
    if draw(st.integers(0, 15)) == 0:
        return draw(st.sampled_from([None, [], {}, "1", 1, 1.5, "true", [value], 2**40, "aGk"]))
    if isinstance(value, dict):
        more = {"invented": draw(st.sampled_from([1, {}, "x"]))} if draw(st.booleans()) else {}
        return {name: draw(odd(item)) for name, item in value.items()} | more
    if isinstance(value, list):
        return [draw(odd(item)) for item in value]
    return value


FREQUENT = st.sampled_from(["ACCEPT", "DECLINE"])


@given(st.data(), FREQUENT)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_the_short_way_reads_what_the_long_way_reads_or_nothing(
    data: st.DataObject, kind: str
) -> None:
    body = data.draw(messages(f"scheduler.Call.{kind.capitalize()}", 6))
    call = data.draw(odd({"framework_id": {"value": "f"}, "type": kind, kind.lower(): body}))
    raw = orjson.dumps(call)
    read = plain("scheduler.Call", raw)
    if read is not None:
        assert read == codec.parse("scheduler.Call", JSON, raw)


@given(messages("scheduler.Call.Accept", 6))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_the_short_way_reads_whatever_is_in_its_normal_form(body: Json) -> None:
    call = {"framework_id": {"value": "f"}, "type": "ACCEPT", "accept": body}
    # But for numbers beyond 63 bits, and what is one of several, which it leaves to the other.
    if _is_usual(call):
        assert plain("scheduler.Call", orjson.dumps(call)) == call


def _is_usual(value: object) -> bool:
    if isinstance(value, dict):
        return "csi_volume" not in value and all(map(_is_usual, value.values()))
    if isinstance(value, list):
        return bool(value) and all(map(_is_usual, value))
    return not isinstance(value, int) or value < 2**63
