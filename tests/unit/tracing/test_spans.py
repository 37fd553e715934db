"""What finds no room is dropped and counted, a failing sender only counts: nobody waits."""

import threading
from collections.abc import Mapping, Sequence

import pytest

from streams.errors import OperatorError
from streams.tracing.context import TraceContext
from streams.tracing.opening import spans_of
from streams.tracing.spans import Span, SpanQueue
from tests.processes import wait_until
from tests.support.collector import collecting

SPAN = Span("fold", TraceContext(1, 2, True), 0, 1_000, 1_001, attributes={"flumina.epoch": 7})


class Slow:
    """Takes spans once it is let go."""

    def __init__(self, *, fails: bool = False) -> None:
        self.let_go = threading.Event()
        self.taken: list[Span] = []
        self.is_closed = False
        self._fails = fails

    def send(self, spans: Sequence[Span]) -> bool:
        self.let_go.wait(10)
        if self._fails:
            raise OSError("no route to the collector")
        self.taken += spans
        return True

    def close(self) -> None:
        self.is_closed = True


def test_all_are_sent_in_order_and_the_last_ones_when_the_queue_is_closed() -> None:
    sender = Slow()
    sender.let_go.set()
    queue = SpanQueue(sender, delay_s=0.01)
    spans = [Span(str(each), SPAN.context, 0, each, each) for each in range(1_200)]
    for each in spans:
        queue.put(each)
    queue.close()
    assert sender.taken == spans
    assert (queue.sent, queue.dropped, queue.failed) == (1_200, 0, 0)
    assert sender.is_closed


def test_what_finds_no_room_is_dropped_and_counted_and_nobody_waits() -> None:
    sender = Slow()
    queue = SpanQueue(sender, size_max=10, delay_s=0.01)
    for _ in range(1_000):
        queue.put(SPAN)
    assert queue.dropped >= 1_000 - 2 * 10
    sender.let_go.set()
    queue.close()
    assert queue.sent + queue.dropped == 1_000


def test_a_sender_that_fails_is_only_counted() -> None:
    sender = Slow(fails=True)
    sender.let_go.set()
    queue = SpanQueue(sender, delay_s=0.01)
    queue.put(SPAN)
    wait_until(lambda: queue.failed == 1, "the failure is counted", 10)
    queue.put(SPAN)
    queue.close()
    assert (queue.sent, queue.failed) == (0, 2)


@pytest.mark.parametrize("environment", [{}, {"OTEL_SDK_DISABLED": "true"}])
def test_off_is_off(environment: Mapping[str, str]) -> None:
    share = 1.0 if environment else None
    assert spans_of(share, "cell", "cell-0", environment) is None


def test_a_size_that_is_none_is_refused_with_the_variable_s_name() -> None:
    with pytest.raises(OperatorError, match="OTEL_BSP_MAX_QUEUE_SIZE='many'"):
        spans_of(0.1, "cell", "cell-0", {"OTEL_BSP_MAX_QUEUE_SIZE": "many"})


def test_opentelemetry_s_own_variables_say_where_and_as_whom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with collecting() as collector:
        for name, value in collector.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "staging-cell")
        queue = spans_of(0.0, "cell", "cell-0")
        assert queue is not None
        queue.put(SPAN)
        queue.put(Span("call", SPAN.context.at(3), 2, 5_000, 4_000, "client", fault="refused"))
        spans = collector.until(lambda told: len(told) == 2, "both spans")
        queue.close()
    assert [each.service for each in spans] == ["staging-cell"] * 2
    assert (spans[0].span_id, spans[0].parent_id) == (f"{2:016x}", "")
    assert spans[0].attributes == {"flumina.epoch": 7}
    assert spans[0].ended_ns - spans[0].begun_ns == 1_000_000
    # A clock that was behind makes no span that ends before it began.
    assert (spans[1].parent_id, spans[1].is_fault) == (f"{2:016x}", True)
    assert spans[1].begun_ns == spans[1].ended_ns
