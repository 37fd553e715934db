"""Bodies of sessions' calls and what their records say: pure.

The one thing to know: the command is a nested container below the task's, of which Mesos makes a
debug container: it has the task's mounts, user, limits and environment.
"""

from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from scheduler.model.reading.bad_bytes import BAD_BYTES

Json = dict[str, Any]
RECORDIO: Final = "application/recordio"
JSON: Final = "application/json"
HEARTBEAT_S: Final = 30
"""As in Mesos' own example of an input stream."""

Channel = Literal["stdout", "stderr"]


class Window(NamedTuple):
    """The size of a terminal, in characters."""

    rows: int
    columns: int


class ProtocolError(ValueError):
    """An agent said what it should not; says what."""


def container_of(containers: object, framework_id: str, task_id: str) -> str | None:
    """The container of a task in an agent's ``/containers``; None where none runs it.

    The command executor is named like its task, so what runs a task alone has its id.
    """
    for each in containers if isinstance(containers, list) else ():
        if not isinstance(each, dict):
            continue
        is_ours = each.get("framework_id") == framework_id
        if is_ours and each.get("executor_id") == task_id:
            found = each.get("container_id")
            return found if isinstance(found, str) else None
    return None


def nested(parent: str, session: str) -> Json:
    """The id of a session's container."""
    return {"value": session, "parent": {"value": parent}}


def launch_call(container: Json, argv: Sequence[str], window: Window | None) -> Json:
    """The call that launches a session; with a window it has a terminal."""
    body: Json = {
        "container_id": container,
        "command": {"shell": False, "value": argv[0], "arguments": list(argv)},
    }
    if window is not None:
        size = {"rows": window.rows, "columns": window.columns}
        body["container"] = {"type": "MESOS", "tty_info": {"window_size": size}}
    kind = "LAUNCH_NESTED_CONTAINER_SESSION"
    return {"type": kind, kind.lower(): body}


def wait_call(container: Json) -> Json:
    """The call that is answered when a session has ended."""
    kind = "WAIT_NESTED_CONTAINER"
    return {"type": kind, kind.lower(): {"container_id": container}}


def attached(container: Json) -> bytes:
    """The first record of an input stream."""
    return _input({"type": "CONTAINER_ID", "container_id": container})


def input_data(data: bytes) -> bytes:
    """A record of some input; none is its end."""
    return _process_io("data", {"type": "STDIN", "data": b64encode(data).decode("ascii")})


def input_window(window: Window) -> bytes:
    """A record of a terminal's new size."""
    size = {"rows": window.rows, "columns": window.columns}
    return _process_io("control", {"type": "TTY_INFO", "tty_info": {"window_size": size}})


def input_heartbeat() -> bytes:
    """A record that keeps an input stream from being taken for dead."""
    interval = {"interval": {"nanoseconds": HEARTBEAT_S * 1_000_000_000}}
    return _process_io("control", {"type": "HEARTBEAT", "heartbeat": interval})


def output_of(record: bytes) -> tuple[Channel, bytes] | None:
    """What a record of a session's output says; None for what is no output."""
    try:
        value = msgspec.json.decode(record)
        body = value["data"] if value.get("type") == "DATA" else None
        if body is None:
            return None
        data = b64decode(body.get("data", ""), validate=True)
    except (*BAD_BYTES, NoBase64, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"the agent sent output that cannot be read: {error}") from error
    match body.get("type"):
        case "STDOUT":
            return "stdout", data
        case "STDERR":
            return "stderr", data
        case _:
            return None


def exit_code_of(body: bytes) -> int:
    """The exit code in the answer to a wait, as a shell has it: 128 and the signal for a kill."""
    try:
        value = msgspec.json.decode(body)
        status = int(value["wait_nested_container"]["exit_status"])
        # As wait(2) has it: the code above, the signal below.
        return 128 + (status & 0x7F) if status & 0x7F else (status >> 8) & 0xFF
    except (*BAD_BYTES, KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"the agent told no exit status: {error}") from error


def _input(body: Json) -> bytes:
    kind = "ATTACH_CONTAINER_INPUT"
    record = msgspec.json.encode({"type": kind, kind.lower(): body})
    return b"%d\n%b" % (len(record), record)


def _process_io(name: str, value: Json) -> bytes:
    process_io = {"type": name.upper(), name: value}
    return _input({"type": "PROCESS_IO", "process_io": process_io})
