"""Forty questions that the engine of Mantis answered, asked in the page.

Its events lie in a topic that nobody else of this world writes to; the answers were recorded from
that engine (`tests/unit/query/engine_answers.jsonl`), not from ours.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Page, expect

from projections.query.engine import Running
from projections.query.parser import parse
from projections.words import instant
from streams.clock import now_ms
from tests.console.conftest import Watched
from tests.support.console_world import ConsoleWorld
from tests.support.world import World

pytestmark = [pytest.mark.integration, pytest.mark.browser]

ANSWERS: Final = Path(__file__).parents[1] / "unit" / "query" / "engine_answers.jsonl"
FIRST, *CASES = [json.loads(line) for line in ANSWERS.read_text("utf-8").splitlines()]
CASES_ASKED: Final = 40
SOURCE: Final = "federation"
"""A topic whose records are events as they are; no process of this world writes to it."""


def _asked(case: dict[str, Any]) -> str | None:
    """The question of this topic; None where the page cannot show what the engine said.

    It asks with our own semantics, so a case in which the engine is wrong is none; and rows that
    hold all of an event hold its place in the topic as well, which the engine's do not.
    """
    mql = case["mql"]
    if " from stream" in mql:
        mql = mql.replace(" from stream", f" from {SOURCE}")
    elif " where " in mql:
        mql = mql.replace(" where ", f" from {SOURCE} where ", 1)
    else:
        return None
    if case["mode"] != "full" or "select *" in mql or "(*)" in mql or not case.get("rows"):
        return None
    running = Running(parse(mql), lambda: 0.5, "client", is_compat=False)
    rows = [row for at_ms, each in enumerate(FIRST["events"]) for row in running.push(each, at_ms)]
    return mql if rows + running.close() == case["rows"] else None


ASKED: Final = [(mql, case["rows"]) for case in CASES if (mql := _asked(case))][:CASES_ASKED]


@pytest.fixture(scope="module")
def end(here: ConsoleWorld) -> str:
    """The instant behind the events, as the page takes it."""
    for event in FIRST["events"]:
        here.do(partial(_publish, value=json.dumps(event).encode()))
    return instant(now_ms() + 1).removesuffix(" UTC").replace(" ", "T") + "Z"


def _publish(world: World, value: bytes) -> None:
    world.publish(SOURCE, "case", value, partition=0)


def test_the_page_shows_the_rows_that_the_engine_gave(
    here: ConsoleWorld, page: Page, end: str
) -> None:
    assert len(ASKED) == CASES_ASKED
    for mql, rows in ASKED:
        page.goto(f"{here.url}/#/query?start=begin&at={end}&mql={quote_plus(mql)}")
        expect(page.locator("[data-tail=state]")).to_contain_text("ended")
        expect(page.locator("[data-tail=total]")).to_have_text(str(len(rows)))
        names = page.locator(".tail-rows thead th").all_inner_texts()
        lines = page.locator(".tail-rows tbody tr:not(.spacer)")
        shown = [
            dict(zip(names, line.locator("td").all_inner_texts(), strict=True))
            for line in lines.all()
        ]
        wanted = [{name: _text(row.get(name)) for name in names} for row in rows]
        assert shown == wanted, mql


def test_the_page_shows_where_a_question_is_wrong(
    here: ConsoleWorld, page: Page, watched: Watched
) -> None:
    watched.refusals.add(400)
    for case in [each for each in CASES if "error" in each][:8]:
        page.goto(f"{here.url}/#/query?mql={quote_plus(case['mql'])}")
        expect(page.get_by_role("combobox", name="Query in MQL")).to_have_value(case["mql"])
        expect(page.get_by_role("alert")).to_contain_text(case["error"])


def _text(value: object) -> str:
    """A value as a cell shows it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    # A script knows one kind of numbers.
    return json.dumps(
        int(value) if isinstance(value, float) and value.is_integer() else value,
        separators=(",", ":"),
    )
