"""Dashboards in a real Chromium over the running world: every delivered one is drawn.

How: each panel of each delivered file must have been drawn or say that it has nothing yet; a panel
that was refused, or that this console cannot draw, fails.
"""

import pytest
from playwright.sync_api import Page, expect

from tests.support.console_world import ConsoleWorld

# Ten dashboards with live queries each take minutes where other tests run beside them.
pytestmark = [pytest.mark.integration, pytest.mark.soak]


def test_every_delivered_dashboard_is_drawn(here: ConsoleWorld, page: Page) -> None:
    refused: list[str] = []
    page.on("response", lambda each: refused.append(each.url) if each.status >= 400 else None)
    page.goto(f"{here.url}/#/dashboards")
    cards = page.locator(".cards a")
    page.locator("main[data-view=dashboards][aria-busy=false]").wait_for()
    assert refused == []
    links = [each.get_attribute("href") or "" for each in cards.all()]
    assert len(links) >= 10
    drawn = 0
    for link in links:
        page.goto(f"{here.url}/{link}")
        page.locator("main[data-view=dashboard][aria-busy=false]").wait_for()
        if page.locator("form.bar-of-tools").count():
            expect(page.locator("main")).to_contain_text("It is about a ")
            continue
        panels = page.locator(".panel")
        expect(panels.first).to_be_visible()
        expect(page.locator(".panel .loading")).to_have_count(0)
        assert page.locator(".panel .failed").all_inner_texts() == [], link
        expect(page.locator("main")).not_to_contain_text("cannot draw")
        drawn += panels.count()
    assert (drawn > 20, refused) == (True, [])


def test_a_dashboard_that_asks_for_a_job_gets_it_from_the_address(
    here: ConsoleWorld, page: Page
) -> None:
    page.goto(f"{here.url}/#/dashboards/job")
    page.get_by_role("button", name="Show").wait_for()
    page.locator("input[name=job]").fill("web")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".panel").first).to_be_visible()
    assert "job=web" in page.url
