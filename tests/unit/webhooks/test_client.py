"""One request to a receiver that is good, bad, slow, dead, leads elsewhere, or never ends.

How: real receivers on loopback, which the sender is allowed to ask.
"""

import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256

import pytest

from connectors.webhooks.addresses import networks_of
from connectors.webhooks.client import DeliveryFailed, Sender
from connectors.webhooks.translate import Event
from tests.support.webhook import receiver

LOOPBACK = networks_of("127.0.0.0/8")
SECRET = "a-secret-of-some-length"
EVENT = Event(
    "main/1a2b3c4d:17[0]",
    "JobChanged",
    "/flumina/cells/main",
    "job",
    b'{"type":"JobChanged","job_id":"job","state":"Finished"}',
    "Finished",
)


def send(url: str, secret: str = "", total_s: float = 5.0, timeout_s: float = 5.0) -> int:
    sender = Sender(LOOPBACK, timeout_s=timeout_s, total_s=total_s)
    return sender.send(url, "ci", EVENT, secret, 1_700_000_000_000)


@contextmanager
def raw_receiver(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says what ``talk`` does to the first connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with listening.accept()[0] as there:
                there.recv(65_536)
                try:
                    talk(there)
                except OSError:
                    return  # The sender has had enough.

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join(10)
        assert not thread.is_alive()


def test_an_event_arrives_signed_with_its_id() -> None:
    with receiver() as there:
        assert send(there.url, SECRET) == 200
        (sent,) = there.sent
    assert sent.path == "/page?key=hidden"
    assert sent.headers["Flumina-Event-Id"] == EVENT.id
    assert sent.headers["Flumina-Webhook"] == "ci"
    assert sent.headers["Content-Type"] == "application/cloudevents+json"
    signed = sent.headers["X-Flumina-Time"].encode() + b"." + sent.body
    expected = hmac.new(SECRET.encode(), signed, sha256).hexdigest()
    assert sent.headers["X-Flumina-Signature"] == f"sha256={expected}"
    assert json.loads(sent.body) == {
        "specversion": "1.0",
        "id": EVENT.id,
        "type": "flumina.JobChanged",
        "source": "/flumina/cells/main",
        "subject": "job",
        "datacontenttype": "application/json",
        "data": {"type": "JobChanged", "job_id": "job", "state": "Finished"},
    }


def test_without_a_secret_nothing_is_signed() -> None:
    with receiver() as there:
        send(there.url)
        assert "X-Flumina-Signature" not in there.sent[0].headers


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with receiver() as there:
        there.statuses = [status]
        with pytest.raises(DeliveryFailed, match="redirects are not followed"):
            send(there.url)
        assert len(there.sent) == 1


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503, None])
def test_what_is_no_success_fails_and_the_query_is_not_told(status: int | None) -> None:
    with receiver() as there:
        there.statuses = [status]
        with pytest.raises(DeliveryFailed) as failed:
            send(there.url)
        assert "hidden" not in str(failed.value)
        assert there.url.split("/page")[0] in str(failed.value)


def test_a_body_without_end_is_not_read() -> None:
    sent = []

    def endless(there: socket.socket) -> None:
        there.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            sent.append(there.send(b"10000\r\n" + bytes(0x10000) + b"\r\n"))

    with raw_receiver(endless) as url:
        began_s = time.monotonic()
        assert send(url) == 200
        assert time.monotonic() - began_s < 30
    assert sum(sent) < 64 << 20


@pytest.mark.slow
def test_an_answer_drop_by_drop_has_an_end() -> None:
    def drip(there: socket.socket) -> None:
        for each in b"HTTP/1.1 200 OK\r\n" * 100:
            there.send(bytes([each]))
            time.sleep(0.05)  # Less than each time-out.

    with raw_receiver(drip) as url:
        began_s = time.monotonic()
        with pytest.raises(DeliveryFailed):
            send(url, total_s=0.4, timeout_s=0.3)
        assert time.monotonic() - began_s < 30


def test_headers_without_end_are_an_error() -> None:
    def endless(there: socket.socket) -> None:
        there.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            there.sendall(b"X: " + b"y" * 1_000 + b"\r\n")

    with raw_receiver(endless) as url, pytest.raises(DeliveryFailed, match="100 headers"):
        send(url)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(DeliveryFailed, match="refused"):
        send(f"http://127.0.0.1:{port}/")


def test_a_pause_that_is_asked_for_is_told() -> None:
    def busy(there: socket.socket) -> None:
        there.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n")

    with raw_receiver(busy) as url, pytest.raises(DeliveryFailed) as failed:
        send(url)
    assert failed.value.retry_after_s == 120


def test_the_name_is_resolved_once_and_its_address_is_checked() -> None:
    asked = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    with receiver() as there:
        url = there.url.replace("127.0.0.1", "metadata.example.com")
        with pytest.raises(DeliveryFailed, match="not public"):
            Sender(resolver=resolver).send(url, "ci", EVENT, "", 1)
        assert not there.sent
        assert Sender(LOOPBACK, resolver=resolver).send(url, "ci", EVENT, "", 1) == 200
        assert there.sent[0].headers["Host"].startswith("metadata.example.com:")
    assert len(asked) == 2


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with receiver() as there:
        sender = Sender(LOOPBACK, resolver=lambda *_: ["127.0.0.2", "127.0.0.1"])
        assert sender.send(there.url, "ci", EVENT, "", 1) == 200
