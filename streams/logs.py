"""How processes of flumina log: one JSON line an event, to standard error.

The one thing to know: called once by a process's entry, never by a module. Field ``page`` marks
what an operator has to look at. Lines of libraries have the same form, and what stands under or
behind a secret's name is masked in all of them (docs/logs.md).
"""

import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final, NamedTuple

import structlog

from projections.masking import Masker

FORMAT: Final = "FLUMINA_LOG_FORMAT"
CONSOLE: Final = "console"
Line = MutableMapping[str, Any]


class Place(NamedTuple):
    """How far the fold of a cell is in this process."""

    epoch: int
    offset: int


_pagers: list[structlog.types.Processor] = []
"""What takes lines with ``page``; at most one."""
_places: dict[str, Callable[[], Place]] = {}
"""Who knows how far this process has folded a cell, by the cell's name."""


def page_by(pager: structlog.types.Processor | None) -> None:
    """Hand every line to this from now on, before it is written; None: to nobody."""
    _pagers[:] = [] if pager is None else [pager]


def place_by(cell: str, place: Callable[[], Place]) -> None:
    """Have lines about this cell say from now on in which epoch and at which offset they were."""
    _places[cell] = place


def _to_pager(wrapped: object, method: str, line: Line) -> Line:
    for pager in _pagers:
        pager(wrapped, method, line)
    return line


def _placed(_: object, __: str, line: Line) -> Line:
    """The line with epoch and offset, where it is about a cell that is folded here."""
    known = _places.get(str(line.get("cell", "")))
    if known is not None:
        for name, value in known()._asdict().items():
            line.setdefault(name, value)
    return line


def configure_logging(process: str) -> None:
    """Log to standard error with the process's name in each line, as `FLUMINA_LOG_FORMAT` says."""
    masker = Masker()

    def masked(_: object, __: str, line: Line) -> Line:
        found: Line = masker.value(line)
        return found

    def named(_: object, __: str, line: Line) -> Line:
        line.setdefault("process", process)  # Threads and libraries have no context of ours.
        return line

    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        named,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _placed,
    ]
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer()
    if os.environ.get(FORMAT) == CONSOLE:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    last: list[structlog.types.Processor] = [
        structlog.processors.format_exc_info,
        masked,
        renderer,
    ]
    _configure_libraries(shared, last)
    structlog.configure(
        processors=[*shared, _to_pager, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    structlog.contextvars.bind_contextvars(process=process)


def _configure_libraries(
    shared: list[structlog.types.Processor], last: list[structlog.types.Processor]
) -> None:
    """Give lines of libraries, which use `logging`, the same form; only warnings and worse."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
