"""States that a task must have passed, although Mesos said nothing of them, are in its history.

How: updates are left out, and the changes that the fold reports are read.
"""

from typing import Any

import pytest

from scheduler.model.changes import TaskChanged
from tests.support.cell import batch, running_cell


def history(*updates: Any) -> list[tuple[str, str]]:
    """The states that the only task of a job was reported in, with their reasons."""
    cell = running_cell()
    cell.submit(batch(1))
    (task_id,) = cell.launched()
    for update in updates:
        cell.status(task_id, update)
    found: list[tuple[str, str]] = []
    for each in (change for change in cell.said(TaskChanged) if change.task_id == task_id):
        if not found or found[-1] != (each.state, each.reason):
            found.append((each.state, each.reason))
    return found


@pytest.mark.parametrize(
    ("updates", "wanted"),
    [
        (["TASK_RUNNING"], [("StartInitiated", "filledIn"), ("Started", "")]),
        (["TASK_STARTING", "TASK_RUNNING"], [("StartInitiated", ""), ("Started", "")]),
        (
            ["TASK_FINISHED"],
            [("StartInitiated", "filledIn"), ("Started", "filledIn"), ("Finished", "normal")],
        ),
        (
            ["TASK_STARTING", "TASK_FINISHED"],
            [("StartInitiated", ""), ("Started", "filledIn"), ("Finished", "normal")],
        ),
        (["TASK_FAILED"], [("Finished", "failed")]),
        (["TASK_LOST"], [("Finished", "lost")]),
    ],
)
def test_titus_what_must_have_been_is_filled_in(
    updates: list[Any], wanted: list[tuple[str, str]]
) -> None:
    assert history(*updates) == [("Accepted", ""), ("Launched", ""), *wanted]


def test_an_older_state_that_comes_late_is_dropped() -> None:
    found = history("TASK_RUNNING", "TASK_STARTING", "TASK_STAGING")
    assert found[-1] == ("Started", "")
