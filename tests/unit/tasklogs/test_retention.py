"""How long task logs stay: days, bytes of a job, and never what is being written."""

from pathlib import Path

import pytest

from connectors.objects.directory import DirectoryStore
from connectors.ports import ObjectFacts
from connectors.tasklogs.limits import DAY_MS, Retention
from connectors.tasklogs.retention import expired, sweep, tasks_of

NOW_MS = 100 * DAY_MS
HOUR_MS = DAY_MS // 24


def stored(job: str, task: str, hours_ago: float, bytes_total: int = 10) -> ObjectFacts:
    key = f"task-logs/main/{job}/{task}/r/stdout/0-1-2.gz"
    return ObjectFacts(key, bytes_total, NOW_MS - int(hours_ago * HOUR_MS))


CASES: dict[str, tuple[list[ObjectFacts], list[str]]] = {
    "young ones stay": ([stored("j", "a", 1), stored("k", "b", 47)], []),
    "old ones go": ([stored("j", "a", 49), stored("k", "b", 1)], ["a"]),
    "by the newest of their objects": ([stored("j", "a", 90), stored("j", "a", 1)], []),
    "a job that has too much loses its oldest": (
        [stored("j", "a", 3, 60), stored("j", "b", 2, 60), stored("k", "c", 9, 60)],
        ["a"],
    ),
    "as many as must be": (
        [stored("j", "a", 4, 60), stored("j", "b", 3, 90), stored("j", "c", 2, 60)],
        ["a", "b"],
    ),
    "what is being written is never touched": (
        [stored("j", "a", 0.1, 600), stored("j", "b", 0.2, 600)],
        [],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_has_been_kept_for_long_enough(case: str) -> None:
    objects, gone = CASES[case]
    retention = Retention(days_max=2, job_bytes_max=100)
    found = expired(tasks_of("main", objects), retention, NOW_MS)
    assert [each.task for each in found] == gone


def test_a_sweep_removes_them_and_leaves_other_things_alone(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    keys = ["task-logs/main/j/a/r/stdout/1.gz", "task-logs/main/j/a/r/complete.json"]
    others = ["task-logs/main/strange", "task-logs/west/j/a/r/x", "archive/x"]
    for key in keys + others:
        store.put_new(key, b"12345")
    (facts, *_) = store.facts(keys[0])
    swept = sweep(store, "main", Retention(days_max=1), facts.written_at_ms + 2 * DAY_MS)
    assert (swept.tasks_removed, swept.bytes_removed, swept.tasks_kept) == (1, 10, 0)
    assert [each.key for each in store.facts("")] == sorted(others)
