"""Tracing beside an api process: opened where it is wanted, and closed with the process.

The one thing to know: where it is off, the application is left as it is.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from streams.api.followed_cell import FollowedCell
from streams.settings import Settings
from streams.tracing.metrics import SpanMetrics
from streams.tracing.opening import spans_of


class Wrapping(Protocol):
    """Puts something around an application."""

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The application with it."""
        ...


class AsItIs:
    """Puts nothing around it."""

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The very application."""
        return app


@contextmanager
def traced(
    settings: Settings, cell: FollowedCell, registry: CollectorRegistry
) -> Iterator[Wrapping]:
    """What wraps the application of this cell while the process runs."""
    spans = spans_of(settings.traces, "api", f"{socket.gethostname()}-{os.getpid()}")
    if spans is None:
        yield AsItIs()
        return
    registry.register(SpanMetrics(spans))
    try:
        yield cell.trace(spans, settings.traces or 0.0)
    finally:
        spans.close()
