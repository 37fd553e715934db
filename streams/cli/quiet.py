"""Keeps libraries from talking over a command's own sentences.

The one thing to know: processes that run for long log JSON lines (`streams.logs`); a command says
what it has to say itself, once.
"""

import logging
import sys

import structlog


def speak_by_errors() -> None:
    """Let a command's own sentences speak: libraries say nothing, our warnings go to stderr."""
    logging.getLogger().addHandler(logging.NullHandler())
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
