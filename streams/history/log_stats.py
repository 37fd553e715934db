"""What a cell's log is made of, and what each kind of event costs to fold.

The one thing to know: time is measured, so two runs differ; counts and bytes do not. The time of
an event is that of its own application, with all that follows from it; decoding, the chain and
the record's own overhead are told apart from it.
"""

from collections.abc import Iterable
from time import perf_counter_ns
from typing import Final

import msgspec

from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.events import CellEvent, CellRecord, Copied
from streams.cell.follower import LogRecord

_ENCODER: Final = msgspec.json.Encoder()


class KindStats(msgspec.Struct, rename="camel"):
    """All events of one kind: how many, their bytes in the log, and the time to apply them."""

    kind: str
    events: int = 0
    bytes_total: int = 0
    apply_ns: int = 0

    @property
    def microseconds(self) -> float:
        """The mean time of one event, in microseconds."""
        return self.apply_ns / self.events / 1_000 if self.events else 0.0


class LogStats(msgspec.Struct, rename="camel"):
    """A log's statistics: what is in it, and what folding it takes."""

    records: int = 0
    events: int = 0
    bytes_total: int = 0
    decode_ns: int = 0
    apply_ns: int = 0
    """Of whole records; the kinds' times are parts of it."""
    kinds: dict[str, KindStats] = msgspec.field(default_factory=dict)

    @property
    def events_per_s(self) -> float:
        """Events decoded and applied in one second of this run."""
        total_ns = self.decode_ns + self.apply_ns
        return self.events * 1e9 / total_ns if total_ns else 0.0


class MeasuringMachine(Machine):
    """A machine that takes the time of each event it applies."""

    def __init__(self) -> None:
        super().__init__()
        self.stats = LogStats()

    def _apply_event(self, event: CellEvent) -> None:
        began_ns = perf_counter_ns()
        super()._apply_event(event)
        self.stats.kinds[kind_of(event)].apply_ns += perf_counter_ns() - began_ns


def kind_of(event: CellEvent) -> str:
    """The event's name; of a copy, with what it is a copy of."""
    name = type(event).__name__
    return f"{name} {type(event.body).__name__}" if isinstance(event, Copied) else name


def measured(records: Iterable[LogRecord]) -> LogStats:
    """Statistics of a log that begins with its record 0.

    Raises what the codec and the fold raise; the machine is the product's own.
    """
    machine = MeasuringMachine()
    for record in records:
        fold_measured(machine, record)
    return machine.stats


def fold_measured(machine: MeasuringMachine, record: LogRecord) -> None:
    """Decode and apply one record, and count it."""
    stats = machine.stats
    began_ns = perf_counter_ns()
    decoded = decode_record(record.value)
    decoded_ns = perf_counter_ns()
    _count(decoded, stats)
    counted_ns = perf_counter_ns()
    machine.apply(record.offset, decoded)
    stats.decode_ns += decoded_ns - began_ns
    stats.apply_ns += perf_counter_ns() - counted_ns
    stats.records += 1
    stats.bytes_total += len(record.value)


def _count(record: CellRecord, stats: LogStats) -> None:
    for event in record.events:
        kind = kind_of(event)
        found = stats.kinds.get(kind)
        if found is None:
            found = stats.kinds[kind] = KindStats(kind)
        found.events += 1
        found.bytes_total += len(_ENCODER.encode(event))
        stats.events += 1
