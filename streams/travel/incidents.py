"""Incidents: a stretch of the log gathered, chains of tasks, the page and the slice to take away.

The one thing to know: what leaves here is masked (`projections.masking`), whoever asks for it. The
stretch that was gathered last is kept, for the pages of its sections are asked for one by one.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, assert_never

import msgspec

from projections.incident.gathering import Gathering
from projections.incident.page import PageFacts, incident_page
from projections.incident.shapes import TITLES, Chain, Incident, Section
from projections.masking import Masker
from projections.travel.questions import (
    ChainOf,
    Forensic,
    IncidentOf,
    IncidentPageOf,
    SliceOf,
)
from scheduler.machine import Machine
from scheduler.model.address import parse_address
from scheduler.model.events import CellRecord
from scheduler.state import State
from streams.errors import OperatorError
from streams.travel.bundling import Bundling
from streams.travel.errors import TravelError
from streams.travel.machine import SkippedLater

if TYPE_CHECKING:  # Which makes one of these.
    from streams.travel.answering import Answering

TRIES_MAX: Final = 100
"""A fold that meets a record which an operator left out begins anew, once for each of them."""
CHAIN_LINES_MAX: Final = 200
CHAIN_LOOKED_AT_MAX: Final = 5_000
PAGE_LINES_MAX: Final = 500
"""Lines of one section in a file; more are counted in it."""
PAGE_TASKS_MAX: Final = 20
SLICE_RECORDS_MAX: Final = 200_000
"""Of a slice that is made while somebody waits; `flumina bundle` takes any."""
SLICE_BYTES_MAX: Final = 64 * 1024 * 1024

Masked = TypeVar("Masked", bound=msgspec.Struct)


class IncidentPage(msgspec.Struct, frozen=True):
    """An incident as a file."""

    name: str
    html: str


class IncidentSlice(msgspec.Struct, frozen=True):
    """A bundle as a file."""

    name: str
    data: bytes


class Incidents:
    """Answers about incidents of one log."""

    def __init__(
        self, answering: "Answering", masker: Masker | None = None, build: str = ""
    ) -> None:
        self._answering = answering
        self._machine = answering.machine
        self._traveller = answering.traveller
        self._masker = masker or Masker()
        self._build = build
        self._kept: tuple[tuple[int, int], Gathering] | None = None

    async def answer(self, question: Forensic, newest: State, halt: str = "") -> msgspec.Struct:
        """The answer; ``newest`` is the newest state, which knows the notes.

        ``halt``: why the stretch ends before it was asked to, at a record that stops the fold.
        """
        match question:
            case IncidentOf():
                return await self._incident(question, newest, halt)
            case ChainOf():
                return self._masked(await self.chain(question))
            case IncidentPageOf():
                return await self._page(question, newest, halt)
            case SliceOf():
                return await self._slice(question)
            case _:
                assert_never(question)

    async def _incident(self, question: IncidentOf, newest: State, halt: str) -> Incident | Section:
        gathering = await self._gathered(question.first, question.second)
        if not question.section:
            found = gathering.incident(newest, question.limit, question.alerts)
            return self._masked(msgspec.structs.replace(found, halt=halt))
        for name in TITLES:
            if name == question.section:
                return self._masked(gathering.section(name, question.limit, question.skip))
        raise TravelError(
            "unclear",
            f"An incident has no section {question.section!r}.",
            f"Its sections are {', '.join(TITLES)}.",
        )

    async def ends(self, first: str, second: str) -> tuple[int, int]:
        """Where the stretch begins and ends in the log; raises `TravelError` for none."""
        begin = await self._traveller.begin_of(first)
        end = await self._traveller.end_of(second)
        if end < begin:
            raise TravelError("unclear", "The range ends before it begins.", "Swap the instants.")
        if end == begin:
            raise TravelError(
                "unclear",
                "No record of the log is in that range.",
                "Nothing happened then: name a longer one.",
            )
        return begin, end

    async def _gathered(self, first: str, second: str) -> Gathering:
        begin, end = await self.ends(first, second)
        if self._kept is not None and self._kept[0] == (begin, end):
            return self._kept[1]
        for _ in range(TRIES_MAX):
            try:
                gathering = await self._folded(begin, end)
            except SkippedLater:
                continue  # Which record is left out is known now.
            self._kept = ((begin, end), gathering)
            return gathering
        raise TravelError("unavailable", "Too many records are left out.", "Ask for less.")

    async def _folded(self, begin: int, end: int) -> Gathering:
        before = await self._machine.machine_at(begin, is_proving=False)
        machine = Machine.restored(before.kept())
        machine.is_proving = False
        gathering = Gathering(machine.state)

        def apply(offset: int, record: CellRecord) -> None:
            gathering.take(offset, record, machine.apply(offset, record))

        await self._machine.fold(apply, machine.pass_over, begin, end)
        return gathering

    async def chain(self, question: ChainOf) -> Chain:
        """What happened to a task, and what led to the last of it."""
        name, first, second = question.name, question.first, question.second
        found = await self._traveller.timeline(name, first, second, CHAIN_LOOKED_AT_MAX)
        if found.kind != "task":
            text = f"{name!r} is the name of no task; it may be one of a {found.kind}."
            raise TravelError("unclear", text, "Name a task; `flumina tasks` lists them.")
        lines = found.lines
        if found.next_skip:
            skip = max(0, found.total - CHAIN_LINES_MAX)
            lines = (
                await self._traveller.timeline(name, first, second, CHAIN_LINES_MAX, skip)
            ).lines
        last = next((each for each in reversed(lines) if each.state), None)
        causes = None
        if last is not None:
            causes = await self._answering.tracer.trace(last.address, "causes")
        return Chain(name, lines[-CHAIN_LINES_MAX:], found.total, causes)

    async def _page(self, question: IncidentPageOf, newest: State, halt: str) -> IncidentPage:
        gathering = await self._gathered(question.first, question.second)
        found = gathering.incident(newest, PAGE_LINES_MAX, question.alerts)
        chains = [await self._chain_of(each, question) for each in self._tasks(question, found)]
        facts = PageFacts(build=self._build)
        masked = self._masked(msgspec.structs.replace(found, halt=halt))
        html = incident_page(masked, [self._masked(each) for each in chains], facts)
        return IncidentPage(_name_of(masked, "html"), html)

    async def _chain_of(self, name: str, question: IncidentPageOf) -> Chain:
        return await self.chain(ChainOf(name, "", question.second))

    @staticmethod
    def _tasks(question: IncidentPageOf, found: Incident) -> list[str]:
        """Tasks whose chains are told: those named, one of each way to fail, those of decisions."""
        named = dict.fromkeys(question.tasks)
        named.update(dict.fromkeys(each.example for each in found.movers.failures if each.example))
        for section in found.sections:
            if section.name in {"decisions", "endings"}:
                named.update(dict.fromkeys(line.task_id for line in section.lines if line.job_id))
        return [each for each in named if each][:PAGE_TASKS_MAX]

    async def _slice(self, question: SliceOf) -> IncidentSlice:
        begin, end = await self.ends(question.first, question.second)
        if end - begin > SLICE_RECORDS_MAX:
            raise TravelError(
                "unclear",
                f"The range has {end - begin} records; {SLICE_RECORDS_MAX} at most are packed.",
                "Use `flumina bundle`, which takes any range.",
            )
        with tempfile.TemporaryDirectory(prefix="flumina-slice-") as folder:
            path = Path(folder) / "slice.zip"
            bundling = Bundling(
                self._answering, None, is_masked=True, build=self._build, masker=self._masker
            )
            try:
                manifest = await bundling.write_stretch(path, begin, end)
            except OperatorError as error:
                raise TravelError("unavailable", f"{error}", "Ask again.") from error
            data = path.read_bytes()
        if len(data) > SLICE_BYTES_MAX:
            raise TravelError(
                "unclear",
                f"The slice has {len(data)} bytes, {SLICE_BYTES_MAX} at most are sent.",
                "Use `flumina bundle`, which takes any range.",
            )
        name = f"incident-{manifest.cell}-{manifest.first_offset}-{manifest.end_offset - 1}.zip"
        return IncidentSlice(name, data)

    def _masked(self, found: Masked) -> Masked:
        value = self._masker.value(msgspec.to_builtins(found))
        return msgspec.convert(value, type(found))


def _name_of(found: Incident, ending: str) -> str:
    first, last = (parse_address(each.address).offset for each in (found.first, found.last))
    return f"incident-{found.cell}-{first + 1}-{last}.{ending}"
