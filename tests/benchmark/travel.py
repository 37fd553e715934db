"""How quickly the past is answered for: state, diff and why at random instants of a long log.

The log has the demo's jobs (a service, a batch of twenty, a job that fails and is tried again), run
again and again by a cell in memory. Snapshots
are taken as often as the history process takes them, notes are archived in ranges like its own, in
a real store of files; states and whys are compared with a fold of the same log from zero.
``--events N`` says how long the log is, ``--samples N`` how many instants are asked for.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from connectors.archive.archive import Archive, NewRange
from connectors.archive.ranges import Series, Span
from connectors.archive.rows import ArchivedChange
from connectors.objects.directory import DirectoryStore
from projections.cell_view import CellView
from projections.snapshot.format import capture
from projections.travel.notes import Note, Noted
from projections.why import why
from scheduler.digest import canonical_bytes
from scheduler.model.codec import RECORD_VERSION, decode_record, encode_record
from scheduler.model.events import CellEvent, CellRecord, Mark, RoundRecord
from scheduler.model.ids import JobId, ProposalId, proposal_id_of
from scheduler.model.job import JobSpec
from scheduler.model.task import Launched
from streams.garbage import settle
from streams.history.limits import HistoryLimits
from streams.history.notes import ArchivedNotes
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import TakingPolicy
from streams.travel.answering import Answering
from streams.travel.stored_snapshots import StoredSnapshots
from tests.benchmark.figures import IS_QUICK, Peer, print_figure
from tests.support.cell import CellInMemory, batch, service
from tests.support.log_in_memory import LogInMemory

SNAPSHOT_EVENTS = TakingPolicy().events
"""As `streams.snapshots` takes them by default."""
STATE_MS_MAX = 1_000
SEED = 6


def option(name: str, default: int) -> int:
    """The number behind an option of the command line."""
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


EVENTS = option("--events", 20_000 if IS_QUICK else 1_000_000)
SAMPLES = option("--samples", 5 if IS_QUICK else 40)


class QuickCell(CellInMemory):
    """A cell in memory that is not checked after each record: tests do that."""

    def __init__(self) -> None:
        self.events = 0
        super().__init__()

    def write(self, *events: CellEvent, epoch: int | None = None) -> int:
        """Append one record and fold it; its offset."""
        given = self.epoch if epoch is None else epoch
        record = CellRecord(RECORD_VERSION, given, self.now_ms, events)
        self.log.append(encode_record(record))
        self.machine.apply(len(self.log) - 1, record)
        self.events += len(events)
        return len(self.log) - 1

    def decide(self) -> tuple[tuple[ProposalId, Any], ...]:
        """Run one round and write it; its proposals with their ids."""
        events = self.machine.decide()
        if not events:
            return ()
        offset = self.write(*events)
        return tuple(
            (proposal_id_of(offset, index), event)
            for index, event in enumerate(events)
            if not isinstance(event, RoundRecord)
        )


def lived(events: int) -> QuickCell:
    """A cell that has run the demo's jobs again and again, until its log has so many events."""
    cell = QuickCell()
    cell.elect()
    cell.subscribe()
    number = 0
    while cell.events < events:
        number += 1
        _run_batch(cell, f"fails-{number}", batch(1, retries=1), fails=1)
        name = f"service-{number}"
        cell.submit(service(5), name)
        _launch(cell)
        for task in cell.tasks(name):
            cell.status(task.task_id, "TASK_STARTING")
            cell.status(task.task_id, "TASK_RUNNING", container_ip="10.0.0.1")
        _run_batch(cell, f"batch-{number}", batch(20), fails=0)
        cell.kill_job(name)
        cell.decide_and_carry_out()
        for task in cell.tasks(name):
            cell.status(task.task_id, "TASK_KILLED")
        mark = cell.write(Mark())
        checkpoint = cell.machine.checkpoint_of(mark)
        assert checkpoint is not None
        cell.write(checkpoint)
    return cell


def _run_batch(cell: QuickCell, name: str, spec: JobSpec, fails: int) -> None:
    """Submit a batch job and bring it to its end; its first attempts may fail."""
    cell.submit(spec, name)
    while cell.state.jobs[JobId(name)].state != "Finished":
        _launch(cell)
        for task in cell.tasks(name):
            if isinstance(task.state, Launched):
                cell.status(task.task_id, "TASK_RUNNING")
                cell.status(task.task_id, "TASK_FAILED" if fails else "TASK_FINISHED")
                fails = max(0, fails - 1)
        cell.tick(5_000, times=3)


def _launch(cell: QuickCell) -> None:
    """What waits is launched on what two hosts offer; what is left is taken back."""
    for host in ("host1", "host2"):
        cell.offer(host, cpus=16, memory_mib=32_768)
    cell.decide_and_carry_out()
    if cell.state.offers:
        cell.rescind(*cell.state.offers)


def main() -> None:
    """Make the log, archive it, ask, and compare."""
    cell = lived(EVENTS)
    settle()  # As the time machine's own process does.
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        store = DirectoryStore(Path(folder))
        archive = Archive(store)
        generation = "0a0b0c0d"
        chosen = random.Random(SEED).sample(range(100, len(cell.log)), 2 * SAMPLES)
        wanted = archived(cell.log, archive, generation, chosen)

        def asked() -> Answering:
            snapshots = StoredSnapshots(store, "test", generation)
            notes = ArchivedNotes(archive, "test", generation)
            return Answering(LogInMemory(cell.log, generation), snapshots, notes)

        asyncio.run(measured(asked, chosen, wanted, cell))


def archived(
    log: Sequence[bytes], archive: Archive, generation: str, chosen: Sequence[int]
) -> dict[int, tuple[bytes, str, object]]:
    """Archive notes and snapshots while the log is folded from zero; what it says at the instants.

    Of each instant: the state's bytes, one of its tasks, and why that is where it is.
    """
    shelf, noted = Shelf(archive.store, "test"), Noted()
    rows: list[ArchivedChange] = []
    wanted: dict[int, tuple[bytes, str, object]] = {}
    ends, events, first, raw_bytes = set(chosen), 0, 0, 0
    limits = HistoryLimits()
    for offset, data in enumerate(log):
        record = decode_record(data)
        rows += [row_of(each, place) for place, each in enumerate(noted.take(offset, record))]
        events += len(record.events)
        if events >= SNAPSHOT_EVENTS:
            shelf.put(capture(noted.view.machine))
            events = 0
        end = offset + 1
        raw_bytes += len(data)
        is_full = raw_bytes >= limits.range_bytes_max or end - first >= limits.range_records_max
        if is_full or end == len(log):
            series = Series("notes", "test", generation)
            at_ms = noted.view.state.clock.now_ms
            new = NewRange(
                series=series,
                span=Span(first, offset),
                rows=tuple(rows),
                at_ms_max=at_ms,
                made_at_ms=at_ms,
                build="bench",
            )
            archive.put(new)
            rows, first, raw_bytes = [], end, 0
        if end in ends:
            view: CellView = noted.view
            name = random.Random(offset).choice(list(view.state.tasks))
            wanted[end] = (canonical_bytes(view.state), name, why(view, name))
    return wanted


def row_of(note: Note, place: int) -> ArchivedChange:
    """The note as the archive keeps it."""
    return ArchivedChange(
        note.offset,
        note.index,
        note.at_ms,
        note.kind,
        note.job_id or None,
        note.task_id or None,
        note.host_id or None,
        None,
        None,
        note.body,
        place,
    )


async def measured(
    asked: Callable[[], Answering],
    chosen: Sequence[int],
    wanted: dict[int, tuple[bytes, str, object]],
    cell: QuickCell,
) -> None:
    """Ask for each instant by a time machine that knows nothing yet, and print what it took."""
    log = {"events": cell.events, "records": len(cell.log), "bytes": sum(map(len, cell.log))}
    states, whys, diffs = [], [], []
    for end in chosen:
        answering = asked()
        states.append(await timed(answering.machine.view_at(end)))
        view = await answering.machine.view_at(end)
        assert canonical_bytes(view.state) == wanted[end][0], f"another state at {end}"
        name = wanted[end][1]
        found = await asked().traveller.why(name, str(end - 1))
        assert found == wanted[end][2], f"another why of {name} at {end}"
        other = asked()
        whys.append(await timed(other.traveller.why(name, str(end - 1))))
    for first, second in zip(chosen[:SAMPLES], chosen[SAMPLES:], strict=True):
        answering = asked()
        diffs.append(await timed(answering.traveller.diff(str(first - 1), str(second - 1), 200)))
    view, part = CellView(), min(len(cell.log), 20_000)
    began_s = time.perf_counter()
    for offset in range(part):
        view.apply(offset, decode_record(cell.log[offset]))
    spent_ms = 1_000 * (time.perf_counter() - began_s)
    zero = Peer("a fold of the view from zero to the end", spent_ms * len(cell.log) / part)
    for what, times in (("state", states), ("why --at", whys), ("diff", diffs)):
        ordered, of_core = sorted(each[0] for each in times), sorted(each[1] for each in times)
        last = min(len(ordered) - 1, 99 * len(ordered) // 100)
        print_figure(
            "travel",
            f"{what} at a random instant, p99",
            ordered[last],
            "ms",
            samples=len(times),
            peer=zero,
            target=STATE_MS_MAX,
            median_ms=round(median(ordered), 1),
            processor_p99_ms=round(of_core[last], 1),
            processor_median_ms=round(median(of_core), 1),
            **log,
        )


async def timed(answer: Awaitable[object]) -> tuple[float, float]:
    """How many milliseconds an answer takes, by the wall's clock and of the processor."""
    began = time.perf_counter(), time.process_time()
    await answer
    return 1_000 * (time.perf_counter() - began[0]), 1_000 * (time.process_time() - began[1])


if __name__ == "__main__":
    main()
