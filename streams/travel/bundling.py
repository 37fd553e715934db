"""Makes the bundle of an incident: one file with all that is needed to look at it elsewhere.

The one thing to know: while it is made, the stretch is folded and its checkpoints are proven. Where
environments are masked, which is the default, the records are folded a second time as they are
written, and their checkpoints say the digests of that fold: so a bundle proves itself offline.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from projections.cell_view import CellView
from projections.masking import Masker
from projections.snapshot.format import capture, encode
from projections.travel.diff import Difference
from projections.travel.masking import MaskedLog, masked_copy, masked_json
from projections.travel.report import Incident, ReportFacts, report_html, report_markdown
from scheduler.machine import Machine
from scheduler.model.codec import digest_of
from scheduler.model.events import CellRecord, Checkpoint
from streams.errors import OperatorError
from streams.travel.bundle_file import (
    CELL_LOG,
    FORMAT,
    SKIPPED,
    SNAPSHOT,
    BundleWriter,
    Manifest,
    SliceRecord,
    packed,
)
from streams.travel.topic_slices import TopicSlices

if TYPE_CHECKING:  # Which makes slices itself.
    from streams.travel.answering import Answering

FOREIGN_JSON: Final = frozenset(("jobs", "commands"))
"""Topics whose records may hold a job's descriptor."""
DIFFERENCES_MAX: Final = 1_000


class Bundling:
    """Makes one bundle."""

    def __init__(
        self,
        answering: "Answering",
        slices: TopicSlices | None,
        *,
        is_masked: bool,
        build: str,
        masker: Masker | None = None,
    ) -> None:
        """``masker``: by which the report and the difference are masked, where anything is."""
        self._masker = masker or Masker()
        self._answering = answering
        self._slices = slices
        self._is_masked = is_masked
        self._build = build

    async def write(self, path: Path, first: str, second: str) -> Manifest:
        """Write the bundle of the stretch between two instants; its manifest."""
        begin = await self._answering.traveller.begin_of(first)
        end = await self._answering.traveller.end_of(second)
        if begin >= end:
            raise OperatorError(
                f"Between {first} and {second} there is no record.",
                "The first instant is not before the second.",
                "Name a longer stretch.",
            )
        return await self.write_stretch(path, begin, end)

    async def write_stretch(self, path: Path, begin: int, end: int) -> Manifest:
        """Write the bundle of the records from ``begin`` to before ``end``; its manifest."""
        try:
            writer = BundleWriter(path)
        except FileExistsError as error:
            raise OperatorError(
                f"{path} is there already.", "Nothing is overwritten.", "Name another file."
            ) from error
        except OSError as error:
            raise OperatorError(
                f"{path} cannot be written.",
                f"{error.strerror}.",
                "Name a file in a folder of yours.",
            ) from error
        try:
            return await self._write(writer, begin, end)
        except BaseException:
            writer.abandon()
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - a command has nothing else to do
            raise

    async def _write(self, writer: BundleWriter, begin: int, end: int) -> Manifest:
        view = await self._answering.machine.view_at(begin)
        stretch = Stretch(view, self._masker if self._is_masked else None)
        writer.add(SNAPSHOT, encode(capture(stretch.start, build=self._build)).data)
        await self._answering.machine.fold(stretch.take, stretch.pass_over, begin, end)
        await stretch.fill(self._answering, begin, end)
        first_ms, end_ms = view.state.clock.now_ms, stretch.machine.state.clock.now_ms
        data, count, size = packed(stretch.records)
        writer.add(CELL_LOG, data, count, size)
        members = [(CELL_LOG, count, size)]
        members += await self._write_slices(writer, first_ms, end_ms)
        policy = msgspec.json.encode(stretch.machine.state.policy)
        writer.add("policy.json", msgspec.json.format(policy, indent=2))
        found = await self._answering.traveller.diff(str(begin - 1), str(end - 1), DIFFERENCES_MAX)
        missing = tuple(self._slices.missing) if self._slices else ()
        manifest = Manifest(
            format=FORMAT,
            build=self._build,
            cell=view.state.cell,
            cell_uuid=view.state.cell_uuid,
            generation=view.state.generation,
            first_offset=begin,
            end_offset=end,
            first_at_ms=first_ms,
            end_at_ms=end_ms,
            is_masked=self._is_masked,
            digest=stretch.written.digest.value(),
            original_digest=stretch.machine.digest.value(),
            checkpoints_proven=stretch.checkpoints,
            missing=missing,
        )
        self._write_report(writer, manifest, stretch, found, tuple(members))
        return writer.close(manifest)

    async def _write_slices(
        self, writer: BundleWriter, first_ms: int, end_ms: int
    ) -> list[tuple[str, int, int]]:
        if self._slices is None:
            return []
        told = []
        for (topic, partition), records in (await self._slices.slices(first_ms, end_ms)).items():
            if self._is_masked:
                records = [  # noqa: PLW2901 - the same, masked
                    _masked(each, self._masker, is_foreign=topic in FOREIGN_JSON)
                    for each in records
                ]
            data, count, size = packed(records)
            name = f"topics/{topic}-{partition}.zst"
            writer.add(name, data, count, size)
            told.append((name, count, size))
        return told

    def _write_report(
        self,
        writer: BundleWriter,
        manifest: Manifest,
        stretch: "Stretch",
        found: Difference,
        members: tuple[tuple[str, int, int], ...],
    ) -> None:
        facts = ReportFacts(
            cell=manifest.cell,
            first=f"{manifest.cell}/{manifest.generation}:{manifest.first_offset}",
            last=f"{manifest.cell}/{manifest.generation}:{manifest.end_offset - 1}",
            first_at_ms=manifest.first_at_ms,
            end_at_ms=manifest.end_at_ms,
            records=manifest.end_offset - manifest.first_offset,
            checkpoints=manifest.checkpoints_proven,
            is_masked=manifest.is_masked,
            digest=manifest.digest,
            members=members,
            missing=manifest.missing,
        )
        text = report_markdown(facts, stretch.incident, found)
        difference = msgspec.json.encode(found)
        if self._is_masked:
            text, difference = self._masker.text(text), self._masker.json(difference)
        writer.add("report.md", text.encode())
        writer.add("report.html", report_html(text, f"Cell {manifest.cell}").encode())
        writer.add("diff.json", difference)


class Stretch:
    """The stretch as it is folded and written: once as it is, and where masked once more."""

    def __init__(self, view: CellView, masker: Masker | None) -> None:
        """``masker``: by which it is written; None where it is written as it is."""
        self.machine = Machine.restored(view.machine.kept())
        is_masked = masker is not None
        self.start = masked_copy(view.machine, masker) if is_masked else _copy(view.machine)
        self._masked = MaskedLog(masked_copy(view.machine, masker), masker) if is_masked else None
        self.records: list[SliceRecord] = []
        self.incident = Incident()
        self.checkpoints = 0
        self._skipped: list[int] = []

    @property
    def written(self) -> Machine:
        """The machine that folded what was written."""
        return self._masked.machine if self._masked else self.machine

    def take(self, offset: int, record: CellRecord) -> None:
        """Fold, prove and write one record."""
        changes = self.machine.apply(offset, record)
        self.checkpoints += sum(
            isinstance(event, Checkpoint) and event.mark_offset in self.machine.marks
            for event in record.events
        )
        self.incident.take(self.machine.state, offset, record, changes)
        if self._masked:
            data = self._masked.take(offset, record)
            self.records.append(SliceRecord(offset, record.at_ms, None, data))

    def pass_over(self, offset: int) -> None:
        """Leave one record out, as the fold did."""
        self.machine.pass_over(offset)
        if self._masked:
            self._masked.machine.pass_over(offset)
        self._skipped.append(offset)

    async def fill(self, answering: "Answering", begin: int, end: int) -> None:
        """Put in what was not written while it was folded: skipped records, or all as they are."""
        skipped, is_masked = frozenset(self._skipped), self._masked is not None
        if is_masked and not skipped:
            return
        async for batch in answering.machine.reader.records(begin, end):
            for each in batch:
                is_skipped = each.offset in skipped
                if is_masked and not is_skipped:
                    continue
                note = f"skipped by an operator; digest {digest_of(each.value)}".encode()
                value = note if is_masked else each.value
                key = SKIPPED if is_skipped else None
                self.records.append(SliceRecord(each.offset, 0, key, value))
        self.records.sort(key=lambda each: each.offset)


def _copy(machine: Machine) -> Machine:
    kept = machine.kept()
    kept.marks.clear()  # A bundle has no mark from before its beginning.
    return Machine.restored(kept)


def _masked(record: SliceRecord, masker: Masker, *, is_foreign: bool) -> SliceRecord:
    """The record masked; one of a foreign topic that is no JSON keeps its place and digest."""
    if record.value is None:
        return record
    if not is_foreign:
        return msgspec.structs.replace(record, value=masker.json(record.value))
    found = masked_json(record.value)
    value = masker.json(found) if found else f"no JSON; digest {digest_of(record.value)}".encode()
    return msgspec.structs.replace(record, value=value)
