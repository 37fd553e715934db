"""A webhook on loopback that answers as a test scripts it, and keeps what it was sent."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Sent(NamedTuple):
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, read."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Receiver(ThreadingHTTPServer):
    """Keeps each request, and answers with the next of ``statuses``, at last with 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[Sent] = []
        self.statuses: list[int | None] = []
        """None: the connection is closed without an answer."""
        self.unfit: frozenset[str] = frozenset()
        """Ids of events that are answered with 400, however often they come."""
        self.delay_s = 0.0
        self.endless = threading.Event()
        """Set: each answer has a body that goes on until the sender leaves."""
        self.arrived = threading.Condition()

    @property
    def url(self) -> str:
        """Where to send."""
        return f"http://127.0.0.1:{self.server_address[1]}/page?key=hidden"

    def until(self, count: int, timeout_s: float = 10.0) -> list[Sent]:
        """What was sent, once it is so many; asserts that it becomes so."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.sent) >= count, timeout_s), self.sent
            return list(self.sent)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiving = self.server
        assert isinstance(receiving, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with receiving.arrived:
            status = receiving.statuses.pop(0) if receiving.statuses else 200
            if self.headers.get("Flumina-Event-Id") in receiving.unfit:
                status = 400
            receiving.sent.append(Sent(self.path, dict(self.headers), body))
            receiving.arrived.notify_all()
        time.sleep(receiving.delay_s)
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        with suppress(OSError):  # Who does not read it all is right.
            while receiving.endless.is_set():
                self.wfile.write(bytes(65_536))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's own name
        """Say nothing: tests look at what was sent."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A webhook that runs until the test is over."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
