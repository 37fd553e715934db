"""How processes of flumina log: one JSON line an event, to standard error.

The one thing to know: called once by a process's entry, never by a module. Field ``page`` marks
what an operator has to look at.
"""

import logging
import sys

import structlog


def configure_logging(process: str) -> None:
    """Log as JSON lines to standard error, with the process's name in each."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    structlog.contextvars.bind_contextvars(process=process)
