"""Where pages come from: changes that the fold reports, and log lines with ``page``.

The one thing to know: the fold's pages are taken by the api process alone, for every process that
folds would find the same; a process's own log lines are taken where they are written. A page's id
says what it is about, so that the same halt of two folds is one page.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from hashlib import sha256
from typing import Any, Final

import structlog

from connectors.pager.translate import Page
from scheduler.model.address import Address
from scheduler.model.changes import CellPaged, Change
from scheduler.model.events import CellRecord
from scheduler.state import State
from streams.clock import now_ms
from streams.pages.desk import Desk

logger = structlog.get_logger(__name__)

AGE_MS_MAX: Final = 86_400_000
"""What was paged longer ago is history: a fold from the beginning pages nobody for last year."""
DAY_MS: Final = 86_400_000


def pages_of(
    state: State, offset: int, record: CellRecord, changes: list[tuple[int, Change]]
) -> list[Page]:
    """The pages among a record's changes."""
    return [
        _page(state, offset, index, change, record.at_ms)
        for index, change in changes
        if isinstance(change, CellPaged)
    ]


def _page(state: State, offset: int, index: int, change: CellPaged, at_ms: int) -> Page:
    address = str(Address(state.cell, state.generation, offset, index))
    about = f"{change.kind}|{change.key}|{change.tasks_total}" if change.kind else address
    return Page(
        id=f"{state.cell_uuid}|{about}|{at_ms // DAY_MS}",
        what=change.what,
        why=change.why,
        kind=change.kind or "",
        cell=state.cell,
        process="fold",
        address=address,
        at_ms=at_ms,
        tasks=change.tasks,
        tasks_total=change.tasks_total,
    )


def put_changes(
    desk: Desk, state: State, offset: int, record: CellRecord, changes: list[tuple[int, Change]]
) -> None:
    """Page what the fold has just reported, if it is not history."""
    if record.at_ms < now_ms() - AGE_MS_MAX:
        return
    for page in pages_of(state, offset, record, changes):
        logger.critical("cell paged", paged=True, what=page.what, why=page.why, at=page.address)
        desk.put(page)


class LogPages:
    """A step of structlog that hands lines with ``page=True`` to desks; it changes nothing."""

    def __init__(self, desks: Iterable[Desk], cell: str, process: str) -> None:
        self._desks, self._cell, self._process = tuple(desks), cell, process

    def __call__(
        self, _: object, __: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Take the line's page, if it has one."""
        if line.get("page"):
            page = self._page(line)
            for each in self._desks:
                each.put(page)
        return line

    def _page(self, line: Mapping[str, Any]) -> Page:
        what, error = str(line.get("event", "")), line.get("exc_info")
        why = str(line.get("why") or (repr(error) if isinstance(error, Exception) else ""))
        if not why:
            shown = {name: value for name, value in sorted(line.items()) if name not in _OURS}
            why = ", ".join(f"{name} {value}" for name, value in shown.items())
        at_ms = now_ms()
        # A worker with several cells says of each line which cell it is about.
        cell = str(line.get("cell") or self._cell)
        # The same thing seen by two processes is one page; seen again another day it is another.
        about = sha256(f"{what}|{why}".encode()).hexdigest()
        return Page(
            id=f"{cell}|{about}|{at_ms // DAY_MS}",
            what=what,
            why=why,
            kind="process",
            cell=cell,
            process=self._process,
            at_ms=at_ms,
        )


_OURS: Final = frozenset(("event", "page", "exc_info", "level", "timestamp", "process", "cell"))
