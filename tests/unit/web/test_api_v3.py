"""The table of Titus' endpoints says what is there: every route, and a test for each."""

import re
from pathlib import Path

from connectors.web.routes import ROUTES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "api-v3.md").read_text("utf-8")
ROW = re.compile(r"^\| ([A-Z]+) \| `([^`]+)` \| (\w+) \| (.+) \|$", re.MULTILINE)
ROWS = {(path, method): (state, said) for method, path, state, said in ROW.findall(PAGE)}
OF_TITUS = (
    "/api/v3/",
    "/api/v2/leader",
    "/api/v2/status",
    "/api/v2/management",
    "/api/v2/resource",
)
BUILT = {(path, method) for path, ways in ROUTES.items() for method in ways}


def test_every_route_of_titus_is_in_the_table_and_done() -> None:
    done = {place for place, (state, _) in ROWS.items() if state == "done"}
    assert done <= BUILT, "done, and not there"
    assert {place for place in BUILT if place[0].startswith(OF_TITUS)} <= done


def test_what_is_missing_is_not_there_and_says_why() -> None:
    missing = {place: said for place, (state, said) in ROWS.items() if state != "done"}
    assert {state for state, _ in ROWS.values()} == {"done", "missing"}
    assert not missing.keys() & BUILT
    assert all(len(said) > len("as above") - 1 for said in missing.values())


def test_each_test_that_is_named_is_there() -> None:
    for place, (state, said) in ROWS.items():
        if state != "done":
            continue
        name, _, function = said.strip("`").partition("::")
        text = (ROOT / "tests" / name).read_text("utf-8")
        assert not function or f"def {function}(" in text, (place, said)
