"""How processes of flumina log: one JSON line an event, to standard error.

The one thing to know: called once by a process's entry, never by a module. Field ``page`` marks
what an operator has to look at.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_pagers: list[structlog.types.Processor] = []
"""What takes lines with ``page``; at most one."""


def page_by(pager: structlog.types.Processor | None) -> None:
    """Hand every line to this from now on, before it is written; None: to nobody."""
    _pagers[:] = [] if pager is None else [pager]


def _to_pager(
    wrapped: object, method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for pager in _pagers:
        pager(wrapped, method, line)
    return line


def configure_logging(process: str) -> None:
    """Log as JSON lines to standard error, with the process's name in each."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _to_pager,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    structlog.contextvars.bind_contextvars(process=process)
