"""A long log of the demo's jobs in a store: records, notes and snapshots, as history writes them.

The one thing to know: it is folded once, from zero, while it is written, and what that fold says at
some instants is kept beside it. The jobs (a service, a batch of twenty, a job that fails and is
tried again) are run again and again by a cell in memory, with marks where a leader puts them.
"""

import json
import random
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec

from connectors.archive.archive import Archive, NewRange
from connectors.archive.ranges import Series, Span
from connectors.archive.rows import ArchivedChange, ArchivedRecord
from connectors.objects.directory import DirectoryStore
from projections.snapshot.format import capture
from projections.travel.notes import Note, Noted
from projections.why import why
from scheduler.digest import canonical_bytes
from scheduler.model.codec import RECORD_VERSION, encode_record
from scheduler.model.events import CellEvent, CellRecord, Mark, RoundRecord
from scheduler.model.ids import JobId
from scheduler.model.job import JobSpec
from scheduler.model.proposals import PreemptTask, Proposal
from scheduler.model.task import Launched
from scheduler.state import State
from streams.history.heads import archived_record
from streams.history.limits import HistoryLimits
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import TakingPolicy
from tests.support.cell import GENERATION, CellInMemory, batch, service

CELL: Final = "test"
SEED: Final = 6
RECORDS_BEFORE_INSTANTS: Final = 100


class Said(msgspec.Struct, frozen=True):
    """What a fold from zero says at one instant."""

    end: int
    """The record that it would fold next."""
    state: str
    """A digest of the whole state's bytes."""
    name: str
    """One of its tasks."""
    why: str
    """Why that is where it is, as JSON."""


class Day(msgspec.Struct, frozen=True):
    """A log that was made, and what was said of it while it was."""

    events: int
    records: int
    raw_bytes: int
    instants: tuple[Said, ...]
    """In no order."""


class Sizes(msgspec.Struct, frozen=True):
    """How the log lies in its store; tests make all of it small."""

    limits: HistoryLimits = HistoryLimits()
    snapshot_events: int = TakingPolicy().events
    """Between two snapshots, as `streams.snapshots` takes them by default."""


def made_day(folder: Path, events: int, instants: int, sizes: Sizes | None = None) -> Day:
    """The day that lies in this folder, which is made now if no such one does."""
    index = folder / f"day-{events}-{instants}.json"
    if not index.exists():
        day = _Making(folder, events, instants, sizes or Sizes()).day()
        index.write_bytes(msgspec.json.encode(day))
    return msgspec.json.decode(index.read_bytes(), type=Day)


def bytes_of_state(state: State) -> str:
    """A digest of the whole state's canonical bytes."""
    return blake2b(canonical_bytes(state), digest_size=16).hexdigest()


def text_of(value: object) -> str:
    """The value as JSON."""
    return json.dumps(msgspec.to_builtins(value), sort_keys=True)


class _Passing(list[bytes]):
    """A log that counts its records and keeps none: they are in the archive."""

    appended = 0

    def append(self, _data: bytes, /) -> None:
        self.appended += 1

    def __len__(self) -> int:
        return self.appended


class _Making(CellInMemory):
    """A cell in memory that is not checked after each record, and archives itself."""

    def __init__(self, folder: Path, events: int, instants: int, sizes: Sizes) -> None:
        self.events = 0
        self.raw_bytes = 0
        self._events_wanted = events
        self._random = random.Random(SEED)
        self._chosen = sorted(
            self._random.sample(range(RECORDS_BEFORE_INSTANTS, events), instants), reverse=True
        )
        self._said: list[Said] = []
        self._noted = Noted()
        self._archive = Archive(DirectoryStore(folder))
        self._shelf = Shelf(self._archive.store, CELL)
        self._sizes = sizes
        self._snapshot_at = sizes.snapshot_events
        self._records: list[ArchivedRecord] = []
        self._rows: list[ArchivedChange] = []
        self._range_bytes = 0
        self._at_ms_max = 0
        self._marked = 0
        self._passing = _Passing()
        super().__init__()
        self.machine = self._noted.view.machine

    def write(self, *events: CellEvent, epoch: int | None = None) -> int:
        """Append one record and fold it; its offset."""
        self.log = self._passing
        given = self.epoch if epoch is None else epoch
        record = CellRecord(RECORD_VERSION, given, self.now_ms, events)
        data = encode_record(record)
        offset = len(self.log)
        self.log.append(data)
        rows = self._noted.take(offset, record)
        self._rows += [_row_of(each, place) for place, each in enumerate(rows)]
        row = archived_record(offset, data, self._at_ms_max)
        self._at_ms_max = row.at_ms_max
        self._records.append(row)
        self._range_bytes += len(data)
        self.events += len(events)
        self._keep(offset + 1)
        return offset

    def _round(self) -> tuple[RoundRecord | PreemptTask | Proposal, ...]:
        """What the machine wants written now; that asking changes nothing is shown elsewhere."""
        return self.machine.decide()

    def _keep(self, end: int) -> None:
        """Archive and take a snapshot where one is due; note what the fold says where wanted."""
        limits = self._sizes.limits
        if (
            self._range_bytes >= limits.range_bytes_max
            or len(self._records) >= limits.range_records_max
        ):
            self._close_range()
        if self.events >= self._snapshot_at:
            self._snapshot_at = self.events + self._sizes.snapshot_events
            self._shelf.put(capture(self._noted.view.machine))
        while self._chosen and self.events >= self._chosen[-1]:
            self._chosen.pop()
            view = self._noted.view
            name = self._random.choice(list(view.state.tasks))
            said = text_of(why(view, name))
            self._said.append(Said(end, bytes_of_state(view.state), name, said))

    def _close_range(self) -> None:
        span = Span(self._records[0].offset, self._records[-1].offset)
        self._put("records", span, self._records)
        self._put("notes", span, self._rows)
        self.raw_bytes += self._range_bytes
        self._records, self._rows, self._range_bytes = [], [], 0

    def _put(
        self, kind: Any, span: Span, rows: Iterable[ArchivedRecord] | Iterable[ArchivedChange]
    ) -> None:
        self._archive.put(
            NewRange(
                series=Series(kind, CELL, GENERATION),
                span=span,
                rows=tuple(rows),
                at_ms_max=self._at_ms_max,
                made_at_ms=self.now_ms,
                build="bench",
            )
        )

    def day(self) -> Day:
        """Run the demo's jobs again and again, until the log has as many events as are wanted."""
        self.elect()
        self.subscribe()
        number = 0
        while self.events < self._events_wanted:
            number += 1
            self._run_batch(f"fails-{number}", batch(1, retries=1), fails=1)
            name = f"service-{number}"
            self.submit(service(5), name)
            self._launch()
            for task in self.tasks(name):
                self.status(task.task_id, "TASK_STARTING")
                self.status(task.task_id, "TASK_RUNNING", container_ip="10.0.0.1")
            self._run_batch(f"batch-{number}", batch(20), fails=0)
            self.kill_job(name)
            self.decide_and_carry_out()
            for task in self.tasks(name):
                self.status(task.task_id, "TASK_KILLED")
            if len(self.log) - self._marked >= self.state.policy.mark_records:
                self._mark()
        self._close_range()
        self._random.shuffle(self._said)
        return Day(self.events, len(self.log), self.raw_bytes, tuple(self._said))

    def _mark(self) -> None:
        self._marked = self.write(Mark())
        checkpoint = self.machine.checkpoint_of(self._marked)
        assert checkpoint is not None
        self.write(checkpoint)

    def _run_batch(self, name: str, spec: JobSpec, fails: int) -> None:
        """Submit a batch job and bring it to its end; its first attempts may fail."""
        self.submit(spec, name)
        while self.state.jobs[JobId(name)].state != "Finished":
            self._launch()
            for task in self.tasks(name):
                if isinstance(task.state, Launched):
                    self.status(task.task_id, "TASK_RUNNING")
                    self.status(task.task_id, "TASK_FAILED" if fails else "TASK_FINISHED")
                    fails = max(0, fails - 1)
            self.tick(5_000, times=3)

    def _launch(self) -> None:
        """What waits is launched on what two hosts offer; what is left is taken back."""
        for host in ("host1", "host2"):
            self.offer(host, cpus=16, memory_mib=32_768)
        self.decide_and_carry_out()
        if self.state.offers:
            self.rescind(*self.state.offers)


def _row_of(note: Note, place: int) -> ArchivedChange:
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
