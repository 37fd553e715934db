"""One running world for all tests of the console, and a Chromium that looks at it.

The one thing to know: the world is real: a Kafka, a dev cluster, a cell, its api, a query process.
Every page watches itself: a request to another origin, or an error of a script, fails its test.
"""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from streams.supervise.ports import free_block
from tests.support.console_world import ConsoleWorld

CALM_S = 60.0
"""A deadline for everything that a page waits for; it is far more than is needed."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; the test is skipped where there is none."""
    found = shutil.which(os.environ.get("FLUMINA_CHROMIUM", "chromium"))
    if found is None:
        pytest.skip("no Chromium here: install Debian's chromium or name one in FLUMINA_CHROMIUM")
    return found


@pytest.fixture(scope="package")
def here(
    chromium: str, kafka: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ConsoleWorld]:
    """The world, with some jobs and their history."""
    del chromium  # Nothing is started for tests that cannot run.
    world = ConsoleWorld(kafka, tmp_path_factory.mktemp("console"), free_block(5))
    try:
        world.start()
        yield world
    finally:
        world.close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A Chromium for the tests of a file.

    It ends with them: as long as it is there this thread has a running loop, and tests elsewhere
    that begin one of their own would fail.
    """
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        expect.set_options(timeout=CALM_S * 1_000)
        running = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield running
        running.close()


class Watched:
    """What a page did that it should not have."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.faults: list[str] = []
        self.refusals: set[int] = set()
        """Statuses of answers that a test provokes; the browser notes each in its console."""
        self.is_measured = False
        """Whether axe works in the page: it tries styles of its own, which the policy forbids."""

    def watch(self, context: BrowserContext) -> None:
        """Look at all that its pages ask for and say."""
        context.on("request", lambda request: self._asked(request.url))
        context.on("console", self._said)
        context.on("weberror", lambda error: self.faults.append(f"a script failed: {error.error}"))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"data", "blob"}:
            return
        if f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.faults.append(f"asked another origin: {url}")

    def _said(self, message: ConsoleMessage) -> None:
        text = message.text
        if message.type != "error":
            return
        # The browser's own note of a status, and of a server that a test has ended.
        if "net::ERR_" in text or any(f"status of {each}" in text for each in self.refusals):
            return
        if self.is_measured and "inline style" in text:
            return
        self.faults.append(f"the browser noted: {text}")


@pytest.fixture
def watched(here: ConsoleWorld) -> Iterator[Watched]:
    """Fails the test for what its pages should not have done."""
    found = Watched(here.url)
    yield found
    assert found.faults == []


@pytest.fixture
def context(browser: Browser, watched: Watched) -> Iterator[BrowserContext]:
    """A browser of its own, as another person would have it."""
    made = new_context(browser, watched)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of that browser."""
    return context.new_page()


def new_context(browser: Browser, watched: Watched, scheme: str = "light") -> BrowserContext:
    """A browser with nothing kept, which is watched."""
    made = browser.new_context(
        viewport={"width": 1360, "height": 860},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    made.set_default_timeout(CALM_S * 1_000)
    watched.watch(made)
    return made
