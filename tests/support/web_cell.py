"""A cell in memory behind the REST API: publishing is a copy into its log.

What a leader would do is done at once, unless ``is_ingesting`` is False: then records wait in
their topic, as they do while nobody leads.
"""

from functools import cache
from typing import Any

from starlette.types import ASGIApp

from connectors.access.door import Door
from connectors.web.app import web_app
from connectors.web.cell import (
    FileName,
    LogUnavailable,
    NotWritten,
    Piece,
    Progress,
    Sandbox,
    Token,
    Topic,
)
from connectors.web.observing import ObserveLimits, Observing
from connectors.web.passing import Passing
from connectors.web.travelling import Travel
from projections.alerts.whole import Alerting
from projections.cell_view import CellView
from projections.rated import RatedDoor
from scheduler.model.codec import decode_record
from scheduler.model.foreign import decode_commands_record, decode_jobs_record
from scheduler.model.inbound import InboundBody
from streams.alerts.rule_file import rules_of
from streams.travel.answering import Answering
from tests.support.cell import CellInMemory, running_cell
from tests.support.log_in_memory import LogInMemory
from tests.support.travel_here import TravelHere

WAIT_S = 0.05
# Read once for all cells: a tenth of a second each time.
_delivered_rules = cache(lambda: rules_of(None))


class WebCell:
    """What the API asks of a cell, over a `CellInMemory`."""

    def __init__(
        self,
        cell: CellInMemory | None = None,
        travel: Travel | None = None,
        observe: ObserveLimits | None = None,
        door: Door | None = None,
    ) -> None:
        self.cell = cell or running_cell()
        self.partition = 0
        self.passing = Passing()
        self.is_ingesting = True
        self.halt = ""
        self.halted_at: tuple[int, str] | None = None
        self.lag_records = 0
        self.kafka_silent_ms: int | None = 0
        self.fault = ""
        """Why Kafka takes nothing; empty while it does."""
        self.silent_ms = 0
        """How long ago the last record was, by wall clock."""
        self.published: list[tuple[str, str, bytes]] = []
        self.waiting: list[tuple[Topic, InboundBody]] = []
        self._view = CellView()
        self.observing = Observing(observe)
        self.alerting = Alerting(_delivered_rules())
        self.files = FilesInMemory()
        travel = travel or TravelHere(Answering(LogInMemory(self.cell.log)))
        self.rated = RatedDoor()
        self.app: ASGIApp = web_app(
            self,
            self.files,
            wait_s=WAIT_S,
            travel=travel,
            observing=self.observing,
            alerting=self.alerting,
            door=door,
            rated=self.rated,
        )

    @property
    def view(self) -> CellView:
        """The api's own fold of the same log."""
        for offset in range(self._view.next_offset, len(self.cell.log)):
            record = decode_record(self.cell.log[offset])
            changes = self._view.apply(offset, record)
            self.alerting.fold(self._view.state, offset, record, changes)
            self.observing.folded(self._view, offset, record, changes, lambda: self.lag_records)
            marks = self._view.state.watermarks
            inbound = {lane: mark.offset for lane, mark in marks.items()}
            self.passing.folded(("cell", 0), offset, inbound)
        return self._view

    def progress(self) -> Progress:
        return Progress(self.halt, self.halted_at, self.lag_records, self.kafka_silent_ms)

    def now_ms(self) -> int:
        return self.cell.state.clock.now_ms + self.silent_ms

    async def publish(self, topic: Topic, key: str, value: bytes) -> Token:
        if self.fault:
            raise NotWritten(self.fault)
        decode = decode_jobs_record if topic == "jobs" else decode_commands_record
        self.published.append((topic, key, value))
        self.waiting.append((topic, decode(key.encode(), value)))
        before = sum(name == topic for name, _ in self.waiting)
        offset = max(0, self.cell.inbound.get(topic, -1)) + before
        if self.is_ingesting:
            self.ingest()
        return Token(topic, 0, offset)

    def ingest(self) -> None:
        """Copy what waits into the cell log, as a leader does."""
        waiting, self.waiting = self.waiting, []
        for topic, body in waiting:
            self.cell.copy(topic, body)
        assert self.view.next_offset == len(self.cell.log)


class FilesInMemory:
    """Tasks' files, by task and name."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], bytes] = {}
        self.fault: LogUnavailable | None = None
        self.answer: Piece | None = None
        """What is answered whatever is asked for."""
        self.asked: list[Sandbox] = []

    async def read(
        self, sandbox: Sandbox, name: FileName, offset: int | None, length: int
    ) -> Piece:
        self.asked.append(sandbox)
        if self.fault is not None:
            raise self.fault
        if self.answer is not None:
            return self.answer
        data = self.files.get((sandbox.task_id, name))
        if data is None:
            raise LogUnavailable("missing", "it was not written yet")
        begin = max(0, len(data) - length) if offset is None else offset
        return Piece(data[begin : begin + length], begin, len(data))

    async def offset_at(self, sandbox: Sandbox, name: FileName, at_ms: int) -> int:
        self.asked.append(sandbox)
        return min(at_ms, len(self.files.get((sandbox.task_id, name), b"")))


def descriptor(**changes: Any) -> dict[str, Any]:
    """A small batch job; ``changes`` replace whole fields, None takes one away."""
    made: dict[str, Any] = {
        "owner": {"teamEmail": "ada@example.org"},
        "applicationName": "app",
        "container": {
            "resources": {"cpu": 0.5, "memoryMB": 256, "diskMB": 10},
            "command": ["true"],
        },
        "batch": {"size": 1},
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def service_descriptor(desired: int = 1, maximum: int = 100) -> dict[str, Any]:
    """A small service."""
    capacity = {"min": 0, "desired": desired, "max": maximum}
    return descriptor(batch=None, service={"capacity": capacity})
