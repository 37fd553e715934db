"""A moved task is seen under its new job, with all that happened to it before.

How: a cell with a view is watched while a task moves; lists of both jobs and the history are read.
"""

from projections.v3 import task_json
from projections.v3_query import Query, tasks_page
from scheduler.model.ids import JobId
from scheduler.model.job_requests import TaskAttributesAsked, TaskMoveAsked
from tests.support.cell import service
from tests.unit.projections.watched import WatchedCell, watched_cell

HERE, THERE = JobId("here"), JobId("there")


def listed(cell: WatchedCell, job_id: JobId) -> list[str]:
    """The tasks that the job is listed with."""
    page = tasks_page(cell.view, Query(job_ids=frozenset({job_id})))
    return [each["id"] for each in page["items"]]


def test_lists_context_and_history_follow_a_moved_task() -> None:
    cell = watched_cell(hosts=2)
    first, second = cell.run(service(2), "here")
    (other,) = cell.run(service(1), "there")
    cell.copy("jobs", TaskMoveAsked(first, HERE, THERE, actor="ada", why="split"))
    cell.copy("jobs", TaskAttributesAsked(first, (("team", "b"),), actor="ada"))
    assert listed(cell, HERE) == [second]
    assert listed(cell, THERE) == [first, other]
    shown = task_json(cell.view, first)
    assert shown is not None
    assert shown["jobId"] == "there"
    assert shown["taskContext"]["task.movedFromJob"] == "here"
    history = cell.view.timeline.histories.tasks[first]
    assert history.job_id == THERE
    states = [(each.state, each.actor) for each in history.entries if each.state]
    assert states[0] == ("Accepted", "")
    assert states[-2:] == [("Started", "ada"), ("Started", "ada")]
    assert "from job here" in [each.message for each in history.entries]
    of_job = cell.view.timeline.histories.jobs[HERE].entries[-1]
    assert (of_job.reason, of_job.actor) == ("moved", "ada")
