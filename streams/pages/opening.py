"""A process's desk for pages, by its settings, from its start to its end.

The one thing to know: without FLUMINA_PAGE_URL pages are sent to nobody; they are log lines,
metrics, and notes in the store for the console, and nothing else differs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from connectors.pager.client import Webhook
from streams.logs import page_by
from streams.pages.desk import Desk
from streams.pages.metrics import PageMetrics
from streams.pages.notes import NotesUncounted, NoteWriter
from streams.pages.sources import LogPages
from streams.settings import Settings
from streams.store import store_of

logger = structlog.get_logger(__name__)

NOTES_CLOSE_S: Final = 2.0
"""A store that does not answer must not hold up a process that ends."""


@contextmanager
def paging(settings: Settings, process: str, metrics: PageMetrics) -> Iterator[Desk]:
    """The desk of this process, to which its log lines with ``page`` go as well."""
    url = settings.page_url
    webhook = Webhook(url, settings.page_secret or "") if url else None
    store = store_of(settings) if url else None
    desk = Desk(settings.cell, webhook, store, metrics)
    notes = Desk(settings.cell, NoteWriter(settings), None, NotesUncounted())
    page_by(LogPages((desk, notes), settings.cell, process))
    try:
        yield desk
    finally:
        page_by(None)
        desk.close()
        notes.close(NOTES_CLOSE_S)
