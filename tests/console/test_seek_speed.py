"""A seek to any instant of a day of a million events: from the key to the view that shows it.

The day lies in a store of files as history writes it, and the page asks the delivered API; the time
machine answers in this process. It is a soak: the day takes minutes to make, and figures of a busy
machine say nothing. ``FLUMINA_DAY`` names a folder that keeps the day for the next run.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from connectors.archive.archive import Archive
from connectors.objects.directory import DirectoryStore
from streams.history.archived_log import ArchivedLog
from streams.travel.opening import answering_of
from tests.support.cell import GENERATION
from tests.support.console_here import console_of
from tests.support.long_day import CELL, Day, made_day
from tests.support.travel_here import TravelHere
from tests.support.web_cell import WebCell

pytestmark = [pytest.mark.browser, pytest.mark.soak]

EVENTS = 1_000_000
INSTANTS = 80
"""As `tests.benchmark.travel` has it, so that both use one day."""
SEEKS = 12
SEEK_MS_MAX = 1_000
CALM_MS = 60_000
VIEWS = ("/", "/jobs", "/tasks?state=Any", "/hosts", "/waiting")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Day]:
    """The day, and where it lies."""
    kept = os.environ.get("FLUMINA_DAY")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("day")
    folder.mkdir(parents=True, exist_ok=True)
    return folder, made_day(folder, EVENTS, INSTANTS)


@pytest.fixture(scope="module")
def console(day: tuple[Path, Day]) -> Iterator[str]:
    """The console over an API whose past is that day."""
    archive = Archive(DirectoryStore(day[0]))
    log = ArchivedLog(archive, CELL, GENERATION)
    web = WebCell(travel=TravelHere(asyncio.run(answering_of(log, archive, CELL))))
    with console_of(web) as url:
        yield url


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_an_instant_within_a_second(
    console: str, browser: Browser, day: tuple[Path, Day], view: str
) -> None:
    page = browser.new_page(viewport={"width": 1360, "height": 860})
    page.set_default_timeout(CALM_MS)
    places = random.Random(view).sample(range(1_000, day[1].records), SEEKS + 1)
    page.goto(f"{console}/#{view}{'&' if '?' in view else '?'}at={places[0]}")
    _settled(page, places[0])
    took_ms = []
    for place in places[1:]:
        began = time.monotonic()
        field = page.locator("#time .instant input")
        field.fill(str(place))
        field.press("Enter")
        _settled(page, place)
        took_ms.append(round(1_000 * (time.monotonic() - began)))
    print(f"{view}: ms from the key to the view, sorted:", sorted(took_ms))
    page.close()
    assert sorted(took_ms)[-2] < SEEK_MS_MAX


def _settled(page: Page, place: int) -> None:
    """Wait until the view shows the state at this record, and nothing is under way."""
    expect(page.locator("#time .message")).to_contain_text(f"after record {place}")
    expect(page.locator("main")).to_have_attribute("aria-busy", "false")
