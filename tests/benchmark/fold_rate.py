"""How fast the fold is: events a second, decoded and applied, on one core.

The log is the demo's real one, recorded from a real cell and repeated under other names (see
`tests.benchmark.copies`). It is folded by the follower of the cell process, in the lane's batches,
with the digests at its marks computed and compared as in production. Peers, in turn with it: a
plain consumer and a plain producer of the same records on the same broker.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from scheduler.model.codec import decode_record
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.cell.lane import BATCH_RECORDS_MAX
from streams.garbage import settle
from streams.kafka.embedded import EmbeddedKafka
from tests.benchmark.copies import CopiedLog, copied_log
from tests.benchmark.figures import IS_QUICK, Peer, print_figure
from tests.benchmark.kafka_peer import Spent, consumed, make_topics, produced
from tests.benchmark.recording import record_demo

COPIES = 3 if IS_QUICK else 700
"""As many as are folded before the cell begins to forget finished tasks (20,000 of them)."""
REPEATS = 2 if IS_QUICK else 7
EVENTS_PER_S_MIN = 80_000


def folded(copied: CopiedLog) -> Spent:
    """What it takes to decode and apply the whole log."""
    records = [LogRecord(offset, data) for offset, data in enumerate(copied.log)]
    follower = Follower("cell", 0, BareFold)
    settle()  # As every process that folds a cell does.
    began = time.perf_counter(), time.process_time()
    for first in range(0, len(records), BATCH_RECORDS_MAX):
        follower.take(records[first : first + BATCH_RECORDS_MAX])
    spent = Spent.since(*began)
    assert follower.halt is None, follower.halt
    assert follower.events_folded == copied.events
    assert IS_QUICK or follower.machine.marks, "the log is too short for a mark"
    return spent


def decoded(copied: CopiedLog) -> Spent:
    """What it takes to decode the whole log."""
    began = time.perf_counter(), time.process_time()
    for data in copied.log:
        decode_record(data)
    return Spent.since(*began)


def main() -> None:
    """Measure fold and peers in turn."""
    folds, decodes, reads, writes = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        home = Path(folder)
        with EmbeddedKafka(home / "kafka") as kafka:
            copied = copied_log(record_demo(kafka.bootstrap, "demo.", home), COPIES)
            for number in range(REPEATS):
                topic = asyncio.run(make_topics(kafka.bootstrap, f"r{number}."))
                writes.append(asyncio.run(produced(kafka.bootstrap, topic, copied.log)))
                folds.append(folded(copied))
                reads.append(asyncio.run(consumed(kafka.bootstrap, topic, len(copied.log))))
                decodes.append(decoded(copied))
    _print(copied, folds, decodes, reads, writes)


def _print(
    copied: CopiedLog,
    folds: list[Spent],
    decodes: list[Spent],
    reads: list[Spent],
    writes: list[Spent],
) -> None:
    def of_core(spent: list[Spent]) -> float:
        return median(copied.events / each.processor_s for each in spent)

    def of_wall(spent: list[Spent]) -> float:
        return median(copied.events / each.wall_s for each in spent)

    log = {
        "events": copied.events,
        "records": len(copied.log),
        "bytes": copied.bytes_total,
        "copies": copied.copies,
    }
    print_figure(
        "fold_rate",
        "decode and apply, of one core's time",
        of_core(folds),
        "events/s",
        samples=REPEATS,
        peer=Peer("plain consumer of the same records, of one core's time", of_core(reads)),
        target=EVENTS_PER_S_MIN,
        decode_only=round(of_core(decodes)),
        **log,
    )
    print_figure(
        "fold_rate",
        "decode and apply, wall clock",
        of_wall(folds),
        "events/s",
        samples=REPEATS,
        peer=Peer("plain consumer of the same records, wall clock", of_wall(reads)),
        best=round(max(copied.events / each.wall_s for each in folds)),
    )
    print_figure(
        "fold_rate",
        "plain producer of the same records, acks=all, wall clock",
        of_wall(writes),
        "events/s",
        samples=REPEATS,
        peer=Peer("plain consumer of the same records, wall clock", of_wall(reads)),
        megabytes_per_s=round(median(copied.bytes_total / 1e6 / each.wall_s for each in writes), 1),
    )


if __name__ == "__main__":
    main()
