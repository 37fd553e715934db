"""How fast history is read again: events a second, from Parquet and from Kafka, folded.

The log is the demo's real one, as in `fold_rate`. It is archived into a directory by the archiving
process' own tracks and then folded three times in turn: out of the archive, out of Kafka, and out
of memory, which is the peer of both. Processor time counts all threads of this process.
"""

import asyncio
import gc
import tempfile
import time
from pathlib import Path
from statistics import median

from connectors.archive.archive import Archive
from connectors.archive.ranges import Series
from connectors.objects.opening import open_store
from scheduler.chain import Chain
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.history.archived_log import ArchivedLog
from streams.history.kafka_log import KafkaLog
from streams.history.limits import HistoryLimits
from streams.history.reading import LogReader
from streams.history.tracks import Made, RecordTrack
from streams.kafka.embedded import EmbeddedKafka
from tests.benchmark.copies import CopiedLog, copied_log
from tests.benchmark.figures import IS_QUICK, Peer, print_figure
from tests.benchmark.fold_rate import folded
from tests.benchmark.kafka_peer import Spent, make_topics, produced
from tests.benchmark.recording import record_demo

COPIES = 3 if IS_QUICK else 300
REPEATS = 2 if IS_QUICK else 5
EVENTS_PER_S_MIN = 80_000
CELL, GENERATION = "main", "0a0b0c0d"
BATCH = 500


def archived(copied: CopiedLog, archive: Archive) -> Spent:
    """What it takes to archive the whole log, without the fold that derives changes from it."""
    limits = HistoryLimits()
    track = RecordTrack(Series("records", CELL, GENERATION), 0, 0, Chain())
    began = time.perf_counter(), time.process_time()
    for first in range(0, len(copied.log), BATCH):
        batch = enumerate(copied.log[first : first + BATCH], start=first)
        track.take([LogRecord(*each) for each in batch], 0)
        if track.is_due(limits, 0) or first + BATCH >= len(copied.log):
            archive.put(track.range(Made(0, "benchmark")))
            track.archived()
    return Spent.since(*began)


async def refolded(reader: LogReader, copied: CopiedLog) -> Spent:
    """What it takes to read, decode and apply the whole log out of a reader."""
    follower = Follower("cell", 0, BareFold)
    gc.collect()
    began = time.perf_counter(), time.process_time()
    async for batch in reader.records(0, len(copied.log)):
        follower.take(batch)
    spent = Spent.since(*began)
    assert follower.halt is None, follower.halt
    assert follower.events_folded == copied.events
    await reader.close()
    return spent


def main() -> None:
    """Measure the three sources in turn."""
    parquet, kafka_reads, memory = [], [], []
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        home = Path(folder)
        archive = Archive(open_store((home / "store").as_uri()))
        with EmbeddedKafka(home / "kafka") as kafka:
            copied = copied_log(record_demo(kafka.bootstrap, "demo.", home), COPIES)
            topic = asyncio.run(make_topics(kafka.bootstrap, "r."))
            asyncio.run(produced(kafka.bootstrap, topic, copied.log))
            archiving = archived(copied, archive)
            for _ in range(REPEATS):
                reader = ArchivedLog(archive, CELL, GENERATION)
                parquet.append(asyncio.run(refolded(reader, copied)))
                kafka_reads.append(
                    asyncio.run(refolded(KafkaLog(kafka.bootstrap, topic, 0), copied))
                )
                memory.append(folded(copied))
        manifests = list(archive.manifests(Series("records", CELL, GENERATION)))

    def rate(spent: list[Spent]) -> float:
        return median(copied.events / each.processor_s for each in spent)

    peer = Peer("the same fold out of memory, of one core's time", rate(memory))
    log = {"events": copied.events, "records": len(copied.log), "bytes": copied.bytes_total}
    for name, spent in (("Parquet", parquet), ("Kafka", kafka_reads)):
        print_figure(
            "history_rate",
            f"read from {name}, decode and apply, of one core's time",
            rate(spent),
            "events/s",
            samples=REPEATS,
            peer=peer,
            target=EVENTS_PER_S_MIN,
            wall_clock=round(median(copied.events / each.wall_s for each in spent)),
            **log,
        )
    print_figure(
        "history_rate",
        "archive the log, of one core's time",
        copied.events / archiving.processor_s,
        "events/s",
        samples=1,
        peer=peer,
        ranges=len(manifests),
        file_bytes=sum(each.file_bytes for each in manifests),
        bytes_of_raw=round(sum(each.file_bytes for each in manifests) / copied.bytes_total, 3),
    )


if __name__ == "__main__":
    main()
