"""All that the query process keeps by name, put together: its paths, and the streams that run.

The one thing to know: without a stream that runs for ever nothing here is open, neither to Kafka
nor to whoever takes pages.
"""

import asyncio
import contextlib
from typing import Self

from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from connectors.cancelling import end_all
from connectors.web.kept.routes import kept_routes
from streams.clock import now_ms
from streams.pages.desk import Desk
from streams.pages.metrics import PageMetrics
from streams.pages.opening import paging
from streams.query.derived import DerivedStreams
from streams.query.derived_metrics import StreamMetrics
from streams.query.kept import DashboardFiles, KeptQueries
from streams.query.serving import Serving
from streams.settings import Settings


class Keeping:
    """A context: streams run inside it."""

    def __init__(self, settings: Settings, serving: Serving, registry: CollectorRegistry) -> None:
        self._settings, self._registry = settings, registry
        self.kept = KeptQueries(settings)
        self.routes: list[BaseRoute] = kept_routes(self.kept, DashboardFiles(settings), now_ms)
        self.streams = DerivedStreams(self.kept, serving, registry, settings.cell, self._desk_of)
        registry.register(StreamMetrics(self.streams))
        self._desk: Desk | None = None
        self._stack = contextlib.ExitStack()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.streams.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running is not None
        await end_all(self._running)
        await asyncio.to_thread(self._stack.close)

    def _desk_of(self) -> Desk:
        """Where pages go, opened by the first stream."""
        if self._desk is None:
            desk = paging(self._settings, "query", PageMetrics(self._registry))
            self._desk = self._stack.enter_context(desk)
        return self._desk
