"""The console's maps, timelines, waits, marks and lines in a real Chromium.

How: the delivered files and API over a cell in memory; what a page shows is held against the log
itself, counted a second time. Nothing here needs a Kafka.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from projections.simulate.recorded import RecordedDay
from projections.why import Why, why
from scheduler.machine import Machine
from scheduler.model.changes import TaskChanged
from scheduler.model.codec import decode_record
from tests.support.console_here import console_of
from tests.support.glance_world import MARKUP, Facts, glance_world, rfc3339
from tests.support.web_cell import WebCell

pytestmark = pytest.mark.integration

HOSTS = 300
HOSTS_MANY = 10_000
CALM_MS = 60_000
VIEWS = ("/hosts", "/hosts/S11", "/waiting", "/waits", "/diff", "/lines")
CHARTS = ("/hosts", "/waits", "/lines")


@dataclass(frozen=True)
class Here:
    """A console, what stands behind it, and what happened there."""

    url: str
    web: WebCell
    facts: Facts


@pytest.fixture(scope="module")
def small() -> Iterator[Here]:
    """Some hundred hosts, and a day."""
    web, facts = glance_world(HOSTS)
    with console_of(web) as url:
        yield Here(url, web, facts)


@pytest.fixture(scope="module")
def large() -> Iterator[Here]:
    """Ten thousand hosts."""
    web, facts = glance_world(HOSTS_MANY)
    with console_of(web) as url:
        yield Here(url, web, facts)


class Sight:
    """A page that is looked at, and what it should not have done."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        self.faults: list[str] = []
        page.set_default_timeout(CALM_MS)
        page.on("request", lambda request: self._asked(request.url))
        page.on("pageerror", lambda error: self.faults.append(f"a script failed: {error}"))
        page.on(
            "console",
            lambda said: self.faults.append(said.text) if said.type == "error" else None,
        )

    def _asked(self, url: str) -> None:
        if not url.startswith((self._url, "data:", "blob:")):
            self.faults.append(f"asked another origin: {url}")

    def open(self, path: str) -> Page:
        """Open a view, and wait until it shows its data."""
        self.page.goto(f"{self._url}/#{path}")
        self.settled()
        return self.page

    def settled(self) -> None:
        """Wait until the view shows what the address says."""
        self.page.locator("main[aria-busy=false]").wait_for()

    def at(self) -> str:
        """The instant in the address."""
        found = re.search(r"[?&]at=([^&]+)", self.page.url)
        return found[1].replace("%3A", ":") if found else ""


@pytest.fixture
def sight(browser: Browser, small: Here) -> Iterator[Sight]:
    """A page of the small cell's console; it fails its test for what it should not do."""
    yield from _sight(browser, small)


@pytest.fixture
def wide(browser: Browser, large: Here) -> Iterator[Sight]:
    """A page of the large cell's console."""
    yield from _sight(browser, large)


def _sight(browser: Browser, here: Here) -> Iterator[Sight]:
    context = browser.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
    sight = Sight(context.new_page(), here.url)
    yield sight
    was_run = sight.page.evaluate("window.wasRun")
    context.close()
    assert (sight.faults, was_run) == ([], None)


def _texts(found: Locator) -> list[str]:
    return [each.strip() for each in found.all_inner_texts()]


def _get(here: Here, path: str) -> Any:
    with urlopen(f"{here.url}{path}", timeout=60) as answer:  # noqa: S310 - our own loopback
        return json.load(answer)


# 7. The map.


def test_ten_thousand_hosts_are_squares_with_shapes_and_a_table(wide: Sight, large: Here) -> None:
    page = wide.open(f"/hosts?{large.facts.range}")
    heatmap = page.locator(".heatmap")
    expect(heatmap).to_have_attribute("data-squares", str(HOSTS_MANY))
    expect(page.locator("main")).to_contain_text(f"{HOSTS_MANY:,}")
    page.get_by_role("searchbox", name="Find").fill(_name(large, f"S{HOSTS_MANY - 1}"))
    expect(page.locator(".bar-of-tools [role=status]")).to_have_text("1 host found")
    page.goto(f"{page.url}&host=S11")
    readout = page.locator(".readout")
    expect(readout).to_contain_text("away")
    expect(readout).to_contain_text("anomaly score 0.99")
    page.locator(".heatmap canvas").focus()
    page.keyboard.press("Enter")
    wide.settled()
    assert "/hosts/S11" in page.url


def _name(here: Here, host_id: str) -> str:
    return next(
        facts.hostname for each, facts in here.web.view.state.hosts.items() if each == host_id
    )


@pytest.mark.soak
def test_ten_thousand_hosts_are_painted_within_100_ms(wide: Sight) -> None:
    """As the reference promises; the quickest of some, for other programs run here too."""
    page = wide.open("/hosts")
    heatmap = page.locator(".heatmap")
    spent = []
    for colour in ("score", "memory", "cpu", "score", "cpu"):
        page.locator("select[name=colour]").select_option(colour)
        spent.append(float(heatmap.get_attribute("data-paint-ms") or "inf"))
    assert min(spent) < 100, spent


def test_the_map_and_its_table_say_what_the_log_says(sight: Sight, small: Here) -> None:
    page = sight.open(f"/hosts?{small.facts.range}")
    page.get_by_role("button", name="Show the numbers: Hosts").click()
    page.get_by_role("searchbox", name="Find").fill(_name(small, small.facts.drained_host))
    answer = _get(small, f"/api/flumina/glance/hosts?at={rfc3339(small.facts.now_ms)}")
    link = page.get_by_role("link", name=_name(small, small.facts.drained_host), exact=True)
    row = page.locator("tr", has=link)
    expect(row).to_contain_text("draining")
    page.get_by_role("searchbox", name="Find").fill("")
    shown = page.locator(".under tbody tr:not(.spacer)")
    first = answer["name"][0]
    expect(shown.first).to_contain_text(first)
    expect(shown.first).to_contain_text(str(answer["tasks"][0]))


def test_a_host_tells_what_speaks_against_it_and_what_happened(sight: Sight, small: Here) -> None:
    page = sight.open(f"/hosts/S11?{small.facts.range}")
    evidence = page.get_by_role("region", name="Evidence")
    expect(evidence).to_contain_text("sick, score 0.99")
    expect(evidence).to_contain_text(MARKUP)  # As text: see `Sight`, nothing of it ran.
    timeline = _get(small, "/api/flumina/timeline/S11")
    shown = page.locator(".events tr[data-address]")
    expect(shown).to_have_count(len(timeline["lines"]))
    assert page.locator("main img, main script").count() == 0


# 6. Timelines.


def test_each_state_event_of_a_task_is_shown_once_with_its_gaps(sight: Sight, small: Here) -> None:
    task_id = small.facts.ended_task
    page = sight.open(f"/tasks/{task_id}/timeline?{small.facts.range}")
    shown = page.locator(".events tr[data-state]").evaluate_all(
        "rows => rows.map((row) => row.dataset.address)"
    )
    told = [
        f"test/0a0b0c0d:{offset}[{index}]"
        for offset, index, change in small.web.cell.changes
        if isinstance(change, TaskChanged) and change.task_id == task_id
    ]
    assert shown == told
    gaps = page.locator("tr[data-gap]").evaluate_all("rows => rows.map((row) => row.dataset.gap)")
    assert gaps == ["queued", "offered", "launched", "starting", "running"]
    expect(page.locator("tr[data-gap=running]")).to_contain_text("20 s")
    page.locator(".events tr[data-state] button").last.click()
    whole = page.locator(".event-whole")
    offset = told[-1].partition(":")[2].partition("[")[0]
    expect(whole).to_contain_text(f"topic cell, partition 0, offset {offset}")
    event = json.loads(whole.locator("pre").inner_text())
    assert event["body"]["task_id"] == task_id


# 8. Why it waits.


def test_why_it_waits_is_what_the_decision_says(sight: Sight, small: Here) -> None:
    task_id = small.facts.waiting_task
    page = sight.open(f"/waiting?task={task_id}&{small.facts.range}")
    told = why(small.web.view, task_id)
    assert isinstance(told, Why)
    assert _texts(page.locator(".sentence")) == list(told.sentences)
    assert any("refused" in each for each in told.sentences)
    rows = page.locator("table[aria-label^=Chain] tbody tr")
    expect(rows).to_have_count(len(told.chain))
    for row, link in zip(rows.all(), told.chain, strict=True):
        expect(row).to_contain_text(link.text)
    waiting = _get(small, "/api/flumina/glance/waiting")
    expect(page.locator(".figures")).to_contain_text(str(waiting["tasks"]))


# 9. Waits and launches.


def test_waits_by_tier_are_the_quantiles_of_the_log(sight: Sight, small: Here) -> None:
    """Counted a second time, from the fold's changes and not from notes."""
    machine = Machine()
    day = RecordedDay(machine)
    for offset, data in enumerate(small.web.cell.log):
        record = decode_record(data)
        day.take(record, machine.apply(offset, record))
    waits: dict[str, list[int]] = {"Critical": [], "Flex": []}
    for life in day._lives.values():
        if life.launched_ms is not None:
            tier = "Critical" if life.job_id == "nightly" else "Flex"
            waits[tier].append(max(0, life.launched_ms - life.ready_ms))
    page = sight.open(f"/waits?{small.facts.range}")
    for tier, each in waits.items():
        ordered = sorted(each)
        assert len(ordered) >= 60
        wanted = {"median": 50, "p90": 90, "p99": 99}
        for name, per_cent in wanted.items():
            shown = page.locator(f'[data-quantile="{tier} {name}"]')
            expect(shown).to_have_attribute("data-ms", str(ordered[per_cent * len(ordered) // 100]))
        most = page.locator(f'[data-quantile="{tier} most"]')
        expect(most).to_have_attribute("data-ms", str(ordered[-1]))
    page.get_by_role("button", name="Show the numbers: Launches by tier").click()
    table = page.get_by_role("region", name="Launches by tier")
    launched = sum(int(each or 0) for each in _texts(table.locator("tbody td:nth-child(3)")))
    assert launched == len(waits["Flex"])


# 3. Differences.


def test_a_difference_names_what_changed_and_the_events_that_did_it(
    sight: Sight, small: Here
) -> None:
    facts = small.facts
    page = sight.open(f"/diff?first={rfc3339(facts.middle_ms)}&{facts.range}")
    found = _get(
        small,
        f"/api/flumina/diff?from={rfc3339(facts.middle_ms)}&to={rfc3339(facts.now_ms)}&limit=200",
    )
    rows = page.locator("tr[data-kind]")
    expect(rows).to_have_count(len(found["entities"]))
    shown = rows.evaluate_all(
        "rows => rows.map((r) => [r.dataset.kind, r.dataset.id, r.dataset.change])"
    )
    assert shown == [[each["kind"], each["id"], each["change"]] for each in found["entities"]]
    policy = page.locator("tr[data-kind=policy]")
    expect(policy).to_contain_text("active_jobs_max")
    expect(policy.locator("ins")).to_contain_text(["900"])
    expect(policy.locator("button")).to_have_count(1)  # The event that set it.
    job = page.locator("tr[data-kind=job][data-change=appeared]")
    expect(job).to_contain_text("too-large")
    job.locator("button").first.click()
    expect(page.locator(".event-whole")).to_contain_text('"too-large"')
    page.get_by_role("button", name=re.compile("^task:")).click()
    expect(page.locator("tr[data-kind]")).to_have_count(
        sum(each["kind"] == "task" for each in found["entities"])
    )


# 10. The lane.


def test_n_and_p_jump_from_mark_to_mark_and_not_while_somebody_types(
    sight: Sight, small: Here
) -> None:
    facts = small.facts
    begin, end = rfc3339(facts.began_ms), rfc3339(facts.now_ms)
    page = sight.open(f"/?at={begin}&from={begin}&to={end}")
    expect(page.locator(".marks .mark").first).to_be_visible()
    marks = _get(small, f"/api/flumina/glance/marks?from={begin}&to={end}")["marks"]
    later = [each for each in marks if each["atMs"] > facts.began_ms]
    for each in later[:3]:
        page.keyboard.press("n")
        expect(page.locator(".marks-line .text")).to_contain_text(each["text"][:30])
        assert sight.at() == rfc3339(each["atMs"])
    page.keyboard.press("p")
    assert sight.at() == rfc3339(later[1]["atMs"])
    page.get_by_label("Instant, such as").fill("n")
    page.get_by_label("Instant, such as").press("n")
    assert sight.at() == rfc3339(later[1]["atMs"])
    grades = page.locator(".marks .mark.grave path").get_attribute("d")
    assert grades != page.locator(".marks .mark.notable path").first.get_attribute("d")


# 11. Lines.


def test_lines_by_template_mark_what_is_new_and_a_drag_makes_the_range(
    sight: Sight, small: Here
) -> None:
    page = sight.open(f"/lines?{small.facts.range}")
    new = page.locator("tr[data-new=true]")
    expect(new).to_have_count(2)
    expect(new.first).to_contain_text("ERROR I/O error, dev sda, sector <*>")
    expect(page.locator("tr[data-new=false]")).to_have_count(4)
    new.nth(1).get_by_role("button").click()
    expect(page.locator("pre.json")).to_contain_text(f"␛[31m{MARKUP}")
    plot = page.locator(".plot .u-over")
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_function(
        f"!location.hash.includes('from={rfc3339(small.facts.began_ms)}'.replaceAll(':', '%3A'))"
    )
    span = page.evaluate(
        "(() => { const q = new URLSearchParams(location.hash.split('?')[1]);"
        " return Date.parse(q.get('to')) - Date.parse(q.get('from')); })()"
    )
    whole = small.facts.now_ms - small.facts.began_ms
    assert 0.4 * whole < span < 0.6 * whole


def test_a_chart_is_there_with_what_stands_below_it(browser: Browser, small: Here) -> None:
    """Else what stands below would move while somebody aims at it."""
    for sight in _sight(browser, small):
        sight.page.add_init_script(
            """new MutationObserver(() => {
              for (const plot of document.querySelectorAll(".plot")) {
                window.plotsSeen = (window.plotsSeen ?? 0) + 1;
                if (!plot.firstElementChild) window.plotsEmpty = (window.plotsEmpty ?? 0) + 1;
              }
            }).observe(document, { childList: true, subtree: true });"""
        )
        page = sight.open(f"/lines?{small.facts.range}")
        expect(page.locator(".plot .u-over")).to_be_visible()
        assert page.evaluate("window.plotsSeen") > 0
        assert page.evaluate("window.plotsEmpty ?? 0") == 0


# 2 and 16. The address, and people who do not see the drawing.


def test_a_second_browser_shows_the_same(browser: Browser, small: Here) -> None:
    told: list[dict[str, str]] = []
    for _ in range(2):
        for sight in _sight(browser, small):
            texts = {}
            for path in VIEWS:
                sight.page.goto("about:blank")  # As somebody opens a link, with nothing before it.
                page = sight.open(f"{path}?{small.facts.range}")
                texts[path] = page.locator("main").inner_text()
            told.append(texts)
    assert told[0] == told[1]
    assert "made a mistake" not in str(told)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_for_assistive_technology(
    browser: Browser, small: Here, scheme: str
) -> None:
    # Axe writes styles and asks for style sheets of its own, so this page is not watched.
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    sight = Sight(context.new_page(), small.url)
    faults = []
    # Words and roles are looked at once; colours of charts in both.
    views = VIEWS if scheme == "light" else CHARTS
    for path in (*views, f"/tasks/{small.facts.ended_task}/timeline"):
        page = sight.open(f"{path}?{small.facts.range}")
        found = Axe().run(page).response["violations"]
        faults += [
            (path, each["id"], [node["target"] for node in each["nodes"]][:3])
            for each in found
            if each["impact"] in {"serious", "critical"}
        ]
    context.close()
    assert faults == []


def test_vendored_files_have_their_licence() -> None:
    vendor = Path(__file__).parents[2] / "connectors/web/console/static/vendor"
    for folder in vendor.iterdir():
        assert "MIT License" in (folder / "LICENSE").read_text("utf-8"), folder
