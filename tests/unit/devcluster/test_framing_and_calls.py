"""RecordIO at every cut, and the conversion of calls."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.devcluster.wire.calls import parse_call
from connectors.devcluster.wire.codec import CallError
from connectors.devcluster.wire.recordio import Decoder, FramingError, encode


@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(1, 7))
def test_records_survive_any_cut(records: list[bytes], size: int) -> None:
    data = b"".join(encode(r) for r in records)
    decoder = Decoder()
    found = [r for i in range(0, len(data), size) for r in decoder.feed(data[i : i + size])]
    assert found == records


@pytest.mark.parametrize(
    "data", [b"abc\n", b"-1\n", b"12345678901234", b"99999999999\n", b" 3\nabc"]
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(FramingError):
        Decoder().feed(data)


def convert(call: object) -> dict[str, object]:
    return parse_call(json.dumps(call).encode())


def test_nulls_and_unknown_fields_vanish() -> None:
    call = convert(
        {
            "type": "DECLINE",
            "framework_id": {"value": "f", "new": 1},
            "subscribe": None,
            "decline": {"offer_ids": [None, {"value": "o"}], "filters": None},
            "later": {"x": [1]},
        }
    )
    assert call == {
        "type": "DECLINE",
        "framework_id": {"value": "f"},
        "decline": {"offer_ids": [{"value": "o"}]},
    }


def test_numbers_may_be_written_as_strings() -> None:
    call = {"type": "DECLINE", "framework_id": {"value": "f"}}
    found = convert({**call, "decline": {"filters": {"refuse_seconds": "2.5"}}})
    assert found["decline"] == {"filters": {"refuse_seconds": 2.5}}


def test_an_unknown_capability_counts_as_none() -> None:
    info = {"user": "u", "name": "n", "capabilities": [{"type": "FUTURE"}, {"type": "MULTI_ROLE"}]}
    call = convert({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
    subscribe = call["subscribe"]
    assert isinstance(subscribe, dict)
    assert subscribe["framework_info"]["capabilities"] == [{}, {"type": "MULTI_ROLE"}]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({"type": "UNKNOWN"}, "Expecting 'type' to be present"),
        ({"type": ["KILL"]}, "Not expecting a JSON array for field 'type'"),
        ({"type": True}, "Not expecting a JSON boolean for field 'type'"),
        (
            {"type": "DECLINE", "decline": {"filters": {"refuse_seconds": True}}},
            "Not expecting a JSON boolean for field 'refuse_seconds'",
        ),
        (
            {"type": "DECLINE", "decline": {"filters": {"refuse_seconds": []}}},
            "Not expecting a JSON array for field 'refuse_seconds'",
        ),
        (
            {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"checkpoint": 1}}},
            "Not expecting a JSON number for field 'checkpoint'",
        ),
        ({"type": "ACKNOWLEDGE", "acknowledge": {}}, "acknowledge.agent_id, acknowledge.task_id"),
    ],
)
def test_a_wrong_shape_is_named(call: object, text: str) -> None:
    with pytest.raises(CallError, match=text):
        convert(call)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(
    st.sampled_from(["SUBSCRIBE", "ACCEPT", "KILL", "RECONCILE", "ACKNOWLEDGE", "DECLINE"]),
    json_values,
)
def test_nonsense_is_refused_and_nothing_else_happens(kind: str, body: object) -> None:
    text = json.dumps({"type": kind, "framework_id": {"value": "f"}, kind.lower(): body})
    with suppress(CallError):
        assert parse_call(text.encode())["type"] == kind


@given(st.binary(max_size=60))
def test_bytes_that_are_no_call_are_refused(body: bytes) -> None:
    with pytest.raises(CallError):
        parse_call(body)
