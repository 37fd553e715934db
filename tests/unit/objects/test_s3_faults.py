"""S3 that is overloaded, slow, forbidden, not there, or not S3 at all: what a caller sees.

moto answers as S3 does; botocore's own hooks put the faults before it, and a server of sockets is
slow or speaks nonsense. Attempts and times are made small, the rules are those of production.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from connectors.objects import s3_calls
from connectors.objects.s3 import PART_BYTES, S3Store
from connectors.objects.s3_calls import Limits
from connectors.ports import NoSuchObject, ObjectExists, StoreFailed
from tests.support.moto import environment_of, moto_endpoint, s3_url

pytestmark = pytest.mark.integration  # It starts a stand-in for AWS.

__all__ = ["moto_endpoint", "s3_url"]

LIMITS: Final = Limits(attempts=3, pause_s=0.001, pause_s_max=0.002, connect_s=1, call_s=5)
REGISTERED: Final[list[tuple[str, Callable[..., AWSResponse | None]]]] = []
"""The faults of the test that runs."""


class Raw:
    """A body as urllib3 gives it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def answered(status: int, body: bytes = b"") -> AWSResponse:
    return AWSResponse("http://s3", status, {}, Raw(body))


def refused(status: int, code: str) -> AWSResponse:
    text = f"<Error><Code>{code}</Code><Message>a fault of the test</Message></Error>"
    return answered(status, text.encode())


@pytest.fixture(scope="module")
def client(moto_endpoint: str) -> Any:
    """A store's client, made once: that costs more than what most tests do with it."""
    with pytest.MonkeyPatch.context() as patch:
        return elsewhere(patch, moto_endpoint, LIMITS)._client()


@pytest.fixture
def store(s3_url: str, client: Any) -> Iterator[S3Store]:
    _, _, rest = s3_url.partition("://")
    bucket, _, prefix = rest.partition("/")
    store = S3Store(bucket, prefix, LIMITS)
    store._made = client
    yield store
    while REGISTERED:
        client.meta.events.unregister(*REGISTERED.pop())


def with_faults(store: S3Store, *answers: AWSResponse | None, operation: str = "*") -> list[str]:
    """Have the next requests answered so, and those after them by moto; which ones were sent."""
    sent: list[str] = []
    left = list(answers)

    def before_send(event_name: str, **_: Any) -> AWSResponse | None:
        sent.append(event_name.rpartition(".")[2])
        return left.pop(0) if left else None

    REGISTERED.append((f"before-send.s3.{operation}", before_send))
    store._client().meta.events.register(*REGISTERED[-1])
    return sent


@pytest.mark.parametrize(
    "fault",
    [
        answered(500, b"<html>Internal Server Error</html>"),
        refused(500, "InternalError"),
        refused(503, "SlowDown"),
        refused(400, "Throttling"),
        refused(400, "RequestTimeout"),
        answered(502, b"bad gateway"),
    ],
)
def test_what_passes_is_tried_again_and_the_caller_sees_nothing_of_it(
    store: S3Store, fault: AWSResponse
) -> None:
    sent = with_faults(store, fault, fault, operation="PutObject")
    store.put_new("key", b"bytes")
    assert len(sent) == 3
    assert store.get("key") == b"bytes"


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (500, "InternalError", "overloaded or has a fault of its own"),
        (400, "Throttling", "It will be tried again"),
    ],
)
def test_attempts_have_an_end(store: S3Store, status: int, code: str, words: str) -> None:
    sent = with_faults(store, *[refused(status, code)] * 9)
    with pytest.raises(StoreFailed, match=words) as failure:
        store.put_new("key", b"bytes")
    assert len(sent) == LIMITS.attempts
    assert store.url in str(failure.value)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AccessDenied", "may not do that in the bucket"),
        (403, "ExpiredToken", "credentials are wrong or have expired"),
        (404, "NoSuchBucket", "no bucket of that name"),
    ],
)
def test_what_another_attempt_would_not_change_is_said_at_once(
    store: S3Store, status: int, code: str, words: str
) -> None:
    sent = with_faults(store, refused(status, code))
    with pytest.raises(StoreFailed, match=words):
        store.put_new("key", b"bytes")
    assert len(sent) == 1


def test_a_head_that_is_forbidden_is_no_missing_object(store: S3Store) -> None:
    """Else a snapshot that may not be read would be one that is not there."""
    with_faults(store, answered(403))
    with pytest.raises(StoreFailed, match="may not do that"):
        store.get("key")
    with pytest.raises(NoSuchObject):
        store.get("key")


def test_a_page_of_a_proxy_is_not_taken_for_a_listing(store: S3Store) -> None:
    for page in (b"<html>please log in", b"please log in", b"<html></html>"):
        with_faults(store, *[answered(502, page)] * LIMITS.attempts)
        with pytest.raises(StoreFailed):
            list(store.facts(""))
    with_faults(store, *[answered(200, b"<html>please log in")] * LIMITS.attempts)
    with pytest.raises(StoreFailed):
        list(store.facts(""))
    assert list(store.facts("")) == []


def test_a_write_whose_answer_was_lost_is_ours(store: S3Store) -> None:
    """The second attempt is refused because of the first; who wrote it finds his own id there."""
    sent = with_faults(store, operation="PutObject")
    with lost_answers(store):
        store.put_new("key", b"bytes")
    assert len(sent) == 2
    assert store.get("key") == b"bytes"
    with pytest.raises(ObjectExists):
        store.put_new("key", b"bytes")


@contextmanager
def lost_answers(store: S3Store) -> Iterator[None]:
    """The first answer is lost on its way, after S3 did what was asked."""
    client, is_first = store._client(), True
    put = client.put_object

    def once_lost(**given: Any) -> Any:
        nonlocal is_first
        answer = put(**given)
        if is_first:
            is_first = False
            raise ConnectionClosedError(endpoint_url="http://s3")
        return answer

    client.put_object = once_lost
    try:
        yield
    finally:
        client.put_object = put


def test_a_write_that_another_has_under_way_counts_as_his(store: S3Store) -> None:
    with_faults(store, *[refused(409, "ConditionalRequestConflict")] * 9, operation="PutObject")
    with pytest.raises(ObjectExists):
        store.put_new("key", b"bytes")


def test_half_an_upload_leaves_no_object_and_no_parts(store: S3Store) -> None:
    with_faults(store, None, *[refused(500, "InternalError")] * 9, operation="UploadPart")
    with pytest.raises(StoreFailed):
        store.put_new("key", b"x" * (2 * PART_BYTES))
    with pytest.raises(NoSuchObject):
        store.get("key")
    uploads = store._client().list_multipart_uploads(Bucket=store._bucket)
    assert not uploads.get("Uploads")


@contextmanager
def server(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on loopback that does with each connection what it is told."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                behave(connection)
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def elsewhere(monkeypatch: pytest.MonkeyPatch, endpoint: str, limits: Limits) -> S3Store:
    for name, value in environment_of(endpoint).items():
        monkeypatch.setenv(name, value)
    return S3Store("bucket", "prefix", limits)


def test_a_server_of_a_byte_a_second_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte resets a socket's time-out; the call has a time of its own."""
    is_over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not is_over.wait(0.05):
            connection.sendall(b"<")

    with server(drip) as endpoint:
        limits = Limits(attempts=1, call_s=0.3, silent_s=5)
        store = elsewhere(monkeypatch, endpoint, limits)
        began_s = time.monotonic()
        with pytest.raises(
            StoreFailed, match=r"was not done in 0 s\. The server answers too slowly"
        ):
            list(store.facts(""))
        # All of the answer takes an hour and more; boto3's own beginning some seconds.
        assert time.monotonic() - began_s < 60
        is_over.set()


def test_calls_that_hang_are_not_piled_up_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def hang(_: socket.socket) -> None:
        is_over.wait(30)

    with server(hang) as endpoint:
        limits = Limits(attempts=1, call_s=0.05, silent_s=20)
        store = elsewhere(monkeypatch, endpoint, limits)
        said = []
        for _ in range(s3_calls.HANGING_MAX + 1):
            with pytest.raises(StoreFailed) as failure:
                store.delete("key")
            said.append(str(failure.value))
        assert "was not tried" in said[-1]
        assert all("was not done" in each for each in said[:-1])
        is_over.set()


def test_nobody_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    store = elsewhere(monkeypatch, endpoint, LIMITS)
    with pytest.raises(StoreFailed, match="No server answers at that address"):
        store.get("key")


def test_without_credentials_it_is_said_which_are_missing(
    moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = elsewhere(monkeypatch, moto_endpoint, LIMITS)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(StoreFailed, match="no credentials for AWS"):
        store.put_new("key", b"bytes")


def test_a_client_is_made_once_and_late() -> None:
    """So that a process without AWS may hold a store that it never uses."""
    store = S3Store("bucket")
    assert store._made is None
    assert store.url == "s3://bucket"
