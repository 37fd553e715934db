"""What tracing costs the fold of a cell: off, on at one request in a hundred, and on for all.

The one thing to know: the same log of jobs that run and end is folded by the same follower, in
turns; processor time counts, and the sender takes spans and throws them away.
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from aiokafka import ConsumerRecord

from scheduler.model.codec import decode_record
from scheduler.model.events import Copied
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.tracing.of_cell import CellTracing
from streams.tracing.spans import Span, SpanQueue
from tests.benchmark.figures import IS_QUICK, Peer, print_figure
from tests.support.cell import batch, running_cell

JOBS: Final = 20 if IS_QUICK else 2_000
REPEATS: Final = 1 if IS_QUICK else 9


class Thrown:
    """Takes all, keeps nothing."""

    def send(self, spans: Sequence[Span]) -> bool:
        """True."""
        return bool(spans)

    def close(self) -> None:
        """Nothing is held."""


def _log() -> list[bytes]:
    """Jobs of one task each, from submission to end."""
    cell = running_cell(50)
    cell.records_a_check = 1_000_000
    for number in range(JOBS):
        cell.offer(f"host{number % 50 + 1}")
        (task_id,) = cell.run(batch(1), f"job-{number}")
        cell.status(task_id, "TASK_RUNNING")
        cell.status(task_id, "TASK_FINISHED")
    return cell.log


def _inbound(log: Sequence[bytes]) -> dict[int, list[ConsumerRecord[bytes, bytes]]]:
    """The records of `jobs` that were copied, by the offset of the copy, as ingest read them."""
    found: dict[int, list[ConsumerRecord[bytes, bytes]]] = {}
    for offset, data in enumerate(log):
        for event in decode_record(data).events:
            if isinstance(event, Copied) and event.source.topic == "jobs":
                record = ConsumerRecord(
                    *("jobs", 0, event.source.offset, 0, 0, b"", b""),
                    *(None, 0, 0, (("ce_id", b"1"), ("content-type", b"application/json"))),
                )
                found.setdefault(offset, []).append(record)
    return found


def _folded_s(
    log: Sequence[bytes], inbound: dict[int, list[ConsumerRecord[bytes, bytes]]], share: float
) -> tuple[float, int]:
    """Processor seconds to fold the log, and how many spans that made; share 0: tracing is off."""
    follower = Follower("cell", 0, BareFold)
    spans = SpanQueue(Thrown(), size_max=1_000_000, delay_s=60)
    tracing = CellTracing(spans, share, follower) if share else None
    begun_s = time.thread_time()
    for offset, data in enumerate(log):
        if tracing is not None and offset in inbound:
            generation = follower.machine.state.generation
            tracing.copying("jobs", generation, inbound[offset])
        follower.take((LogRecord(offset, data),))
    took_s = time.thread_time() - begun_s
    assert follower.halt is None, follower.halt
    spans.close()
    return took_s, spans.sent


def main() -> None:
    """Print how much longer the fold takes with tracing than without."""
    log = _log()
    inbound = _inbound(log)
    shares = (0.0, 0.01, 1.0)
    taken: dict[float, list[float]] = {share: [] for share in shares}
    count: dict[float, int] = {}
    for _ in range(REPEATS):
        for share in shares:
            seconds, count[share] = _folded_s(log, inbound, share)
            taken[share].append(seconds)
    off = Peer("tracing off", median(taken[0.0]) / len(log) * 1e6)
    for share in shares[1:]:
        value = median(taken[share]) / len(log) * 1e6
        print_figure(
            "tracing",
            f"fold of a record, {share:.0%} of requests traced",
            value,
            "us",
            samples=REPEATS * len(log),
            peer=off,
            percent_more=round((value / off.value - 1) * 100, 2),
            spans=count[share],
        )


if __name__ == "__main__":
    main()
