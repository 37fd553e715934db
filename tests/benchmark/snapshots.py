"""What a snapshot of 100,000 running tasks costs, and what a restart from it takes.

A cell of that many tasks (`tests.benchmark.large_cell`) is folded by a follower on an event loop,
which folds a busy day's records all the while: that is the fold that must not stand still. Beside
it the taker copies the state on the loop, and encodes, writes (to a directory), reads back and
proves it in a thread. Peers, in the same run: the fold's own longest turn while no snapshot is
taken, its rate then, and the fold of the whole log from its beginning.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from connectors.objects.directory import DirectoryStore
from projections.snapshot.format import Captured, Expected, capture, check_against, decode, encode
from scheduler.digest import canonical_bytes
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.events import Mark
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.cli.quiet import speak_by_errors
from streams.snapshots.loading import Bases, machine_at
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import SnapshotTaker, Taken
from tests.benchmark.figures import IS_QUICK, Peer, print_figure
from tests.benchmark.large_cell import LargeCell, large_cell
from tests.support.log_in_memory import LogInMemory

BENCHMARK = "snapshots"
TASKS = 1_000 if IS_QUICK else 100_000
CHURN_TASKS = 1_000 if IS_QUICK else 12_000
"""Short tasks that come, run and end while the snapshot is taken: some 60,000 events."""
SECONDS_MAX = 2.0
RESTART_S_MAX = 10.0


class Pauses:
    """Folds a log on the loop, and notes how long each turn and each pause between two was."""

    def __init__(self, follower: Follower, log: list[bytes]) -> None:
        self._follower = follower
        self._log = log
        self.longest_s = 0.0
        self.events = 0
        self.seconds = 0.0

    async def fold(self, end: int) -> None:
        """Fold up to this offset."""
        follower, began_events = self._follower, self._follower.events_folded
        began_s = last_s = time.perf_counter()
        while follower.wanted_offset < end:
            at = follower.wanted_offset
            follower.take([LogRecord(at, self._log[at])])
            await asyncio.sleep(0)
            now_s = time.perf_counter()
            self.longest_s = max(self.longest_s, now_s - last_s)
            last_s = now_s
        self.events += follower.events_folded - began_events
        self.seconds += last_s - began_s


async def beside_the_fold(cell: LargeCell, begins: int, folder: Path) -> None:
    """Take a snapshot while the fold goes on, and print what both took."""
    follower = Follower("cell", 0, BareFold)
    follower.take([LogRecord(at, data) for at, data in enumerate(cell.log[:begins])])
    shelf = Shelf(DirectoryStore(folder / "store"), "test")
    taker = SnapshotTaker(shelf, follower)
    quarter = begins + (len(cell.log) - begins) // 4
    alone = Pauses(follower, cell.log)
    await alone.fold(quarter)
    beside = Pauses(follower, cell.log)
    copied_s: list[float] = []

    def timed(*given: Any) -> Captured:
        began_s = time.thread_time()
        captured = capture(*given)
        copied_s.append(time.thread_time() - began_s)
        return captured

    with patch("streams.snapshots.taking.capture", timed):
        taking = asyncio.create_task(taker.take())
        await asyncio.sleep(0)
    end = quarter
    while not taking.done() and end < len(cell.log):
        end = min(end + 50, len(cell.log))
        await beside.fold(end)
    taken = await taking
    assert follower.halt is None, follower.halt
    _print_taken(taken, alone, beside, copied_s[0])
    restored = await asyncio.to_thread(shelf.load, taken.name)
    await Pauses(follower, cell.log).fold(len(cell.log))
    for offset in range(restored.header.next_offset, len(cell.log)):
        restored.machine.apply(offset, decode_record(cell.log[offset]))
    assert canonical_bytes(restored.machine.state) == canonical_bytes(follower.machine.state)


def _print_taken(taken: Taken, alone: Pauses, beside: Pauses, copied_s: float) -> None:
    more: dict[str, Any] = {"tasks": taken.counts["tasks"], "hosts": taken.counts["hosts"]}
    print_figure(
        BENCHMARK,
        "from the copy to a snapshot that was read back and proven, beside the fold",
        taken.total_s,
        "s",
        samples=1,
        target=SECONDS_MAX,
        **more,
    )
    print_figure(
        BENCHMARK,
        "the copy, for which the fold stands still, processor time",
        copied_s * 1_000,
        "ms",
        samples=1,
        peer=Peer("by the clock", taken.pause_s * 1_000),
        **more,
    )
    print_figure(
        BENCHMARK,
        "longest pause of the fold while a snapshot was taken",
        beside.longest_s * 1_000,
        "ms",
        samples=1,
        peer=Peer("while none was taken", alone.longest_s * 1_000),
    )
    print_figure(
        BENCHMARK,
        "events folded while a snapshot was taken",
        beside.events / beside.seconds,
        "events/s",
        samples=1,
        peer=Peer("while none was taken", alone.events / alone.seconds),
    )
    print_figure(
        BENCHMARK, "size of the snapshot", taken.name.bytes_total / 2**20, "MiB", samples=1, **more
    )


def alone(machine: Machine) -> None:
    """Print what each part takes of a processor, with nothing beside it."""
    parts: dict[str, list[float]] = {}

    def timed(name: str, began_s: float) -> None:
        parts.setdefault(name, []).append(time.process_time() - began_s)

    for _ in range(3):
        began_s = time.process_time()
        captured = capture(machine)
        timed("copied", began_s)
        began_s = time.process_time()
        data = encode(captured).data
        timed("encoded and compressed", began_s)
        began_s = time.process_time()
        restored = decode(data, Expected(), is_proven=False).machine
        timed("decompressed and decoded", began_s)
        began_s = time.process_time()
        assert restored.digest.value() == captured.header.digest
        timed("its digest computed from nothing", began_s)
        began_s = time.process_time()
        check_against(data, captured)
        timed("read back and compared with its copy", began_s)
    for name, seconds in parts.items():
        print_figure(
            BENCHMARK,
            f"a snapshot {name}, processor time",
            median(seconds) * 1_000,
            "ms",
            samples=len(seconds),
        )


async def restart(cell: LargeCell, begins: int, folder: Path) -> None:
    """Print how long the state at the log's end takes, from a snapshot and from nothing."""
    reader = LogInMemory(cell.log)
    shelf = Shelf(DirectoryStore(folder / "restart"), "test")
    follower = Follower("cell", 0, BareFold)
    follower.take([LogRecord(at, data) for at, data in enumerate(cell.log[:begins])])
    await SnapshotTaker(shelf, follower).take()
    events = _events(cell.log[begins:])
    began_s = time.perf_counter()
    machine = await machine_at(Bases(shelf, reader), len(cell.log))
    took_s = time.perf_counter() - began_s
    began_s = time.perf_counter()
    nothing = Shelf(DirectoryStore(folder / "nothing"), "test")
    whole = await machine_at(Bases(nothing, reader), len(cell.log))
    whole_s = time.perf_counter() - began_s
    assert machine.digest.value() == whole.digest.value()
    print_figure(
        BENCHMARK,
        "restart from the snapshot and the tail, the snapshot proven",
        took_s,
        "s",
        samples=1,
        peer=Peer("the whole log from its beginning", whole_s),
        target=RESTART_S_MAX,
        tail_events=events,
        tasks=len(machine.state.tasks),
    )


def _events(log: list[bytes]) -> int:
    return sum(len(decode_record(data).events) for data in log)


def main() -> None:
    """Print every figure."""
    speak_by_errors()
    cell = large_cell(TASKS)
    # The leader marks its place each second; its digest is never far behind.
    cell.write(Mark())
    begins = len(cell.log)
    alone(cell.machine)
    cell.churn(CHURN_TASKS)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(beside_the_fold(cell, begins, Path(folder)))
        asyncio.run(restart(cell, begins, Path(folder)))


if __name__ == "__main__":
    main()
