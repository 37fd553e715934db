"""A traced request leads to the steps of its job's tasks, each behind the one before it."""

from collections.abc import Sequence

from aiokafka import ConsumerRecord

from scheduler.model.codec import decode_record
from scheduler.model.events import Copied
from scheduler.model.inbound import JobSubmitted
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.tracing.context import TraceContext
from streams.tracing.follow import TASKS_OF_JOB_MAX, Step, TracedJobs
from streams.tracing.of_cell import CellTracing
from streams.tracing.spans import Span, SpanQueue
from tests.support.cell import CellInMemory, batch, running_cell

SAMPLED = TraceContext(77, 5, True)


class Kept:
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def send(self, spans: Sequence[Span]) -> bool:
        self.spans += spans
        return True

    def close(self) -> None:
        """Nothing is held."""


def _record(offset: int, context: TraceContext | None) -> ConsumerRecord[bytes, bytes]:
    headers = () if context is None else (("traceparent", context.traceparent.encode()),)
    return ConsumerRecord("jobs", 0, offset, 1_000, 0, b"", b"", None, 0, 0, headers)


def _spans(cell: CellInMemory, context: TraceContext | None, share: float = 0.0) -> list[Span]:
    """What is told of a log in which every submission came with this context."""
    follower, kept = Follower("cell", 0, BareFold), Kept()
    queue = SpanQueue(kept, size_max=100_000, delay_s=60)
    tracing = CellTracing(queue, share, follower)
    for offset, data in enumerate(cell.log):
        for event in decode_record(data).events:
            if isinstance(event, Copied) and isinstance(event.body, JobSubmitted):
                generation = follower.machine.state.generation
                tracing.copying("jobs", generation, [_record(event.source.offset, context)])
        follower.take((LogRecord(offset, data),))
    assert follower.halt is None
    queue.close()
    return kept.spans


def _ran() -> CellInMemory:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    cell.status(task_id, "TASK_FINISHED")
    return cell


def test_each_step_is_the_parent_of_the_next_until_the_task_runs() -> None:
    spans = _spans(_ran(), SAMPLED)
    assert [each.name for each in spans] == [
        *("ingest copy", "fold", "queued", "placement round", "proposal accepted"),
        *("EffectStarted", "ACCEPT", "TASK_RUNNING"),
    ]
    assert spans[0].parent_id == SAMPLED.span_id
    parents = [each.context.span_id for each in spans]
    assert [each.parent_id for each in spans[1:]] == parents[:-1]
    assert {each.context.trace_id for each in spans} == {SAMPLED.trace_id}
    assert spans[-1].attributes["flumina.state"] == "Started"


def test_the_same_log_gives_the_same_spans() -> None:
    cell = _ran()
    first, second = _spans(cell, SAMPLED), _spans(cell, SAMPLED)
    assert [each.context for each in first] == [each.context for each in second]


def test_what_nobody_wants_to_see_is_not_told() -> None:
    cell = _ran()
    assert _spans(cell, SAMPLED._replace(is_sampled=False), share=1.0) == []
    assert _spans(cell, None, share=0.0) == []
    assert len(_spans(cell, None, share=1.0)) == 8


def test_a_large_job_has_spans_of_its_first_tasks_only() -> None:
    cell = running_cell(1, cpus=64)
    cell.submit(batch(TASKS_OF_JOB_MAX + 10))
    queued = [each for each in _spans(cell, SAMPLED) if each.name == "queued"]
    assert len(queued) == TASKS_OF_JOB_MAX


def test_who_is_told_late_of_a_record_tells_the_steps_all_the_same() -> None:
    """An api's fold may have passed the copy before the producer hears where it wrote."""
    cell, told = _ran(), list[Step]()
    follower = Follower("cell", 0, BareFold)
    jobs = TracedJobs(lambda: follower.machine.state, lambda: 0.0, told.append, is_told_late=True)
    follower.listeners.append(jobs.listen)
    for offset, data in enumerate(cell.log):
        follower.take((LogRecord(offset, data),))
        for event in decode_record(data).events:
            if isinstance(event, Copied) and isinstance(event.body, JobSubmitted):
                assert told == []
                jobs.inbound(("jobs", 0, event.source.offset), SAMPLED, 1_000)
    assert [each.kind for each in told][:2] == ["fold", "queued"]
    assert told[-1].kind == "TASK_RUNNING"
