"""The metrics of a process's pages: their names and labels, all of them here.

The one thing to know: a page that is not `sent` is still in the process's log, as a line with
``page`` or ``paged``.
"""

from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

OUTCOMES: Final = ("sent", "repeated", "failed", "dropped", "nowhere")
"""Taken by the webhook; known already; given up; no room; no webhook is set."""


class PageMetrics:
    """What becomes of pages."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.pages = Counter(
            "flumina_pages",
            "Pages of this process, by what became of them.",
            ("outcome",),
            registry=registry,
        )
        self.waiting = Gauge(
            "flumina_pages_waiting", "Pages that are to be sent.", registry=registry
        )
        for outcome in OUTCOMES:
            self.pages.labels(outcome)

    def counted(self, outcome: str) -> None:
        """Count one more page of which this became."""
        self.pages.labels(outcome).inc()

    def wait(self, count: int) -> None:
        """So many pages are to be sent."""
        self.waiting.set(count)
