"""`docs/safe-mode.md` names every kind of page, and only tests that there are."""

import re
from typing import get_args

from scheduler.model.changes import PageKind
from streams.pages.metrics import OUTCOMES
from tests.architecture.tree import ROOT

PAGE = (ROOT / "docs" / "safe-mode.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "shown by" not in line]


def test_every_kind_of_page_has_a_row() -> None:
    assert {kind for kind in get_args(PageKind) if f"kind `{kind}`" not in PAGE} == set()


def test_every_row_names_tests_that_are_there() -> None:
    for row in ROWS:
        named = re.findall(r"`((?:unit|integration|properties)/[^`]*)`", row)
        assert named or set(row) <= set("| -"), row
        for path in named:
            assert (ROOT / "tests" / path).exists(), path


def test_every_outcome_of_a_page_is_documented() -> None:
    metrics = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    assert all(f"`{outcome}`" in metrics for outcome in OUTCOMES)
