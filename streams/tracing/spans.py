"""Spans on their way to a collector: a bounded queue, and the thread that sends what is in it.

The one thing to know: nobody waits for a trace. What finds no room is dropped and counted, and a
collector that is away costs nothing but its spans. OpenTelemetry's libraries are imported here and
nowhere else, and only when tracing is on.
"""

import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import msgspec
import structlog

from streams.tracing.context import TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

logger = structlog.get_logger(__name__)

QUEUE_MAX: Final = 2_048
BATCH_MAX: Final = 512
DELAY_MS: Final = 5_000
"""OpenTelemetry's own defaults, set by its `OTEL_BSP_*` variables."""
STOP_S_MAX: Final = 5.0
_NS: Final = 1_000_000
Kind = Literal["internal", "server", "client", "producer", "consumer"]


class Span(msgspec.Struct, frozen=True):
    """A span that has ended. Times are in milliseconds since 1970, as those of the log."""

    name: str
    context: TraceContext
    parent_id: int
    """0 where the trace begins with this span."""
    begun_at_ms: float
    ended_at_ms: float
    kind: Kind = "internal"
    attributes: Mapping[str, str | int] = {}
    fault: str = ""
    """Why what the span is about has failed."""


class Sender(Protocol):
    """Sends spans to a collector, and says whether it took them."""

    def send(self, spans: Sequence[Span]) -> bool:
        """Whether the collector has them; takes no longer than its own time-out."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class SpanQueue:
    """Takes spans from any thread, and has them sent by one of its own until `close`."""

    def __init__(
        self, sender: Sender, *, size_max: int = QUEUE_MAX, delay_s: float = DELAY_MS / 1_000
    ) -> None:
        self._sender = sender
        self._size_max = size_max
        self._delay_s = delay_s
        self._waiting: deque[Span] = deque()
        self._is_due = threading.Event()
        self._is_closed = False
        self.sent = 0
        self.dropped = 0
        """Spans that found no room, because the collector is slow or away."""
        self.failed = 0
        """Spans that the collector did not take."""
        self._thread = threading.Thread(target=self._run, name="flumina-traces", daemon=True)
        self._thread.start()

    def put(self, span: Span) -> None:
        """Have a span sent, if there is room; never waits."""
        if len(self._waiting) >= self._size_max:
            if not self.dropped:
                logger.warning("spans are dropped: the collector is slow or away")
            self.dropped += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= min(BATCH_MAX, self._size_max):
            self._is_due.set()

    def _run(self) -> None:
        while not self._is_closed:
            self._is_due.wait(self._delay_s)
            self._is_due.clear()
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]
            try:
                is_taken = self._sender.send(batch)
            except Exception:  # Whatever a library raises, nobody else may notice.
                logger.exception("spans could not be sent")
                is_taken = False
            if is_taken:
                self.sent += len(batch)
            else:
                self.failed += len(batch)
                return  # What waits is tried with the next ones, or dropped.

    def close(self) -> None:
        """Send what waits, for as long as a stop may take."""
        self._is_closed = True
        self._is_due.set()
        self._thread.join(STOP_S_MAX)
        self._sender.close()
        counts = {"sent": self.sent, "dropped": self.dropped, "failed": self.failed}
        logger.info("traces end", **counts)


class OtlpSender:
    """Sends by OTLP over HTTP, to where OpenTelemetry's own variables say."""

    def __init__(self, process: str, attributes: Mapping[str, str]) -> None:
        """``process`` is the service's name unless `OTEL_SERVICE_NAME` says another."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - 60 ms
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - see above

        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": process}
        self._resource = Resource.create({**attributes, **named})
        self._exporter: SpanExporter = OTLPSpanExporter()

    def send(self, spans: Sequence[Span]) -> bool:
        """Whether the collector has them; tried again within `OTEL_EXPORTER_OTLP_TIMEOUT`."""
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415 - see above

        result = self._exporter.export([self._readable(each) for each in spans])
        return result is SpanExportResult.SUCCESS

    def _readable(self, span: Span) -> "ReadableSpan":
        from opentelemetry import trace  # noqa: PLC0415 - see above
        from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - see above
        from opentelemetry.sdk.util.instrumentation import (  # noqa: PLC0415 - see above
            InstrumentationScope,
        )

        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
        trace_id, span_id = span.context.trace_id, span.context.span_id
        parent = None
        if span.parent_id:
            parent = trace.SpanContext(trace_id, span.parent_id, is_remote=True, trace_flags=flags)
        status: Any = trace.Status()
        if span.fault:
            status = trace.Status(trace.StatusCode.ERROR, span.fault)
        begun_at_ms = min(span.begun_at_ms, span.ended_at_ms)  # Clocks of computers differ.
        return ReadableSpan(
            name=span.name,
            context=trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags),
            parent=parent,
            resource=self._resource,
            attributes=span.attributes,
            kind=trace.SpanKind[span.kind.upper()],
            status=status,
            start_time=int(begun_at_ms * _NS),
            end_time=int(span.ended_at_ms * _NS),
            instrumentation_scope=InstrumentationScope("flumina"),
        )

    def close(self) -> None:
        """End the connection."""
        self._exporter.shutdown()
