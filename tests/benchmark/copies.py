"""Makes a large cell's log out of a small recorded one: the same work again and again.

The one thing to know: every event of a copy is a recorded event in its recorded record, with the
names that belong to this copy. Jobs, tasks, hosts, offers, proposals and places in inbound topics
are renamed so that each copy is work of its own; time goes on from copy to copy. A copy begins
with one record more: the offers of its own hosts, as the recorded cell held them. Marks and their
checkpoints stand where a leader would have put them. Nothing is left out or merged.
"""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import msgspec

from scheduler.machine import Machine
from scheduler.model.address import Source
from scheduler.model.changes import TaskChanged
from scheduler.model.codec import RECORD_VERSION, decode_record, encode_record
from scheduler.model.events import CellEvent, CellRecord, Checkpoint, Copied, Mark
from scheduler.model.ids import TaskId, job_id_of
from scheduler.model.inbound import OffersChanged
from scheduler.model.mesos import Offer
from scheduler.state import State
from tests.benchmark.recording import Recording

_COPY = "<<copy>>"
_SLOT = re.compile(rb'"<<(?P<number>\w+)>>"|<<(?P<inside>r\d+)>>|<<(?P<text>copy)>>')
"""A number instead of a whole JSON string; a number or a text inside of one."""
_PROPOSAL = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True)
class CopiedLog:
    """A log of many copies."""

    log: list[bytes]
    copies: int
    events: int
    changes_of_copy: Counter[str]
    """What the fold reports of each copy."""

    @property
    def bytes_total(self) -> int:
        """The length of all records."""
        return sum(map(len, self.log))


def copied_log(recording: Recording, copies: int) -> CopiedLog:
    """The recorded cell's log with its work done ``copies`` times; raises where a copy differs.

    It is folded once while it is made: a checkpoint holds the digest of a fold, and what the fold
    reports of one copy must be what it reports of every other.
    """
    writer = _Writer(recording)
    first: Counter[str] = Counter()
    for number in range(copies):
        writer.changes.clear()
        writer.copy(number)
        first = first or writer.changes.copy()
        assert writer.changes == first, f"copy {number}: {writer.changes}, the first: {first}"
    return CopiedLog(writer.log, copies, writer.events, first)


@dataclass(frozen=True)
class _Step:
    """A copied event of a record: which inbound topic it moves, and how far."""

    topic: str
    offsets: int
    run: int
    """How far the first of a run of offers lies before the last."""


@dataclass(frozen=True)
class _Template:
    """A recorded record as bytes with slots."""

    text: bytes
    after_ms: int
    steps: tuple[_Step, ...]


class _Slots(dict[bytes, object]):
    """The values of one record; ``rN`` is where recorded record N stands in this copy."""

    moved_by = 0

    def __missing__(self, key: bytes) -> int:
        return int(key.removeprefix(b"r")) + self.moved_by


@dataclass
class _Writer:
    """Writes copy after copy, and folds each as it is written."""

    recording: Recording
    log: list[bytes] = field(default_factory=list)
    machine: Machine = field(default_factory=Machine)
    changes: Counter[str] = field(default_factory=Counter)
    events: int = 0

    def __post_init__(self) -> None:
        begins = self.recording.begins
        for data in self.recording.log[:begins]:
            self._append(data)
        state = self.machine.state
        self._now_ms = state.clock.now_ms
        self._marked_offset = 0
        self._lanes = {topic: mark.offset for (topic, _), mark in state.watermarks.items()}
        records = [decode_record(data) for data in self.recording.log[begins:]]
        records.insert(0, _offers_record(state, records[0]))
        names = _names(self.recording)
        began_ms = records[0].at_ms
        self._templates = [_template(each, names, began_ms) for each in records]
        self._duration_ms = records[-1].at_ms - began_ms

    def copy(self, number: int) -> None:
        """Write one copy of the recorded work."""
        values = _Slots({b"copy": b".%d" % number})
        values.moved_by = len(self.log) + 1 - self.recording.begins
        for template in self._templates:
            values[b"at"] = self._now_ms + template.after_ms
            values[b"seen"] = self.machine.state.placement_inputs
            values[b"mesos"] = self._lanes["mesos"]
            for index, step in enumerate(template.steps):
                before = self._lanes[step.topic]
                self._lanes[step.topic] = before + step.offsets
                values[b"p%d" % index] = before
                values[b"o%d" % index] = before + step.offsets
                values[b"f%d" % index] = before + step.offsets - step.run
            self._append(template.text % values)
        self._now_ms += self._duration_ms
        if len(self.log) - self._marked_offset >= self.machine.state.policy.mark_records:
            self._mark()

    def _mark(self) -> None:
        offset = self._marked_offset = len(self.log)
        self._append(self._record(Mark()))
        digest = self.machine.marks[offset]
        self._append(self._record(Checkpoint(offset, self.machine.digest.version, digest)))

    def _record(self, event: CellEvent) -> bytes:
        epoch = self.machine.state.epoch
        return encode_record(CellRecord(RECORD_VERSION, epoch, self._now_ms, (event,)))

    def _append(self, data: bytes) -> None:
        record = decode_record(data)
        for _, change in self.machine.apply(len(self.log), record):
            what = change.step if isinstance(change, TaskChanged) else type(change).__name__
            self.changes[what] += 1
        self.log.append(data)
        self.events += len(record.events)


def _offers_record(state: State, following: CellRecord) -> CellRecord:
    """The offers that the cell holds at rest, as one record of their own."""
    assert state.stream.stream_id is not None, "the recording begins on an open stream"
    assert state.offers, "the recording begins with offers held"
    offers = tuple(
        Offer(each.offer_id, each.host_id, each.resources, state.hosts[each.host_id])
        for each in state.offers.values()
    )
    mark = state.watermarks["mesos", 0]
    source = Source("mesos", mark.generation, 0, mark.offset + 1, mark.offset)
    body = OffersChanged(state.stream.stream_id, mark.offset + 1, offers)
    return CellRecord(RECORD_VERSION, state.epoch, following.at_ms, (Copied(source, body),))


def _names(recording: Recording) -> set[str]:
    """The ids of everything that the recorded cell had: jobs, tasks, hosts, offers."""
    machine = Machine()
    names: set[str] = set()
    for offset, data in enumerate(recording.log):
        machine.apply(offset, decode_record(data))
        names.update(machine.state.offers)
    state = machine.state
    return names.union(state.jobs, state.tasks, state.hosts)


def _template(record: CellRecord, names: Collection[str], began_ms: int) -> _Template:
    raw = msgspec.to_builtins(record)
    raw["at_ms"] = "<<at>>"
    steps: list[_Step] = []
    for index, event in enumerate(raw["events"]):
        if "proposal_id" in event:
            event["proposal_id"] = _PROPOSAL.sub(r"<<r\1>>.\2", event["proposal_id"])
        if "published_offset" in event:
            event["published_offset"] = f"<<r{event['published_offset']}>>"
        if event["type"] == "RoundRecord":
            event["inputs_seen"], event["mesos_offset"] = "<<seen>>", "<<mesos>>"
        if event["type"] == "Copied":
            while len(steps) < index:
                steps.append(_Step("jobs", 0, 0))  # Keeps the numbers those of the events.
            steps.append(_step(event, index))
    text = msgspec.json.encode(_renamed(raw, names)).replace(b"%", b"%%")
    return _Template(_SLOT.sub(_slot, text), record.at_ms - began_ms, tuple(steps))


def _step(event: dict[str, Any], index: int) -> _Step:
    """How the copied event moves its topic; its own offsets become slots."""
    topic, _, _, offset, previous_offset = event["source"]
    event["source"][3:] = [f"<<o{index}>>", f"<<p{index}>>"]
    run = 0
    if "first_offset" in event["body"]:
        run = offset - event["body"]["first_offset"]
        event["body"]["first_offset"] = f"<<f{index}>>"
    return _Step(topic, offset - previous_offset, run)


def _slot(found: re.Match[bytes]) -> bytes:
    if found["text"]:
        return b"%(copy)b"
    return b"%%(%b)d" % (found["number"] or found["inside"])


def _renamed(value: Any, names: Collection[str]) -> Any:
    """The value with the copy's number behind every name in it."""
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_renamed(each, names) for each in value]
    if not isinstance(value, str) or value not in names:
        return value
    job_id = job_id_of(TaskId(value))
    return value + _COPY if job_id is None else job_id + _COPY + value.removeprefix(job_id)
