"""What processes of a cell have paged of themselves lately, in the store that they share.

The one thing to know: a process' own page (a snapshot that it could not use, an archive that is
behind) follows from nothing in the cell log, so nobody who folds it would know. Each process
leaves a note here, and the api process shows all of them among its alerts for a while.
"""

from hashlib import sha256
from typing import Final

import msgspec
import structlog

from connectors.pager.client import PageFailed
from connectors.pager.translate import Page, shown_text
from connectors.ports import NoSuchObject, ObjectExists, ObjectStore, StoreFailed
from projections.alerts.measures import Labels, OfProcess, Series
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.settings import Settings
from streams.store import store_of

logger = structlog.get_logger(__name__)

LATELY_MS: Final = 15 * 60_000
"""As long as a page of the fold is shown (`projections.alerts.watch`)."""
NOTES_MAX: Final = 200
"""So many are read at most, the newest; what is older or more is deleted by whoever reads."""
MEASURE: Final = "process_pages"
TEXT_MAX: Final = 2_000
"""Of all the reasons of one series together: half a screen."""


class PageNote(msgspec.Struct, frozen=True):
    """One page of one process."""

    what: str
    why: str
    process: str
    at_ms: int


_DECODER: Final = msgspec.json.Decoder(PageNote)


class NoteWriter:
    """Where a `Desk` sends pages so that they lie in the store; calls block, in its thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, page: Page, at_ms: int) -> None:  # noqa: ARG002 - a desk says when it is
        """Leave a note of the page; raises `PageFailed` where the store does not take it."""
        note = PageNote(shown_text(page.what), shown_text(page.why), page.process, page.at_ms)
        name = sha256(f"{page.id}|{page.process}".encode()).hexdigest()[:16]
        try:
            # Opened when the first page comes: a client of S3 is 60 MB that few processes need.
            store = store_of(self._settings)
            store.put_new(
                f"{_folder(page.cell)}{page.at_ms:015d}-{name}", msgspec.json.encode(note)
            )
        except ObjectExists:
            return
        except StoreFailed as failure:
            raise PageFailed(str(failure)) from failure


class NotesUncounted:
    """What becomes of notes is counted nowhere: what becomes of the pages themselves is."""

    def counted(self, outcome: str) -> None:
        """Nothing."""

    def wait(self, count: int) -> None:
        """Nothing."""


class NoteReader:
    """The notes of one cell, for the process that shows them; calls block, for a thread."""

    def __init__(self, store: ObjectStore, cell: str) -> None:
        self._store, self._folder = store, _folder(cell)
        self._known: dict[str, PageNote | None] = {}
        """By key; None for one that cannot be read."""

    def read(self, now_ms: int) -> OfProcess:
        """How often each process has paged what, lately, and why; raises `StoreFailed`."""
        first = f"{self._folder}{max(0, now_ms - LATELY_MS):015d}"
        last = f"{self._folder}{now_ms + LATELY_MS:015d}"
        keys = sorted(each.key for each in self._store.facts(self._folder))
        # What a wrong clock wrote for next year would else stand before all others until then.
        kept = [each for each in keys if first <= each <= last][-NOTES_MAX:]
        for key in set(keys) - set(kept):
            self._store.delete(key)
        known = self._known
        self._known = {key: known[key] if key in known else self._note(key) for key in kept}
        return _measured([each for each in self._known.values() if each is not None])

    def _note(self, key: str) -> PageNote | None:
        try:
            return _DECODER.decode(self._store.get(key))
        except NoSuchObject:
            return None  # Another api process has deleted it since the listing.
        except BAD_BYTES as error:
            logger.warning("a note of a page cannot be read", key=key, why=str(error))
            return None


def _measured(notes: list[PageNote]) -> OfProcess:
    counts: Series = {}
    texts: dict[Labels, str] = {}
    for each in notes:
        labels = (("about", each.what[:TEXT_MAX]), ("process", each.process))
        counts[labels] = counts.get(labels, 0) + 1
        # The newest first: of very many the end is cut off.
        texts[labels] = "; ".join(filter(None, (each.why, texts.get(labels))))[:TEXT_MAX]
    return OfProcess({MEASURE: counts}, {(MEASURE, each): text for each, text in texts.items()})


def _folder(cell: str) -> str:
    return f"page-notes/{cell}/"
