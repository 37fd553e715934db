"""Notes as rows of a table: what happened to which job, task or host, and where in the log.

The one thing to know: `Noted` folds the log as a view does and answers each record with the rows
that it adds. Rows of any range, played back by `projections.travel.rebuilt`, make the same
histories as the view that was folded from the beginning.
"""

from typing import Final

import msgspec

from projections.cell_view import CellView
from projections.entries import Entry, LaunchFacts
from projections.notes import (
    CELL,
    HOST,
    JOB,
    ORPHAN,
    ROUND,
    TASK,
    CellEntered,
    HistoryNote,
    HostEntered,
    JobBegan,
    JobEntered,
    JobKept,
    JobRefused,
    OrphanNoted,
    RoundNoted,
    TaskEntered,
)
from projections.obeyed import Obeyed, Place
from projections.travel.cell_notes import CellNotes, gap_note, verdict_note
from scheduler.model.changes import (
    Change,
    HealingChanged,
    HostHealthChanged,
    HostMaintenanceChanged,
    OrphanGone,
    OrphanSeen,
    TimeGapped,
)
from scheduler.model.events import CellRecord, Copied, RoundRecord
from scheduler.model.health import HostJudged
from scheduler.model.ids import HostId, JobId
from scheduler.model.inbound import HostNoiseMeasured, HostOrdered, OffersChanged
from scheduler.model.mesos import HostFacts, HostFailed
from scheduler.model.reading.bad_bytes import BAD_BYTES


class Note(msgspec.Struct, frozen=True, gc=False):
    """One row: where it stands, what it is about, and the note itself as JSON."""

    offset: int
    index: int
    at_ms: int
    """By the fold's clock."""
    kind: str
    job_id: str
    task_id: str
    host_id: str
    body: bytes

    @property
    def place(self) -> Place:
        """Where and when it stands."""
        return Place(self.offset, self.index, self.at_ms)


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[HistoryNote]] = msgspec.json.Decoder(HistoryNote)


class NoteUnreadable(ValueError):
    """A row of the table of notes that this build cannot read; says why."""


def decoded_note(note: Note) -> HistoryNote:
    """What the row says; raises `NoteUnreadable`."""
    try:
        return _DECODER.decode(note.body)
    except BAD_BYTES as error:
        raise NoteUnreadable(
            f"the note at offset {note.offset}[{note.index}] does not fit its schema: {error}; "
            "it is of another release: let it be written anew from the log"
        ) from error


class Noted:
    """A view that folds the log, and the rows that each record adds."""

    def __init__(self, view: CellView | None = None) -> None:
        self.view = view or CellView()
        self._rows: list[Note] = []
        self._hosts: dict[HostId, HostFacts] = dict(self.view.state.hosts)
        self._cell_notes = CellNotes(self.view.state)
        self.view.timeline.histories.on_note = self._note
        self.view.listeners.append(self._obeyed)

    def take(self, offset: int, record: CellRecord) -> list[Note]:
        """Fold one record; the rows that it adds, in order."""
        return self.fold(offset, record)[1]

    def fold(self, offset: int, record: CellRecord) -> tuple[list[tuple[int, Change]], list[Note]]:
        """Fold one record; the changes that it made, and the rows that it adds, in order."""
        changes = self.view.apply(offset, record)
        rows = self._taken()
        for _, change in changes:
            if isinstance(change, TimeGapped):
                self._note(Place(offset, 0, self.view.state.clock.now_ms), gap_note(change))
        return list(changes), [*self._taken(), *rows]

    def pass_over(self, offset: int) -> None:
        """Leave one record out."""
        self.view.machine.pass_over(offset)

    def _taken(self) -> list[Note]:
        rows, self._rows = self._rows, []
        return rows

    def _note(self, place: Place, note: HistoryNote) -> None:
        kind, job_id, task_id, host_id = JOB, "", "", ""
        match note:
            case JobBegan() | JobKept() | JobRefused():
                job_id = note.job_id
            case JobEntered():
                job_id = note.job_id
            case TaskEntered():
                kind, job_id, task_id = TASK, note.job_id, note.task_id
                host_id = note.entry.host_id or ""
                note = msgspec.structs.replace(note, entry=_lean(note.entry, note.job_id))
            case RoundNoted():
                kind = ROUND
            case OrphanNoted():
                kind, task_id, host_id = ORPHAN, note.task_id, note.host_id or ""
            case HostEntered():
                kind, host_id = HOST, note.host_id
            case CellEntered():
                kind = CELL
            case _:
                kind, job_id, task_id = TASK, note.job_id, note.task_id
        body = _ENCODER.encode(note)
        row = Note(place.offset, place.index, place.at_ms, kind, job_id, task_id, host_id, body)
        self._rows.append(row)

    def _obeyed(self, obeyed: Obeyed) -> None:
        """What is of the cell or of a host, and so stands in no history of a job or task."""
        place = obeyed.place
        for entered in self._cell_notes.of(obeyed):
            self._note(place, entered)
        for change in obeyed.changes:
            if isinstance(change, OrphanSeen):
                self._note(place, OrphanNoted(change.task_id, change.host_id, True, change.state))
            elif isinstance(change, OrphanGone):
                self._note(place, OrphanNoted(change.task_id, None, False, change.why))
            elif isinstance(change, HostHealthChanged | HealingChanged):
                self._note(place, _health_note(change, obeyed.event))
            elif isinstance(change, HostMaintenanceChanged):
                what = f"maintenance: {change.standing}"
                source = str(obeyed.event.source) if isinstance(obeyed.event, Copied) else ""
                self._note(place, HostEntered(change.host_id, what, change.why, "", source))
        event = obeyed.event
        if isinstance(event, RoundRecord):
            last = self.view.timeline.last_round
            assert last is not None
            # What it said of jobs stands in the notes of each job.
            self._note(
                place,
                RoundNoted(msgspec.structs.replace(last, refusals=(), placements=(), troughs=None)),
            )
        elif isinstance(event, Copied):
            self._copied(place, event)

    def _copied(self, place: Place, event: Copied) -> None:
        body, source = event.body, str(event.source)
        match body:
            case HostOrdered():
                text = f"{body.standing}: {body.why}"
                note = HostEntered(body.host_id, "ordered", text, body.actor, source)
                self._note(place, note)
            case HostNoiseMeasured():
                text = f"noise {body.noise_milli} of 1000"
                note = HostEntered(body.host_id, "noise measured", text, body.actor, source)
                self._note(place, note)
            case HostJudged():
                found = verdict_note(self.view.state, body, place.at_ms, source)
                if found is not None:
                    self._note(place, found)
            case HostFailed() if body.host_id and not body.executor_id:
                note = HostEntered(body.host_id, "removed by Mesos", "", "", source)
                self._note(place, note)
            case OffersChanged():
                for offer in body.added:
                    facts = offer.facts
                    if facts is None or self._hosts.get(offer.host_id) == facts:
                        continue
                    what = "facts changed" if offer.host_id in self._hosts else "offered first"
                    self._hosts[offer.host_id] = facts
                    note = HostEntered(offer.host_id, what, _facts_text(facts), "", source)
                    self._note(place, note)
            case _:
                pass


def _health_note(change: HostHealthChanged | HealingChanged, event: object) -> HostEntered:
    """What became of the host's health, or what a runbook did about it."""
    source = str(event.source) if isinstance(event, Copied) else ""
    if isinstance(change, HostHealthChanged):
        what = f"health: {change.standing}"
        return HostEntered(change.host_id, what, change.why, change.actor, source)
    text = f"{change.runbook} ({change.run_id}): "
    if change.step:
        text += f"{change.step} {change.outcome}. {change.detail}".rstrip(" .")
    else:
        text += f"{change.state}{f': {change.why}' if change.why else ''}"
    return HostEntered(change.host_id, "healing", text, change.actor, source)


def _facts_text(facts: HostFacts) -> str:
    attributes = ", ".join(f"{name}={value}" for name, value in facts.attributes)
    return f"{facts.hostname}{f' ({attributes})' if attributes else ''}"


def _lean(entry: Entry, job_id: JobId) -> Entry:
    """The entry, with what its round said of other jobs left out: they have notes of their own."""
    fact = entry.fact
    if not isinstance(fact, LaunchFacts) or fact.round is None:
        return entry
    round_ = msgspec.structs.replace(
        fact.round,
        refusals=tuple(each for each in fact.round.refusals if each.job_id == job_id),
        placements=tuple(each for each in fact.round.placements if each.job_id == job_id),
        troughs=None,
    )
    return msgspec.structs.replace(entry, fact=msgspec.structs.replace(fact, round=round_))
