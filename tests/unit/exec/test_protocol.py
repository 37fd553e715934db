"""Bodies of sessions' calls and what their records say, case by case."""

import base64
import json

import pytest

from connectors.exec import protocol
from connectors.exec.protocol import ProtocolError, Window
from connectors.mesos.recordio import RecordReader

CONTAINERS = [
    "odd",
    {"framework_id": "f2", "executor_id": "t", "container_id": "other"},
    {"framework_id": "f", "executor_id": "t", "container_id": "c"},
    {"framework_id": "f", "executor_id": "u"},
]


@pytest.mark.parametrize(
    ("containers", "task", "found"),
    [(CONTAINERS, "t", "c"), (CONTAINERS, "u", None), (CONTAINERS, "v", None), ({}, "t", None)],
)
def test_the_container_of_a_task(containers: object, task: str, found: str | None) -> None:
    assert protocol.container_of(containers, "f", task) == found


def test_a_session_is_nested_below_the_task_and_never_a_container_of_its_own() -> None:
    container = protocol.nested("c", "s")
    call = protocol.launch_call(container, ["ls", "-l"], Window(24, 80))
    body = call["launch_nested_container_session"]
    assert body["container_id"] == {"value": "s", "parent": {"value": "c"}}
    assert body["command"] == {"shell": False, "value": "ls", "arguments": ["ls", "-l"]}
    assert body["container"]["tty_info"] == {"window_size": {"rows": 24, "columns": 80}}
    assert (
        "container"
        not in protocol.launch_call(container, ["ls"], None)["launch_nested_container_session"]
    )


def test_input_is_framed_and_begins_with_its_container() -> None:
    container = protocol.nested("c", "s")
    stream = protocol.attached(container) + protocol.input_data(b"\x00\xff")
    stream += protocol.input_window(Window(1, 2)) + protocol.input_heartbeat()
    first, data, window, heartbeat = (
        json.loads(each)["attach_container_input"] for each in RecordReader().feed(stream)
    )
    assert (first["type"], first["container_id"]) == ("CONTAINER_ID", container)
    assert base64.b64decode(data["process_io"]["data"]["data"]) == b"\x00\xff"
    size = window["process_io"]["control"]["tty_info"]["window_size"]
    assert size == {"rows": 1, "columns": 2}
    assert heartbeat["process_io"]["control"]["type"] == "HEARTBEAT"


def test_output_is_read_by_its_channel() -> None:
    said = {"type": "DATA", "data": {"type": "STDERR", "data": "aGk="}}
    assert protocol.output_of(json.dumps(said).encode()) == ("stderr", b"hi")
    assert protocol.output_of(b'{"type":"CONTROL"}') is None


@pytest.mark.parametrize(
    "record",
    [
        *(b"", b"[]", b"{", b'"x"', b"\xff", b'{"type":"DATA"}', b"[" * 10_000),
        b'{"type":"DATA","data":{"data":"!"}}',
        b'{"type":"DATA","data":{"data":1}}',
    ],
)
def test_what_cannot_be_read_is_said(record: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.output_of(record)


@pytest.mark.parametrize(("status", "code"), [(0, 0), (256, 1), (7 << 8, 7), (9, 137), (15, 143)])
def test_exit_codes_are_those_of_a_shell(status: int, code: int) -> None:
    body = json.dumps({"wait_nested_container": {"exit_status": status}}).encode()
    assert protocol.exit_code_of(body) == code


@pytest.mark.parametrize("body", [b"", b"{}", b'{"wait_nested_container":{}}', b"[]"])
def test_an_end_without_a_status_is_said(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.exit_code_of(body)
