"""The time bar: a page at T shows the state of T, and the address is all that it needs."""

import re
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, expect

from projections.words import instant
from scheduler.machine import Machine
from scheduler.model.task import titus_state
from tests.console.conftest import Watched, new_context
from tests.processes import wait_until
from tests.support.console_world import ConsoleWorld
from tests.support.world import World

pytestmark = [pytest.mark.integration, pytest.mark.browser]


def _then(world: World, offset: int) -> tuple[int, dict[str, str]]:
    """The log's clock after this record, and every task's state, folded from the log anew."""
    machine = Machine()
    for place, record in enumerate(world.records[: offset + 1]):
        machine.apply(place, record)
    tasks = machine.state.tasks.items()
    return machine.state.clock.now_ms, {name: titus_state(task.state) for name, task in tasks}


def _places(world: World) -> list[int]:
    """Records after which the tasks stood differently, each the last one of its millisecond."""
    found, seen = [], set()
    for offset in range(len(world.records) - 1):
        at_ms, tasks = _then(world, offset)
        if world.records[offset + 1].at_ms > at_ms and str(tasks) not in seen and tasks:
            seen.add(str(tasks))
            found.append(offset)
    return found


def _shown(page: Page) -> dict[str, str]:
    """The tasks that the page lists, and the state of each."""
    rows = page.locator("table[aria-label=Tasks] tbody tr").all()
    cells = [row.locator("td").all_inner_texts() for row in rows]
    return {each[0]: each[2].replace(" ", "") for each in cells}


def test_a_page_at_an_instant_shows_what_the_log_folds_to(here: ConsoleWorld, page: Page) -> None:
    places = here.do(_places)
    for offset in (places[0], places[len(places) // 2], places[-1]):
        at_ms, tasks = here.do(partial(_then, offset=offset))
        wanted = {name: state.lower() for name, state in tasks.items()}
        at = instant(at_ms).removesuffix(" UTC").replace(" ", "T") + "Z"
        for written in (str(offset), at):
            page.goto(f"{here.url}/#/tasks?at={written}&state=Any")
            expect(page.locator("#time .message")).to_contain_text("ago")
            wait_until(
                lambda wanted=wanted: _shown(page) == wanted,  # type: ignore[misc]
                f"the page at {written} shows {wanted}",
            )


def test_a_reload_and_another_browser_show_the_same(
    here: ConsoleWorld, page: Page, browser: Browser, watched: Watched
) -> None:
    offset = here.do(_places)[-1]
    other = new_context(browser, watched).new_page()
    for view in ("/", "/jobs?search=w&sort=-job", "/jobs/web?ended=yes", "/policy?search=job"):
        mark = "&" if "?" in view else "?"
        url = (
            f"{here.url}/#{view}{mark}at={offset}&from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z"
        )
        found = []
        page.goto(url)
        for each in (page, page, other):
            if each is other:
                other.goto(url)
            else:
                each.reload()
            expect(each.locator("main")).to_have_attribute("aria-busy", "false")
            expect(each.locator("#time .instant input")).to_have_value(re.compile(r"^\d{4}-"))
            hand = each.locator(".track .hand").get_attribute("style")
            found.append(each.locator("main").inner_html() + str(hand))
        assert found[0] == found[1] == found[2], view
    other.context.close()


def test_the_bar_is_dragged_stepped_typed_and_left(here: ConsoleWorld, page: Page) -> None:
    places = here.do(_places)
    page.goto(f"{here.url}/#/?at={places[0]}")
    record = page.locator("dd", has_text="of generation")
    expect(record).to_contain_text(f"{places[0]} of")
    page.keyboard.press("ArrowRight")
    expect(record).to_contain_text(f"{places[0] + 1} of")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(record).to_contain_text(f"{places[0] - 1} of")

    page.keyboard.press("l")
    live = page.get_by_role("button", name="Live")
    expect(live).to_have_attribute("aria-pressed", "true")
    box = page.locator(".track").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 5, steps=3)
    page.mouse.up()
    expect(live).to_have_attribute("aria-pressed", "false")
    assert "at=" in page.url

    field = page.locator("#time .instant input")
    field.fill("yesterday")
    field.press("Enter")
    expect(page.locator("#time .message")).to_contain_text("yesterday is no instant")
    field.fill(str(places[-1]))
    field.press("Enter")
    expect(record).to_contain_text(f"{places[-1]} of")
    field.fill("live")
    field.press("Enter")
    expect(live).to_have_attribute("aria-pressed", "true")


def test_time_is_played_on_until_now_and_back(here: ConsoleWorld, page: Page) -> None:
    places = here.do(_places)
    page.goto(f"{here.url}/#/?at={places[0]}")
    record = page.locator("dd", has_text="of generation")
    expect(record).to_contain_text(f"{places[0]} of")
    page.get_by_label("Speed").select_option("1000")
    page.get_by_role("button", name="Play (space)").click()
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")

    page.goto(f"{here.url}/#/?at={places[-1]}")
    expect(record).to_contain_text(f"{places[-1]} of")
    page.get_by_label("Speed").select_option("10")
    before = page.url
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Play backwards (b)")).to_have_attribute(
        "aria-pressed", "true"
    )
    page.wait_for_function("before => location.href !== before", arg=before)
    page.keyboard.press("b")
    page.wait_for_function(
        "at => Date.parse(new URLSearchParams(location.hash.split('?')[1]).get('at')) < at",
        arg=here.do(lambda world: _then(world, places[-1]))[0],
    )
