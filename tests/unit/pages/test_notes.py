"""What processes page of themselves: noted in the store they share, and read by who shows it."""

from pathlib import Path

import pytest
import structlog
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from connectors.objects.directory import DirectoryStore
from connectors.pager.client import PageFailed
from connectors.pager.translate import Page
from projections.alerts.measures import OfProcess
from streams.clock import now_ms
from streams.logs import configure_logging
from streams.pages.metrics import PageMetrics
from streams.pages.notes import LATELY_MS, NOTES_MAX, NoteReader, NoteWriter
from streams.pages.opening import paging
from streams.settings import Settings, settings_of

NOW = 1_700_000_000_000
BAD = "a snapshot cannot be used; the one before it is tried"
PAGE = Page(
    id="main|1|19675", what=BAD, why="0001: cut", cell="main", process="cell-0", at_ms=NOW - 5_000
)
FOLDER = "page-notes/main/"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of({"FLUMINA_STORE": (tmp_path / "store").as_uri()})


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def read(store: DirectoryStore, at_ms: int = NOW) -> OfProcess:
    return NoteReader(store, "main").read(at_ms)


def counts(found: OfProcess) -> dict[tuple[str, str], int]:
    """By what and process."""
    return {
        (dict(labels)["about"], dict(labels)["process"]): count
        for labels, count in found.values["process_pages"].items()
    }


def keys(store: DirectoryStore) -> list[str]:
    return [each.key for each in store.facts(FOLDER)]


def test_a_line_that_pages_is_noted_though_pages_are_sent_nowhere(
    settings: Settings, store: DirectoryStore
) -> None:
    try:
        configure_logging("history")
        with paging(settings, "history", PageMetrics(CollectorRegistry())):
            structlog.get_logger().warning("a line", why="nobody is paged")
            structlog.get_logger().critical("archive-behind", page=True, why="the disk is full")
    finally:
        structlog.reset_defaults()
    found = read(store, now_ms())
    assert counts(found) == {("archive-behind", "history"): 1}
    assert list(found.notes.values()) == ["the disk is full"]


def test_pages_of_one_thing_are_one_series_with_every_reason(
    settings: Settings, store: DirectoryStore
) -> None:
    writer = NoteWriter(settings)
    for number in range(1, 5):
        page = replace(PAGE, id=f"{number}", why=f"000{number}: cut", at_ms=NOW + number)
        writer.send(page, NOW)
        writer.send(page, NOW)  # As a process does that was killed behind the first.
    writer.send(replace(PAGE, process="api"), NOW)
    writer.send(replace(PAGE, cell="west"), NOW)
    found = read(store)
    assert counts(found) == {(BAD, "cell-0"): 4, (BAD, "api"): 1}
    assert "0004: cut; 0003: cut; 0002: cut; 0001: cut" in found.notes.values()


def test_after_a_quarter_of_an_hour_they_are_gone_and_so_is_what_a_wrong_clock_wrote(
    settings: Settings, store: DirectoryStore
) -> None:
    writer = NoteWriter(settings)
    for page_id, at_ms in (("old", NOW - LATELY_MS - 1), ("next year", NOW + 10**10), ("now", NOW)):
        writer.send(replace(PAGE, id=page_id, at_ms=at_ms), NOW)
    assert len(keys(store)) == 3
    assert counts(read(store)) == {(BAD, "cell-0"): 1}
    assert len(keys(store)) == 1


def test_of_very_many_the_newest_are_kept(settings: Settings, store: DirectoryStore) -> None:
    writer = NoteWriter(settings)
    for number in range(NOTES_MAX + 7):
        writer.send(replace(PAGE, id=f"{number}", at_ms=NOW - number), NOW)
    assert counts(read(store)) == {(BAD, "cell-0"): NOTES_MAX}
    assert len(keys(store)) == NOTES_MAX
    assert min(keys(store)) > f"{FOLDER}{NOW - NOTES_MAX:015d}"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"what":1}', b"[" * 5_000])
def test_a_note_that_cannot_be_read_hides_no_other(
    settings: Settings, store: DirectoryStore, data: bytes
) -> None:
    NoteWriter(settings).send(PAGE, NOW)
    store.put_new(f"{FOLDER}{NOW:015d}-0", data)
    reader = NoteReader(store, "main")
    assert counts(reader.read(NOW)) == counts(reader.read(NOW)) == {(BAD, "cell-0"): 1}


def test_a_text_from_outside_moves_nothing_beside_it(
    settings: Settings, store: DirectoryStore
) -> None:
    NoteWriter(settings).send(replace(PAGE, why="a\x1b[2Jb"), NOW)
    assert list(read(store).notes.values()) == ["a\N{REPLACEMENT CHARACTER}[2Jb"]


def test_a_store_that_does_not_take_it_is_said(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "store").write_text("a file where a folder should be")
    with pytest.raises(PageFailed, match="store"):
        NoteWriter(settings).send(PAGE, NOW)
