"""What the process of a simulated cluster adds: journals written together, a patient collector."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.devcluster.journal import Journal, read_journal
from connectors.devcluster.simulated.collector import Collector


def test_lines_are_on_disk_in_their_order_when_flush_returns(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.add("ONE", {"n": 1})
    journal.add("TWO", {"n": 2})
    assert read_journal(path) == []
    journal.flush()
    assert [(line["what"], line["n"]) for line in read_journal(path)] == [("ONE", 1), ("TWO", 2)]
    # A line that is written at once does not overtake those that were kept.
    journal.add("THREE", {})
    journal.write("FOUR")
    assert [line["what"] for line in read_journal(path)][2:] == ["THREE", "FOUR"]
    journal.close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector; afterwards it looks as often as before."""
    thresholds = gc.get_threshold()
    yield Collector()
    gc.set_threshold(*thresholds)


@pytest.mark.slow
def test_what_comes_slowly_is_looked_through_and_what_comes_at_once_is_not(
    collector: Collector,
) -> None:
    kept: list[list[int]] = []
    looked: list[int] = []

    def count(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            looked.append(info["generation"])

    gc.callbacks.append(count)
    try:
        for now in (10.0, 10.5, 20.0):
            kept += [[] for _ in range(25_000)]
            collector.look(now)
            # What is frozen is of no generation. To count it would take long: all that lives as
            # long as the tests is frozen too.
            is_frozen = not any(each is kept[-1] for each in gc.get_objects())
            assert is_frozen == (now == 10.5)
        kept += [[] for _ in range(100)]
        collector.look(20.1)
    finally:
        gc.callbacks.remove(count)
    assert looked == [0, 0]
