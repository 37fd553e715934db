"""How quickly the past is answered for: state, diff and why at random instants of a long log.

The log has the demo's jobs (a service, a batch of twenty, a job that fails and is tried again),
recorded from a cell in memory and repeated under other names (`tests.benchmark.copies`). Snapshots
are taken as often as the history process takes them, notes are archived in ranges like its own, in
a real store of files; each answer is compared with a fold of the same log from zero. ``--events N``
says how long the log is, ``--samples N`` how many instants are asked for.
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
from projections.snapshot.format import capture, encode
from projections.travel.notes import Note, Noted
from projections.why import why
from scheduler.digest import canonical_bytes
from scheduler.model.codec import decode_record
from streams.history.limits import HistoryLimits
from streams.history.notes import ArchivedNotes
from streams.snapshots.shelf import Shelf
from streams.travel.answering import Answering
from streams.travel.stored_snapshots import StoredSnapshots
from tests.benchmark.copies import CopiedLog, copied_log
from tests.benchmark.figures import IS_QUICK, Peer, print_figure
from tests.benchmark.recording import Recording
from tests.support.cell import CellInMemory, batch, service
from tests.support.log_in_memory import LogInMemory

SNAPSHOT_EVENTS = 50_000
"""As `streams.snapshots` takes them by default."""
STATE_MS_MAX = 1_000
SEED = 6


def option(name: str, default: int) -> int:
    """The number behind an option of the command line."""
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


EVENTS = option("--events", 20_000 if IS_QUICK else 1_000_000)
SAMPLES = option("--samples", 5 if IS_QUICK else 40)


def recorded_day() -> Recording:
    """The demo's jobs on two hosts, from rest to rest."""
    cell = CellInMemory()
    cell.records_a_check = 1_000_000
    cell.elect()
    cell.subscribe()
    for host in ("host1", "host2"):
        cell.offer(host, cpus=8, memory_mib=16_384)
    begins = len(cell.log)
    _run(cell, "fails", batch(1, retries=2), "TASK_FAILED", 2)
    cell.submit(service(5), "service")
    _launch(cell)
    for task in cell.tasks("service"):
        cell.status(task.task_id, "TASK_STARTING")
        cell.status(task.task_id, "TASK_RUNNING", container_ip="10.0.0.1")
    _run(cell, "batch", batch(20), "TASK_FINISHED", 1)
    cell.kill_job("service")
    cell.decide_and_carry_out()
    for task in cell.tasks("service"):
        cell.status(task.task_id, "TASK_KILLED")
    cell.tick()
    return Recording(tuple(cell.log), begins)


def _run(cell: CellInMemory, name: str, spec: Any, state: Any, times: int) -> None:
    """Submit a batch job and bring it to its end, after some attempts that go otherwise."""
    cell.submit(spec, name)
    while any(task.state for task in cell.tasks(name)) and cell.state.jobs[name].state != "Finished":  # type: ignore[index]
        _launch(cell)
        for task in cell.tasks(name):
            if cell.host_of(task.task_id) is None or task.task_id in cell.state.finished_tasks:
                continue
            ends = state if times > 1 else "TASK_FINISHED"
            if type(task.state).__name__ == "Finished":
                continue
            cell.status(task.task_id, "TASK_RUNNING")
            cell.status(task.task_id, ends, message="as the demo has it")
            times -= times > 1
        cell.tick(5_000, times=3)


def _launch(cell: CellInMemory) -> None:
    """What waits is launched on what the hosts have left, which is offered again after that."""
    for host in ("host1", "host2"):
        cell.offer(host, cpus=4, memory_mib=8_192)
    cell.decide_and_carry_out()


def main() -> None:
    """Make the log, archive it, ask, and compare."""
    recording = recorded_day()
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        per_copy = sum(len(decode_record(data).events) for data in recording.log[recording.begins :])
        copied = copied_log(recording, max(2, EVENTS // per_copy))
        store = DirectoryStore(Path(folder))
        archive = Archive(store)
        generation = "0a0b0c0d"
        chosen = sorted(random.Random(SEED).sample(range(100, len(copied.log)), 2 * SAMPLES))  # noqa: S311
        wanted = archived(copied, archive, generation, chosen)

        def asked() -> Answering:
            snapshots = StoredSnapshots(store, "test", generation)
            notes = ArchivedNotes(archive, "test", generation)
            return Answering(LogInMemory(copied.log, generation), snapshots, notes)

        asyncio.run(measured(asked, chosen, wanted, copied))


def archived(
    copied: CopiedLog, archive: Archive, generation: str, chosen: Sequence[int]
) -> dict[int, tuple[bytes, str, object]]:
    """Archive notes and snapshots while the log is folded from zero; what it says at the instants.

    Of each instant: the state's bytes, one of its tasks, and why that is where it is.
    """
    shelf, noted = Shelf(archive.store, "test"), Noted()
    rows: list[ArchivedChange] = []
    wanted: dict[int, tuple[bytes, str, object]] = {}
    ends, events, first = set(chosen), 0, 0
    records_max = HistoryLimits().records
    for offset, data in enumerate(copied.log):
        record = decode_record(data)
        rows += [row_of(each, place) for place, each in enumerate(noted.take(offset, record))]
        events += len(record.events)
        if events >= SNAPSHOT_EVENTS:
            shelf.put(encode(capture(noted.view.machine)))
            events = 0
        end = offset + 1
        if end - first >= records_max or end == len(copied.log):
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
            rows, first = [], end
        if end in ends:
            view: CellView = noted.view
            name = random.Random(offset).choice(list(view.state.tasks))  # noqa: S311
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
    copied: CopiedLog,
) -> None:
    """Ask for each instant by a time machine that knows nothing yet, and print what it took."""
    log = {"events": copied.events, "records": len(copied.log), "bytes": copied.bytes_total}
    states, whys, diffs = [], [], []
    for end in chosen:
        answering = asked()
        states.append(await timed(lambda a=answering, e=end: a.machine.view_at(e)))
        view = await answering.machine.view_at(end)
        assert canonical_bytes(view.state) == wanted[end][0], f"another state at {end}"
        name = wanted[end][1]
        found = await asked().traveller.why(name, str(end - 1))
        assert found == wanted[end][2], f"another why of {name} at {end}"
        other = asked()
        whys.append(await timed(lambda a=other, n=name, e=end: a.traveller.why(n, str(e - 1))))
    for first, second in zip(chosen[:SAMPLES], chosen[SAMPLES:], strict=True):
        answering = asked()
        between = (str(first - 1), str(second - 1), 200)
        diffs.append(await timed(lambda a=answering, b=between: a.traveller.diff(*b)))
    peer = asked()
    began_s = time.perf_counter()
    view = CellView()
    for offset in range(min(len(copied.log), 20_000)):
        view.apply(offset, decode_record(copied.log[offset]))
    share = min(len(copied.log), 20_000) / len(copied.log)
    zero = Peer("a fold of views from zero to the end", 1_000 * (time.perf_counter() - began_s) / share)
    del peer
    for what, times in (("state", states), ("why --at", whys), ("diff", diffs)):
        ordered = sorted(times)
        print_figure(
            "travel",
            f"{what} at a random instant, p99",
            ordered[min(len(ordered) - 1, 99 * len(ordered) // 100)],
            "ms",
            samples=len(times),
            peer=zero,
            target=STATE_MS_MAX,
            median_ms=round(median(times), 1),
            **log,
        )


async def timed(ask: Callable[[], Awaitable[object]]) -> float:
    """How many milliseconds an answer takes."""
    began_s = time.perf_counter()
    await ask()
    return 1_000 * (time.perf_counter() - began_s)


if __name__ == "__main__":
    main()
