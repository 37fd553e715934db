"""Messages on the wire: what is taken, what is refused and how, in JSON and in protobuf.

The table is checked against what is known of Mesos by other ways (its documentation and clients);
the codec by bytes written by hand, so that it is not only its own inverse.
"""

import base64
import json

import pytest

from connectors.devcluster.wire import codec, protobuf
from connectors.devcluster.wire.calls import parse_call
from connectors.devcluster.wire.codec import JSON, PROTOBUF, CallError
from connectors.devcluster.wire.convert import ShapeError, convert
from connectors.devcluster.wire.defaults import with_defaults
from connectors.devcluster.wire.schema import LABELS, SCALARS, schema

Json = dict[str, object]


def varint(number: int) -> bytes:
    """The number as protobuf writes it."""
    head = b""
    while number > 127:
        head += bytes([number & 127 | 128])
        number >>= 7
    return head + bytes([number])


def block(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


ID_X = block(1, block(1, b"x"))  # framework_id { value: "x" }
TEARDOWN = b"\x10\x02" + ID_X


def test_the_table_knows_what_is_known_elsewhere() -> None:
    table = schema()
    assert table.enums["TaskState"]["TASK_UNREACHABLE"] == 10
    assert table.messages["scheduler.Call"]["acknowledge"].number == 8
    assert table.messages["TaskInfo"]["limits"].label == "map"
    assert table.messages["Offer"]["agent_id"].label == "required"
    assert table.messages["Filters"]["refuse_seconds"].default == "5"


def test_every_name_in_the_table_leads_somewhere() -> None:
    table = schema()
    kinds = SCALARS | table.messages.keys() | table.enums.keys()
    for name, fields in table.messages.items():
        for field in fields.values():
            assert field.kind in kinds, (name, field)
            assert field.label in LABELS, (name, field)
        assert len({f.number for f in fields.values()}) == len(fields), name


def test_bytes_written_by_hand_are_read() -> None:
    uuid = bytes(range(16))
    body = block(1, block(1, b"agent")) + block(2, block(1, b"task")) + block(3, uuid)
    call = codec.parse("scheduler.Call", PROTOBUF, b"\x10\x08" + ID_X + block(8, body))
    assert call == {
        "framework_id": {"value": "x"},
        "type": "ACKNOWLEDGE",
        "acknowledge": {
            "agent_id": {"value": "agent"},
            "task_id": {"value": "task"},
            "uuid": base64.b64encode(uuid).decode(),
        },
    }


def test_a_message_is_written_as_by_hand() -> None:
    status = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "uuid": "AAEC", "timestamp": 1.5}
    written = codec.encode(
        "scheduler.Event", PROTOBUF, {"type": "UPDATE", "update": {"status": status}}
    )
    timestamp = b"\x31" + b"\x00" * 6 + b"\xf8\x3f"
    inside = block(1, block(1, b"t")) + b"\x10\x01" + timestamp + block(11, b"\x00\x01\x02")
    assert written == b"\x08\x04" + block(5, block(1, inside))


def test_what_the_table_does_not_know_is_left_out_of_protobuf() -> None:
    event: Json = {"type": "HEARTBEAT", "later": {"x": 1}}
    assert codec.encode("scheduler.Event", PROTOBUF, event) == b"\x08\x08"
    assert json.loads(codec.encode("scheduler.Event", JSON, event)) == event


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(b"\xf8\x7f\x01", id="an unknown field"),
        pytest.param(block(2, b"a"), id="the type once more, with a wrong wire type"),
        pytest.param(b"\x10\x63", id="the type once more, with an unknown value"),
    ],
)
def test_what_protobuf_does_not_know_is_passed_over(more: bytes) -> None:
    assert codec.parse("scheduler.Call", PROTOBUF, TEARDOWN + more) == {
        "framework_id": {"value": "x"},
        "type": "TEARDOWN",
    }


def test_a_type_that_is_not_known_is_no_type() -> None:
    for body in (b"", b"\x10\x63" + ID_X):
        with pytest.raises(CallError, match="Expecting 'type' to be present"):
            parse_call(body, PROTOBUF)


PARSED = "Failed to parse body into Call protobuf: "


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"\xff\xff\xff", "Wire format was corrupt", id="no tag"),
        pytest.param(TEARDOWN[:-1], "Wire format was corrupt", id="cut off"),
        pytest.param(b"\x1a\xff\xff\xff\xff\x0f", "Wire format was corrupt", id="4 GiB promised"),
        pytest.param(b"\x1a" + b"\xff" * 12, "Wire format was corrupt", id="endless length"),
        pytest.param(b"\x00\x01", "Wire format was corrupt", id="field 0"),
        pytest.param(b"\x0c", "Wire format was corrupt", id="the end of no group"),
        pytest.param(b"\x0b" * 100_000, "Wire format was corrupt", id="groups in groups"),
        pytest.param(json.dumps({"type": "KILL"}).encode(), "Wire format was", id="JSON"),
        pytest.param(
            b"\x10\x06" + ID_X + block(6, b""),
            "Missing required fields: kill.task_id",
            id="incomplete",
        ),
        pytest.param(
            b"\x10\x02" + block(1, block(1, b"\xff\xfe")), "a string is not UTF-8", id="not UTF-8"
        ),
        pytest.param(
            b"\x10\x05" + ID_X + block(5, block(2, b"\x09" + b"\x00" * 6 + b"\xf0\x7f")),
            "not expecting an infinite number for field 'refuse_seconds'",
            id="infinity",
        ),
    ],
)
def test_bad_protobuf_is_refused_with_its_cause(body: bytes, text: str) -> None:
    with pytest.raises(CallError) as refused:
        parse_call(body, PROTOBUF)
    assert str(refused.value).startswith(PARSED + text)


def test_what_unfolds_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "MESSAGES_MAX", 1000)
    for count, is_refused in ((990, False), (1010, True)):
        body = block(4, b"\x0a\x02\x0a\x00" * count)
        if is_refused:
            with pytest.raises(CallError, match="it unfolds to more than 1000 messages"):
                codec.parse("scheduler.Call", PROTOBUF, body)
        else:
            call = codec.parse("scheduler.Call", PROTOBUF, body)
            assert len(call["accept"]["offer_ids"]) == count


@pytest.mark.parametrize("one", [b"{}", b"[]"])
def test_json_that_unfolds_to_too_much_is_refused(one: bytes) -> None:
    with pytest.raises(CallError, match="it holds more than 1000000 objects and lists"):
        parse_call(b'{"accept":{"offer_ids":[' + b",".join([one] * 1_000_000) + b"]}}")


def test_of_what_is_missing_the_first_thousand_are_named() -> None:
    call: Json = {"accept": {"offer_ids": [{}] * 1001}}
    with pytest.raises(CallError, match=r"offer_ids\[0\].value, .*offer_ids\[999\].value$"):
        parse_call(json.dumps(call).encode())


def test_a_key_of_a_map_that_is_not_utf8_is_refused() -> None:
    number = schema().messages["TaskInfo"]["limits"].number
    with pytest.raises(CallError, match="a string is not UTF-8"):
        codec.parse("TaskInfo", PROTOBUF, block(number, block(1, b"\x80")))


def test_containers_in_containers_have_an_end() -> None:
    inside = block(1, b"c")
    value: Json = {"value": "c"}
    for _ in range(150):
        inside = block(1, b"c") + block(2, inside)
        value = {"value": "c", "parent": value}
    wait = block(15, block(1, inside))
    with pytest.raises(CallError, match="MaxDepth"):
        codec.parse("agent.Call", PROTOBUF, wait)
    body = json.dumps({"wait_container": {"container_id": value}}).encode()
    with pytest.raises(CallError, match="nested too deeply"):
        codec.parse("agent.Call", JSON, body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b'{"a":' * 100_000, "parse body into JSON", id="objects in objects"),
        pytest.param(b"[" * 100_000, "parse body into JSON", id="lists in lists"),
        pytest.param(
            b'{"accept":{"offer_ids":' + b"[" * 1000 + b"]" * 1000 + b"}}",
            "nested too deeply",
            id="lists in a list",
        ),
        pytest.param(b'{"type":NaN}', "parse body into JSON", id="NaN"),
        pytest.param(
            b'{"decline":{"filters":{"refuse_seconds":1e999}}}', "parse body", id="beyond a double"
        ),
        pytest.param(
            b'{"decline":{"filters":{"refuse_seconds":"NaN"}}}',
            "Failed to parse 'NaN' as a JSON number for field 'refuse_seconds'",
            id="NaN in a string",
        ),
        pytest.param(b'{"type":"\\ud800"}', "parse body into JSON", id="half a surrogate"),
        pytest.param(b'{"type":"\x00"}', "parse body into JSON", id="a raw NUL"),
        pytest.param(b"\xef\xbb\xbf{}", "parse body into JSON", id="a byte order mark"),
    ],
)
def test_bad_json_is_refused_with_its_cause(body: bytes, text: str) -> None:
    with pytest.raises(CallError, match=text):
        parse_call(body)


def test_a_nul_that_is_written_out_is_a_letter_like_others() -> None:
    body = b'{"type":"TEARDOWN","framework_id":{"value":"a\\u0000b"}}'
    assert parse_call(body)["framework_id"] == {"value": "a\0b"}


def task_with(**fields: object) -> Json:
    """A task with these fields, as it is after conversion."""
    whole = {"name": "n", "task_id": {"value": "t"}, "agent_id": {"value": "a"}, **fields}
    found = convert("TaskInfo", whole)
    return {name: found[name] for name in fields if name in found}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"data": "aGk"}, {"data": "aGk="}),
        ({"data": "aG k=\n"}, {"data": "aGk="}),
        ({"data": "aGk==xx"}, {"data": "aGk="}),
        ({"data": "a"}, {"data": ""}),
        ({"resources": []}, {}),
        ({"limits": {}}, {}),
        ({"limits": {"cpus": {"value": "2"}}}, {"limits": {"cpus": {"value": 2.0}}}),
        ({"limits": {"cpus": None}}, {}),
        ({"command": {"shell": "false"}}, {"command": {"shell": False}}),
        ({"command": {"arguments": "one"}}, {"command": {"arguments": ["one"]}}),
        ({"command": {"arguments": [["a"], None, "b"]}}, {"command": {"arguments": ["a", "b"]}}),
        (
            {"health_check": {"consecutive_failures": -1}},
            {"health_check": {"consecutive_failures": 2**32 - 1}},
        ),
        (
            {"max_completion_time": {"nanoseconds": 1.7}},
            {"max_completion_time": {"nanoseconds": 1}},
        ),
        (
            {"container": {"type": "DOCKER", "docker": {"image": "i", "network": "LATER"}}},
            {"container": {"type": "DOCKER", "docker": {"image": "i"}}},
        ),
    ],
)
def test_json_is_read_as_generously_as_mesos_does(written: Json, read: Json) -> None:
    assert task_with(**written) == read


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ({"data": "_-8="}, "Failed to base64 decode bytes field 'data': Invalid character '_'"),
        ({"command": {"shell": "yes"}}, "Failed to parse 'yes' as a JSON boolean for field"),
        ({"command": {"shell": 1}}, "Not expecting a JSON number for field 'shell'"),
        ({"limits": 1}, "Not expecting a JSON number for field 'limits'"),
        ({"limits": {"cpus": 1}}, "Not expecting a JSON number for field 'value'"),
        ({"limits": {"cpus": {}}}, r"Missing required fields: limits\[0\].value.value"),
        ({"container": {"type": "LATER"}}, "Failed to find enum for 'LATER'"),
        ({"max_completion_time": {"nanoseconds": 2**63}}, "a number beyond 64 bits for field"),
        ({"max_completion_time": {"nanoseconds": 1e30}}, "a number beyond 64 bits for field"),
        ({"max_completion_time": {"nanoseconds": "[]"}}, "Unexpected JSON type parsed"),
        # Mesos looks at the fields by their names, and at what is missing only after all of them.
        ({"name": 1, "data": 2}, "Not expecting a JSON number for field 'data'"),
        ({"name": None, "labels": 2}, "Not expecting a JSON number for field 'labels'"),
        ({"name": None, "command": {"uris": [{}]}}, r"fields: name, command.uris\[0\].value$"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(written: Json, text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        task_with(**written)


def test_of_what_excludes_each_other_the_last_by_name_stays() -> None:
    # What text_equals lacks does not matter: it is dropped with it.
    predicate: Json = {"text_matches": {"regex": "a"}, "exists": {}, "text_equals": {}}
    found = convert("scheduler.AttributeConstraint.Predicate", predicate)
    assert found == {"text_matches": {"regex": "a"}}
    body = codec.encode("scheduler.AttributeConstraint.Predicate", PROTOBUF, found)
    assert codec.parse("scheduler.AttributeConstraint.Predicate", PROTOBUF, body) == found


def test_defaults_are_shown_where_mesos_shows_them() -> None:
    info = {"user": "u", "name": "n"}
    assert with_defaults("FrameworkInfo", info) == {
        **info,
        "failover_timeout": 0.0,
        "checkpoint": False,
    }
    command: Json = {"uris": [{"value": "u"}]}
    assert with_defaults("TaskInfo", {"command": command})["command"] == {
        "uris": [{"value": "u", "extract": True}],
        "shell": True,
    }
