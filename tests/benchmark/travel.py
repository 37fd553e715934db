"""How quickly the past is answered for: state, diff and why at random instants of a long log.

The log (`tests.support.long_day`) lies in a store of files as history writes it, and each
question is asked of a time machine that knows nothing yet and reads records, snapshots and notes
from there. States and whys are compared with what a fold of the same log from zero said.
``--events N`` says how long the log is, ``--samples N`` how many instants are asked for, and
``--keep FOLDER`` where the log is left, so that the next run need not make it again.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from statistics import median

from connectors.archive.archive import Archive
from connectors.objects.directory import DirectoryStore
from projections.cell_view import CellView
from scheduler.model.codec import decode_record
from streams.garbage import settle
from streams.history.archived_log import ArchivedLog
from streams.travel.answering import Answering
from streams.travel.opening import answering_of
from tests.benchmark.figures import IS_QUICK, Peer, percentile, print_figure
from tests.support.cell import GENERATION
from tests.support.long_day import CELL, Day, bytes_of_state, made_day, text_of

STATE_MS_MAX = 1_000
PEER_RECORDS_MAX = 20_000


def option(name: str, default: str) -> str:
    """What stands behind an option of the command line."""
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


EVENTS = int(option("--events", "20000" if IS_QUICK else "1000000"))
SAMPLES = int(option("--samples", "5" if IS_QUICK else "40"))


def main() -> None:
    """Make the log, ask, and compare."""
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as temporary:
        folder = Path(option("--keep", temporary))
        folder.mkdir(parents=True, exist_ok=True)
        day = made_day(folder, EVENTS, 2 * SAMPLES)
        settle()  # As the time machine's own process does.
        asyncio.run(measured(DirectoryStore(folder), day))


async def asked(store: DirectoryStore) -> Answering:
    """Answers of a time machine that knows nothing yet."""
    archive = Archive(store)
    return await answering_of(ArchivedLog(archive, CELL, GENERATION), archive, CELL)


async def measured(store: DirectoryStore, day: Day) -> None:
    """Ask for each instant, and print what it took."""
    states, whys, diffs = [], [], []
    for said in day.instants:
        answering = await asked(store)
        states.append(await timed(answering.machine.view_at(said.end)))
        view = await answering.machine.view_at(said.end)
        assert bytes_of_state(view.state) == said.state, f"another state at {said.end}"
        other = (await asked(store)).traveller
        whys.append(await timed(other.why(said.name, str(said.end - 1))))
        found = text_of(await other.why(said.name, str(said.end - 1)))
        assert found == said.why, f"another why of {said.name} at {said.end}"
    for first, second in zip(day.instants[:SAMPLES], day.instants[SAMPLES:], strict=True):
        traveller = (await asked(store)).traveller
        diffs.append(await timed(traveller.diff(str(first.end - 1), str(second.end - 1), 200)))
    zero = await fold_from_zero(store, day)
    for what, times in (("state", states), ("why --at", whys), ("diff", diffs)):
        of_core = [each[1] for each in times]
        print_figure(
            "travel",
            f"{what} at a random instant, p99",
            percentile([each[0] for each in times], 0.99),
            "ms",
            samples=len(times),
            peer=zero,
            target=STATE_MS_MAX,
            median_ms=round(median(each[0] for each in times), 1),
            processor_p99_ms=round(percentile(of_core, 0.99), 1),
            processor_median_ms=round(median(of_core), 1),
            events=day.events,
            records=day.records,
            bytes=day.raw_bytes,
        )


async def fold_from_zero(store: DirectoryStore, day: Day) -> Peer:
    """How long a fold of the view from zero to the end takes, by its first part."""
    part = min(day.records, PEER_RECORDS_MAX)
    log = ArchivedLog(Archive(store), CELL, GENERATION)
    view = CellView()
    began_s = time.perf_counter()
    async for batch in log.records(0, part):
        for record in batch:
            view.apply(record.offset, decode_record(record.value))
    spent_ms = 1_000 * (time.perf_counter() - began_s)
    return Peer("a fold of the view from zero to the end", spent_ms * day.records / part)


async def timed(answer: Awaitable[object]) -> tuple[float, float]:
    """How many milliseconds an answer takes, by the wall's clock and of the processor."""
    began = time.perf_counter(), time.process_time()
    await answer
    return 1_000 * (time.perf_counter() - began[0]), 1_000 * (time.process_time() - began[1])


if __name__ == "__main__":
    main()
