"""What an api process tells of traces: requests, what they publish, and when its fold has seen it.

The one thing to know: a caller's `traceparent` decides whether a request is sampled; without one
the share of the settings does. With tracing off nothing of this stands in a request's way.
"""

from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scheduler.state import State
from streams.clock import elapsed_s, now_ms
from streams.tracing.context import (
    CURRENT,
    TRACEPARENT,
    TraceContext,
    begun,
    new_span_id,
    read_traceparent,
    span_id_of,
)
from streams.tracing.follow import FOLD, Step, TracedJobs
from streams.tracing.spans import Span, SpanQueue

if TYPE_CHECKING:
    from streams.cell.follower import Follower

_HEADER: Final = TRACEPARENT.encode()
SEEN: Final = "api fold"
"""The span that ends when a client who asks this process would read of it."""
_SERVER_FAULT: Final = 500


class ApiTracing:
    """Traces of one api process."""

    def __init__(self, spans: SpanQueue, share: float, follower: "Follower") -> None:
        self.spans = spans
        self._share = share
        self._follower = follower
        self._jobs = TracedJobs(self._state, now_ms, self._tell, is_told_late=True)
        follower.listeners.append(self._jobs.listen)

    def _state(self) -> State:
        return self._follower.machine.state

    # Requests

    def asked(self, scope: Scope) -> TraceContext:
        """Where the request stands: behind its caller's span, or at the beginning of a trace."""
        told = next((value for name, value in scope["headers"] if name == _HEADER), None)
        context = None if told is None else read_traceparent(told.decode("latin-1"))
        return context or begun(self._share)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The application with a span around each request that is sampled."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            asked = self.asked(scope)
            span_id = new_span_id() if asked.is_sampled else asked.span_id
            token = CURRENT.set(asked.at(span_id))
            if not asked.is_sampled:
                try:
                    await app(scope, receive, send)
                finally:
                    CURRENT.reset(token)
                return
            statuses: list[int] = []

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])
                await send(message)

            begun_at_ms, begun_s = now_ms(), elapsed_s()
            try:
                await app(scope, receive, noting)
            finally:
                CURRENT.reset(token)
                ended_at_ms = begun_at_ms + (elapsed_s() - begun_s) * 1_000
                self._answered(scope, asked, span_id, statuses, (begun_at_ms, ended_at_ms))

        return traced

    def _answered(
        self,
        scope: Scope,
        asked: TraceContext,
        span_id: int,
        statuses: list[int],
        times_ms: tuple[float, float],
    ) -> None:
        status = statuses[0] if statuses else 0
        attributes: dict[str, str | int] = {
            "http.request.method": scope["method"],
            "url.path": scope["path"],
            "http.response.status_code": status,
        }
        is_fault = not status or status >= _SERVER_FAULT
        fault = (f"answered {status}" if status else "broke off") if is_fault else ""
        name = f"{scope['method']} {scope['path'].split('/', 4)[-1].split('/')[0] or '/'}"
        context = asked.at(span_id)
        self.spans.put(Span(name, context, asked.span_id, *times_ms, "server", attributes, fault))

    # What they publish

    def publishing(self, topic: str) -> "Publishing | None":
        """A span for a record that is about to be written; None outside of a request."""
        current = CURRENT.get()
        return None if current is None else Publishing(topic, current)

    def published(self, done: "Publishing", partition: int, offset: int) -> None:
        """The record stands there: what follows from it is told from now on."""
        if not done.context.is_sampled:
            return
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.destination.name": done.topic,
            "messaging.destination.partition.id": str(partition),
            "messaging.kafka.offset": offset,
        }
        times_ms = (done.begun_at_ms, done.begun_at_ms + (elapsed_s() - done.begun_s) * 1_000)
        name, parent_id = f"{done.topic} publish", done.parent_id
        self.spans.put(Span(name, done.context, parent_id, *times_ms, "producer", attributes))
        self._jobs.inbound((done.topic, partition, offset), done.context, int(done.begun_at_ms))

    # What the fold has seen

    def _tell(self, step: Step) -> None:
        change = step.change
        if not (step.kind == FOLD or (change is not None and change.state == "Started")):
            return
        attributes: dict[str, str | int] = {
            "flumina.cell": self._state().cell,
            "flumina.address": step.address,
        }
        if change is not None:
            attributes |= {
                "flumina.job": change.job_id,
                "flumina.task": change.task_id,
                "flumina.state": change.state,
            }
        trace_id = step.context.trace_id
        # Each api process that sees it has a span of its own.
        span_id = span_id_of(trace_id, f"{SEEN} {id(self)}", f"{step.address} {step.span_id}")
        times_ms = (step.stamped_at_ms, now_ms())
        context = step.context.at(span_id)
        self.spans.put(Span(SEEN, context, step.span_id, *times_ms, "internal", attributes))


class Publishing:
    """A record that is being written because of a request."""

    __slots__ = ("begun_at_ms", "begun_s", "context", "parent_id", "topic")

    def __init__(self, topic: str, current: TraceContext) -> None:
        self.topic = topic
        self.parent_id = current.span_id
        self.context = current.at(new_span_id()) if current.is_sampled else current
        self.begun_at_ms: float = now_ms()
        self.begun_s = elapsed_s()

    @property
    def header(self) -> tuple[str, bytes]:
        """What goes with the record, also where it says that nobody wants to see the trace."""
        # A trace that begins here unsampled has no span that could be named; 0 is not allowed.
        context = self.context if self.context.span_id else self.context.at(1)
        return TRACEPARENT, context.traceparent.encode()
