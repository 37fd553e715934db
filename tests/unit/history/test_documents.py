"""What the documents of history say is what the code has."""

import re
from pathlib import Path

from streams.history.asking import TABLES
from streams.history.metrics import HistoryMetrics

DOCS = Path(__file__).parents[3] / "docs"


def test_each_metric_has_its_row() -> None:
    text = (DOCS / "metrics.md").read_text("utf-8")
    documented = re.findall(r"^\| `(flumina_history_\w+)` \|", text, re.MULTILINE)
    assert sorted(documented) == HistoryMetrics().names()


def test_each_table_has_its_row_and_each_page_its_meaning() -> None:
    text = (DOCS / "history.md").read_text("utf-8")
    assert all(f"`{each}`" in text for each in TABLES)
    sources = "".join(
        each.read_text("utf-8") for each in (DOCS.parent / "streams" / "history").glob("*.py")
    )
    pages = set(re.findall(r"page(?:_once)?\(\s*\"([a-z-]+)\"", sources))
    assert {"archive-behind", "history-lost", "retention"} <= pages
    assert all(f"`{each}`" in text for each in pages), pages
