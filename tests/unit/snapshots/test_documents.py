"""What the documents say of snapshots is what the code has."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from streams.snapshots.metrics import SnapshotMetrics
from streams.snapshots.retention import Retention
from streams.snapshots.taking import TakingPolicy

ROOT = Path(__file__).parents[3]


def test_each_metric_has_its_row() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    documented = re.findall(r"^\| `(flumina_snapshots?_\w+)` \|", text, re.MULTILINE)
    registry = CollectorRegistry()
    SnapshotMetrics(registry)
    assert sorted(documented) == sorted(each.name for each in registry.collect())


def test_the_numbers_and_pages_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "snapshots.md").read_text("utf-8")
    policy = TakingPolicy()
    assert (policy.events, policy.interval_s, policy.page_after_s) == (20_000, 600, 1_800)
    assert "20,000 events" in text
    assert f"newest {Retention().newest} stay" in text
    folder = ROOT / "streams" / "snapshots"
    sources = "".join(each.read_text("utf-8") for each in folder.glob("*.py"))
    for page in ("snapshot-late", "snapshots-differ", "restore-test-failed"):
        assert f'"{page}"' in sources
        assert f"`{page}`" in text
