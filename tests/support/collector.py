"""A collector of traces on loopback: takes OTLP over HTTP, and keeps the spans it was sent."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Told(NamedTuple):
    """A span as it arrived."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    begun_ns: int
    ended_ns: int
    attributes: dict[str, Any]
    is_fault: bool


class Collector(ThreadingHTTPServer):
    """Keeps what arrives; answers with ``status``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Told] = []
        self.status = 200
        self.arrived = threading.Condition()

    @property
    def environment(self) -> dict[str, str]:
        """OpenTelemetry's variables by which a process sends here, and soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server_address[1]}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def until(
        self, holds: Callable[[list[Told]], bool], what: str, timeout_s: float = 30.0
    ) -> list[Told]:
        """The spans, once this holds of them; asserts that it becomes so."""
        with self.arrived:
            is_so = self.arrived.wait_for(lambda: holds(self.spans), timeout_s)
            assert is_so, (what, [(each.service, each.name) for each in self.spans])
            return list(self.spans)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        collector = self.server
        assert isinstance(collector, Collector)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        with collector.arrived:
            if collector.status == 200:
                collector.spans += _read(body)
            collector.arrived.notify_all()
        self.send_response(collector.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


def _read(body: bytes) -> list[Told]:
    found = []
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for scope in of_resource.scope_spans:
            for span in scope.spans:
                told = Told(
                    str(resource["service.name"]),
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _attributes(span.attributes),
                    span.status.code == span.status.STATUS_CODE_ERROR,
                )
                found.append(told)
    return found


def _attributes(pairs: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in pairs}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens until the block ends."""
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
