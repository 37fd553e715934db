"""What tasks and their hosts send: requests of the metadata endpoint, identities, sessions."""

import json
import tempfile
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Coroutine
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from connectors.devcluster.agent.session_http import _input_of, _take
from connectors.devcluster.agent.sessions import Session, SessionError
from connectors.devcluster.wire import codec
from connectors.devcluster.wire.recordio import Decoder, FramingError
from connectors.exec import protocol
from connectors.mesos.recordio import RecordIoError, RecordReader
from connectors.metadata.answers import TOKEN_HEADER, TTL_HEADER, TTL_S_MAX, TaskAnswers
from connectors.metadata.door import _read, _written
from connectors.metadata.facts import TaskFacts, facts_of
from connectors.metadata.identity import ISSUER, KeyRing, NotIdentified, _public, verified
from streams.cli.command_exec import Said, Unreadable, said_of
from tests.fuzz.parser import Parser, Refused

_NOW_S: Final = 1_763_800_000
_FACTS: Final = TaskFacts("t-1", "j-1", "ada", "worker", "h", "10.0.0.1", "eu-1a", "", ("vault",))
_KEY: Final = ec.derive_private_key(7, ec.SECP256R1())
_KEYS: Final = {"keys": [_public("one", _KEY.public_key())]}


@cache
def _answers() -> TaskAnswers:
    with tempfile.TemporaryDirectory() as folder:
        ring = KeyRing(Path(folder))
    return TaskAnswers(_FACTS, b"secret", None, ring, lambda: _NOW_S)


def _asked(data: bytes) -> object:
    head = _read(data)
    reply = _answers().answer(*head)
    written = _written(reply, is_head=False)
    if reply.status != 200:
        raise Refused(reply.text)
    seconds = dict(reply.headers).get(TTL_HEADER, "1")
    assert 0 < int(seconds) <= TTL_S_MAX, "a token lasts no longer than EC2's"
    return written


def _token() -> str:
    found = _answers().answer("PUT", "/latest/api/token", {TTL_HEADER: "21600"})
    return found.text


def _request(method: str, path: str, **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 169.254.169.254"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _identity(data: bytes) -> object:
    found = verified(data.decode("latin-1"), _KEYS, "vault", _NOW_S)
    return msgspec.json.encode(found)


def _signed(claims: bytes) -> bytes:
    """A token of these claims, whatever they are, with a signature that is right."""
    header = b'{"alg":"ES256","kid":"one"}'
    said = b".".join(urlsafe_b64encode(each).rstrip(b"=") for each in (header, claims))
    how = ec.ECDSA(SHA256(), deterministic_signing=True)
    numbers = decode_dss_signature(_KEY.sign(said, how))
    proof = b"".join(each.to_bytes(32, "big") for each in numbers)
    return said + b"." + urlsafe_b64encode(proof).rstrip(b"=")


def _claimed(data: bytes) -> object:
    return _identity(_signed(data))


def _facts(data: bytes) -> object:
    """A TaskInfo, as Mesos' protobuf made JSON of it."""
    task = codec.parse("TaskInfo", codec.JSON, data)
    return facts_of(task, {"hostname": "h", "attributes": []})


class _Deaf(Session):
    """A session whose command is not there."""

    def __init__(self) -> None:
        super().__init__({}, -1, is_tty=True)
        self.given: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.given.append(data)

    def resize(self, rows: int, columns: int) -> None:
        self.given.append(b"%d %d" % (rows, columns))


def _ran(work: Coroutine[Any, Any, None]) -> None:
    """Run what waits for nothing."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise AssertionError("it waits")


def _given(data: bytes) -> object:
    """The stream of a session's input, as an agent reads it."""
    session = _Deaf()
    for record in Decoder().feed(data):
        body = _input_of(record)
        if body.get("type") != "CONTAINER_ID":
            _ran(_take(session, body))
    if not session.given:
        raise Refused("no input")
    return session


def _output(data: bytes) -> object:
    """The stream of a session's output, as our api process reads it."""
    reader = RecordReader(64 * 1024)
    found = [protocol.output_of(record) for record in reader.feed(data)]
    if not any(found):
        raise Refused("it says nothing")
    return found


def _status(data: bytes) -> object:
    return protocol.exit_code_of(data)


def _container(data: bytes) -> object:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused("no JSON") from error
    found = protocol.container_of(value, "f", "t-1")
    if found is None:
        raise Refused("none runs it")
    return found


def _line(data: bytes) -> Said:
    return said_of(data)


def _records(*values: object) -> bytes:
    bodies = [msgspec.json.encode(each) for each in values]
    return b"".join(b"%d\n%b" % (len(each), each) for each in bodies)


_ID: Final = {"value": "s", "parent": {"value": "p"}}
_INPUT: Final = (
    protocol.attached(_ID) + protocol.input_data(b"ls\n") + protocol.input_data(b""),
    protocol.attached(_ID) + protocol.input_window(protocol.Window(24, 80)),
    protocol.attached(_ID) + protocol.input_heartbeat() + protocol.input_data(b"x"),
)
_TEXT: Final = b64encode(b"hello").decode()
_OUTPUT: Final = (
    _records(
        {"type": "DATA", "data": {"type": "STDOUT", "data": _TEXT}},
        {"type": "DATA", "data": {"type": "STDERR", "data": _TEXT}},
    ),
    _records({"type": "CONTROL"}, {"type": "DATA", "data": {"type": "STDOUT", "data": _TEXT}}),
)
_LINES: Final = (
    json.dumps({"stdout": _TEXT, "stderr": _TEXT}).encode(),
    b'{"exit":0}',
    b'{"exit":null}',
    b'{"why":"it lasted 10 s"}',
)
_TASK: Final = {
    "name": "t",
    "task_id": {"value": "t-1"},
    "agent_id": {"value": "a"},
    "labels": {
        "labels": [
            {"key": "flumina.iamRole", "value": "arn:aws:iam::1:role/r"},
            {"key": "flumina.identity.audiences", "value": "vault, b"},
        ]
    },
}
_CLAIMS: Final = {
    "iss": ISSUER,
    "sub": "flumina:task:t-1",
    "aud": "vault",
    "iat": _NOW_S,
    "nbf": _NOW_S,
    "exp": _NOW_S + 900,
    "task": "t-1",
    "job": "j-1",
    "owner": "ada",
    "application": "worker",
    "host": "h",
}
_CLAIMED: Final = json.dumps(_CLAIMS).encode()
_REQUESTS: Final = (
    _request("GET", "/latest/meta-data/instance-id", **{TOKEN_HEADER: _token()}),
    _request("PUT", "/latest/api/token", **{TTL_HEADER: "60"}),
    _request("GET", "/latest/dynamic/flumina/keys?audience=vault", **{TOKEN_HEADER: _token()}),
)

PARSERS: Final = (
    Parser("metadata-request", "text", _asked, (ValueError,), _REQUESTS),
    Parser("identity-of-a-task", "text", _identity, (NotIdentified,), (_signed(_CLAIMED),)),
    Parser("claims-of-a-task", "json", _claimed, (NotIdentified,), (_CLAIMED,)),
    Parser("facts-of-a-task", "json", _facts, (codec.CallError,), (json.dumps(_TASK).encode(),)),
    Parser(
        "input-of-a-session",
        "binary",
        _given,
        (codec.CallError, FramingError, SessionError),
        _INPUT,
    ),
    Parser(
        "output-of-a-session",
        "binary",
        _output,
        (RecordIoError, protocol.ProtocolError),
        _OUTPUT,
    ),
    Parser("line-of-a-session", "json", _line, (Unreadable,), _LINES),
    Parser(
        "exit-of-a-session",
        "json",
        _status,
        (protocol.ProtocolError,),
        (b'{"type":"WAIT_NESTED_CONTAINER","wait_nested_container":{"exit_status":256}}',),
    ),
    Parser(
        "containers-of-an-agent",
        "json",
        _container,
        (),
        (b'[{"framework_id":"f","executor_id":"t-1","container_id":"c"}]',),
    ),
)
