"""The query bar and the live tail: completion, carets, pause, no gap however often it breaks."""

import json
from collections import Counter
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from projections.words import instant
from streams.health.records import HostLines, encode_lines
from tests.console.conftest import Watched
from tests.support.console_world import MARKUP, ConsoleWorld
from tests.support.world import World

pytestmark = [pytest.mark.integration, pytest.mark.browser]

QUERY = "select host, message from host-logs"


def _publish(world: World, value: bytes) -> None:
    world.publish("host-logs", "h1", value, partition=0)


def _write_lines(here: ConsoleWorld, first: int, count: int) -> None:
    """Lines of a host, each with its number, in records of one line."""
    for number in range(first, first + count):
        value = encode_lines(HostLines("h1", [f"line {number} {MARKUP}"]))
        here.do(partial(_publish, value=value))


def _tail(page: Page, here: ConsoleWorld, start: str = "live") -> None:
    page.goto(f"{here.url}/#/query?mql={QUERY.replace(' ', '+')}&start={start}")
    expect(page.locator("[data-tail=state]")).to_contain_text("live")


def _numbers(page: Page) -> list[int]:
    """The numbers of the lines that the page shows, from top to bottom."""
    cells = page.locator(".tail-rows tbody tr:not(.spacer) td:nth-child(2)").all_inner_texts()
    return [int(each.split()[1]) for each in cells]


def test_what_may_stand_there_is_offered_and_a_fault_has_its_place(
    here: ConsoleWorld, page: Page, watched: Watched
) -> None:
    watched.refusals.add(400)
    page.goto(f"{here.url}/#/query")
    bar = page.get_by_role("combobox", name="Query in MQL")
    bar.press_sequentially("select * from ta")
    options = page.locator("#query-options [role=option]")
    expect(options).to_have_count(1)
    expect(options.first).to_contain_text("tasks")
    bar.press("Tab")
    expect(bar).to_have_value("select * from tasks ")
    bar.press_sequentially("where rea")
    expect(options.first).to_contain_text("reason")
    bar.press("Tab")
    bar.press_sequentially("=== 'x'")
    bar.press("Enter")
    fault = page.get_by_role("alert")
    expect(fault).to_contain_text("Parse error at line: 1")
    text, caret = fault.locator("pre").inner_text().split("\n")
    assert text == "select * from tasks where reason === 'x'"
    assert caret.strip() == "^"
    assert text[caret.index("^") - 1] == "="
    bar.fill("select * from tasks where reason == 'normal'")
    bar.press("Enter")
    expect(page.locator("[data-tail=state]")).to_contain_text("live")
    expect(fault).to_have_count(0)


def test_a_query_is_saved_asked_and_removed(here: ConsoleWorld, page: Page) -> None:
    page.goto(f"{here.url}/#/query")
    page.get_by_role("combobox", name="Query in MQL").fill("select * from jobs")
    page.get_by_role("button", name="Save", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("all-jobs")
    dialog.get_by_label("You are").fill("ada@example.org")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    page.reload()
    page.get_by_role("button", name="all-jobs", exact=True).click()
    expect(page.locator("[data-tail=state]")).to_contain_text("live")
    assert "mql=select+*+from+jobs" in page.url
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Remove all-jobs").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="all-jobs", exact=True)).to_have_count(0)


def test_a_range_of_the_past_is_asked_and_ends(here: ConsoleWorld, page: Page) -> None:
    """At an instant the same query is of what was before it, as the topic has it."""
    here.do(lambda world: world.read())
    now_ms = here.do(lambda world: world.machine.state.clock.now_ms)
    text = instant(now_ms).removesuffix(" UTC").replace(" ", "T") + "Z"
    query = "select+task_id,state+from+tasks+where+job_id=='work'"
    page.goto(f"{here.url}/#/query?mql={query}&start=begin&at={text}")
    expect(page.locator("[data-tail=state]")).to_contain_text("ended")
    wanted = [
        (each["task_id"], each["state"])
        for each in (
            json.loads(value) for value in here.do(lambda world: world.all_of("job-events"))
        )
        if each.get("job_id") == "work" and "task_id" in each
    ]
    expect(page.locator("[data-tail=total]")).to_have_text(str(len(wanted)))
    cells = page.locator(".tail-rows tbody tr:not(.spacer)")
    shown = [tuple(row.locator("td").all_inner_texts()) for row in cells.all()]
    assert shown == wanted

    page.goto(
        f"{here.url}/#/query?start=begin&at={text}&mql=select+state,+count(*)+as+'n'+from+tasks"
        "+where+job_id=='work'+group+by+state+having+n+>+2+order+by+state"
    )
    counts = sorted(Counter(state for _, state in wanted).items())
    expect(page.locator("[data-tail=state]")).to_contain_text("ended")
    expect(cells).to_have_text([f"{state}{n}" for state, n in counts if n > 2])


def test_a_tail_pauses_without_loss_and_a_killed_server_makes_no_gap(
    here: ConsoleWorld, page: Page
) -> None:
    _tail(page, here)
    _write_lines(here, 0, 3)
    total = page.locator("[data-tail=total]")
    expect(total).to_have_text("3")
    assert _numbers(page) == [0, 1, 2]

    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Go on")).to_have_attribute("aria-pressed", "true")
    _write_lines(here, 3, 3)
    expect(page.locator("[data-tail=waiting]")).to_have_text("3")
    assert _numbers(page) == [0, 1, 2]
    page.keyboard.press("Space")
    expect(page.locator("[data-tail=waiting]")).to_have_count(0)
    assert _numbers(page) == [0, 1, 2, 3, 4, 5]

    here.kill_query()
    expect(page.locator("[data-tail=state]")).to_contain_text("reconnecting")
    expect(page.locator("#standing")).to_contain_text("reconnecting")
    _write_lines(here, 6, 3)
    here.start_query()
    expect(page.locator("[data-tail=state]")).to_contain_text("live")
    _write_lines(here, 9, 1)
    expect(total).to_have_text("10")
    assert _numbers(page) == list(range(10))

    page.locator(".tail-rows tbody tr").nth(4).click()
    expect(page.locator("section .json")).to_contain_text("line 4")
    assert "select=host-logs" in page.url
    expect(page.locator(".tail-rows img, .tail-rows script")).to_have_count(0)
    assert page.evaluate("window.hurt") is None
