"""What a cell's process tells of traces: copies of requests, and each step until a task runs.

The one thing to know: only who leads copies requests, so only the leader's process tells. A trace
ends where leadership moves: the next leader finds the request copied, and nobody tells it of it.
"""

from collections.abc import Sequence
from typing import Final

from aiokafka import ConsumerRecord

from scheduler.model.ids import Generation
from streams.cell.follower import Follower
from streams.clock import now_ms
from streams.tracing.context import begun, span_id_of, traceparent_of
from streams.tracing.follow import FOLD, Step, TracedJobs
from streams.tracing.spans import Kind, Span, SpanQueue

TRACED: Final = frozenset({"jobs", "commands"})
"""Topics whose records may be part of a trace: what somebody asks for."""
COPY: Final = "ingest copy"
PLACED: Final = "placement round"
PROPOSED: Final = "launch accepted"
NAMES: Final[dict[str, tuple[str, Kind]]] = {
    PROPOSED: ("proposal accepted", "internal"),
    "effect started": ("EffectStarted", "internal"),
    "call sent": ("ACCEPT", "client"),
}
"""Steps of tasks that have another name as spans: what one waited for is what the span is about."""


class CellTracing:
    """Traces of one cell in the process that leads it."""

    def __init__(self, spans: SpanQueue, share: float, follower: Follower) -> None:
        """``share``: of the requests that came without a trace, how many begin one."""
        self._spans = spans
        self._share = share
        self._follower = follower
        self._jobs = TracedJobs(lambda: follower.machine.state, now_ms, self._tell)
        follower.listeners.append(self._jobs.listen)

    def copying(
        self, kind: str, generation: Generation, records: Sequence[ConsumerRecord[bytes, bytes]]
    ) -> None:
        """Note what is traced of inbound records that are about to be copied."""
        for record in records:
            context = traceparent_of(record.headers)
            if context is None and self._share:
                of = f"{kind}/{generation}:{record.partition}:{record.offset}"
                context = begun(self._share, of)
            if context is not None and context.is_sampled:
                place = (kind, record.partition, record.offset)
                self._jobs.inbound(place, context, record.timestamp)

    def _tell(self, step: Step) -> None:
        state = self._follower.machine.state
        attributes: dict[str, str | int] = {
            "flumina.cell": state.cell,
            "flumina.address": step.address,
            "flumina.epoch": state.epoch,
        }
        context, change = step.context, step.change
        if change is None:
            copy_id = span_id_of(context.trace_id, COPY, step.address)
            copied = (step.begun_at_ms, step.stamped_at_ms)
            self._put(step, COPY, "consumer", copy_id, context.span_id, copied, attributes)
            folded = (step.stamped_at_ms, now_ms())
            self._put(step, FOLD, "internal", step.span_id, copy_id, folded, attributes)
            return
        attributes |= {
            "flumina.job": change.job_id,
            "flumina.task": change.task_id,
            "flumina.state": change.state,
        }
        if change.hostname:
            attributes["flumina.host"] = change.hostname
        name, kind = NAMES.get(step.kind, (step.kind, "internal"))
        fault = f"{change.reason} {change.message}" if change.state == "Finished" else ""
        parent_id, begun_at_ms = context.span_id, step.begun_at_ms
        if step.kind == PROPOSED:
            # The round's record is stamped when it is decided; from then on it is a proposal.
            parent_id = span_id_of(context.trace_id, PLACED, f"{step.address} {change.task_id}")
            decided = (begun_at_ms, step.stamped_at_ms)
            self._put(step, PLACED, kind, parent_id, context.span_id, decided, attributes)
            begun_at_ms = step.stamped_at_ms
        took = (begun_at_ms, now_ms())
        self._put(step, name, kind, step.span_id, parent_id, took, attributes, fault)

    def _put(  # noqa: PLR0917 - a span's parts, in the order of its own fields
        self,
        step: Step,
        name: str,
        kind: Kind,
        span_id: int,
        parent_id: int,
        times_ms: tuple[float, float],
        attributes: dict[str, str | int],
        fault: str = "",
    ) -> None:
        context = step.context.at(span_id)
        self._spans.put(Span(name, context, parent_id, *times_ms, kind, attributes, fault))
