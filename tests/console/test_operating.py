"""Keys, actions, what is heard and seen by everybody, and texts that would like to be scripts."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from scheduler.model.task import Finished, Started
from tests.console.conftest import Watched, new_context
from tests.support.console_world import ACTOR, MARKUP, ConsoleWorld
from tests.support.world import World, service_of

pytestmark = [pytest.mark.integration, pytest.mark.browser]

VIEWS = (
    *("/", "/jobs", "/jobs/waits", "/tasks?state=Any", "/tasks/web-worker-0-1"),
    *("/query?mql=select+*+from+tasks&start=begin", "/query", "/services", "/safe", "/fleet"),
    *("/leaders", "/policy", "/alerts", "/jobs/nobody"),
)


def _records(world: World) -> int:
    world.read()
    return len(world.log)


def _is_shown(page: Page) -> None:
    expect(page.locator("main")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#standing")).to_contain_text("leader")


def test_axe_finds_no_serious_fault(here: ConsoleWorld, browser: Browser, watched: Watched) -> None:
    """Every view, in light and in dark: contrast, names, roles, order."""
    watched.refusals.add(404)
    watched.is_measured = True
    axe = Axe()
    found: list[str] = []
    for scheme in ("light", "dark"):
        page = new_context(browser, watched, scheme).new_page()
        page.goto(f"{here.url}/")
        # What is alike in both is looked at once.
        for view in VIEWS if scheme == "light" else VIEWS[4:6]:
            page.goto(f"{here.url}/#{view}")
            _is_shown(page)
            for fault in axe.run(page).response["violations"]:
                if fault["impact"] in {"serious", "critical"}:
                    places = [node["html"][:160] for node in fault["nodes"][:3]]
                    found.append(f"{scheme} {view}: {fault['id']}: {places}")
        page.context.close()
    assert found == []


def test_keys_go_everywhere_and_nowhere_while_somebody_types(
    here: ConsoleWorld, page: Page
) -> None:
    page.goto(f"{here.url}/")
    page.keyboard.press("?")  # A page that has just begun waits for no chord's second key.
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    _is_shown(page)
    title = page.locator("h1")
    for key, name in (("j", "Jobs"), ("t", "Tasks"), ("q", "Query"), ("o", "Overview")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(title).to_have_text(name)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("None of them does anything while you type")
    for key in ("g", "j"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(title).to_have_text("Overview")

    page.keyboard.press("/")
    field = page.locator("#query")
    expect(field).to_be_focused()
    before = page.url
    page.keyboard.type("gj ?lb[] ")
    expect(field).to_have_value("gj ?lb[] ")
    page.keyboard.press("ArrowLeft")
    assert page.url == before
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_service_is_scaled_and_a_refusal_is_told_in_a_sentence(
    here: ConsoleWorld, page: Page, watched: Watched
) -> None:
    watched.refusals.update({400, 409})
    here.do(lambda world: world.submit("small", service_of(1, "sleep 900")))
    here.do(lambda world: world.until(lambda: world.are("small", Started, 1), "it runs"))
    page.goto(f"{here.url}/#/jobs/small")
    page.get_by_role("button", name="Scale").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Desired").fill("200")
    dialog.get_by_label("Reason").fill("more of it")
    dialog.get_by_label("You are").fill(ACTOR)
    dialog.get_by_role("button", name="Scale").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Refused")
    dialog.get_by_label("Desired").fill("2")
    dialog.get_by_role("button", name="Scale").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("#said")).to_have_text("Scale: done.")
    here.do(lambda world: world.until(lambda: world.are("small", Started, 2), "two run"))
    expect(page.locator("main")).to_contain_text("2 started")

    page.get_by_role("button", name="End the job").click()
    expect(dialog.get_by_label("You are")).to_have_value(ACTOR)
    end = dialog.get_by_role("button", name="End the job")
    end.click()  # Without a reason nothing is sent.
    expect(dialog).to_have_count(1)
    dialog.get_by_label("Reason").fill("enough of it")
    end.click()
    expect(dialog).to_have_count(0)
    here.do(lambda world: world.until(lambda: world.are("small", Finished, 2), "it has ended"))
    expect(page.get_by_role("button", name="End the job")).to_have_count(0)
    line = page.locator("table[aria-label='What happened']")
    expect(line).to_contain_text(ACTOR)


def test_an_objective_is_told_as_the_api_has_it(here: ConsoleWorld, page: Page) -> None:
    page.goto(f"{here.url}/#/alerts")
    _is_shown(page)
    objectives = here.ask("GET", "/api/flumina/slo").json["items"]
    rows = page.get_by_role("table", name="Objectives").locator("tbody tr")
    expect(rows).to_contain_text([each["slo"] for each in objectives])
    rules = here.ask("GET", "/api/flumina/alerts/rules").json["rules"]
    expect(page.get_by_text(f"{len(rules)} rules")).to_be_visible()


def test_what_is_told_of_the_fold_is_what_the_broker_has(here: ConsoleWorld, page: Page) -> None:
    page.goto(f"{here.url}/#/leaders")
    _is_shown(page)
    before = here.do(_records)
    page.wait_for_function(
        "least => Number(document.querySelector('[data-standing=offset]')"
        ".textContent.replaceAll(',', '')) >= least",
        arg=before - 1,
    )
    shown = page.locator("[data-standing=offset]").inner_text()
    after = here.do(_records)
    assert before - 1 <= int(shown.replace(",", "")) < after
    expect(page.locator("[data-standing=lag]")).to_have_text(re.compile(r"^\d+ records?$"))
    expect(page.locator("[data-standing=age]")).to_have_text(re.compile(r"\d+ m?s"))


def test_texts_are_texts(here: ConsoleWorld, page: Page) -> None:
    """Attributes of a job, the output of a task: as they were written, and nothing runs."""
    page.goto(f"{here.url}/#/jobs/waits")
    expect(page.locator("main")).to_contain_text(f"note: {MARKUP}")
    page.goto(f"{here.url}/#/tasks/web-worker-0-1")
    expect(page.locator(".output")).to_contain_text(MARKUP)
    expect(page.locator("main img, main script")).to_have_count(0)
    assert page.evaluate("window.hurt") is None
    assert here.ask("GET", "/").headers["content-security-policy"].startswith("default-src 'self'")


def test_a_server_that_is_away_is_told_and_the_page_goes_on(here: ConsoleWorld, page: Page) -> None:
    page.goto(f"{here.url}/#/jobs")
    expect(page.locator("table[aria-label=Jobs]")).to_contain_text("web")
    here.kill_query()
    expect(page.locator("#standing")).to_contain_text("The API cannot be reached.")
    expect(page.locator(".banner")).to_contain_text("What you see may be old.")
    expect(page.locator("table[aria-label=Jobs]")).to_contain_text("web")
    here.start_query()
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator("#standing")).to_contain_text("live")
