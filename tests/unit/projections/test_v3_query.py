"""Queries over jobs and tasks: criteria, pages that stay in step, and what is refused."""

from typing import Any

import pytest
from msgspec.structs import replace

from projections.v3_query import (
    PAGE_SIZE_MAX,
    TASKS_PAGE_SIZE_MAX,
    VALUES_MAX,
    Query,
    QueryRefusedError,
    jobs_page,
    parse_query,
    projected,
    tasks_page,
)
from scheduler.model.descriptor import spec_digest
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import HostOrdered
from scheduler.model.job_updates import JobUpdateAsked, JobUpdateOrdered, UpdatePlan
from tests.support.cell import batch, service
from tests.unit.projections.watched import WatchedCell, watched_cell


def jobs(cell: WatchedCell, **parameters: str) -> list[str]:
    """The ids of the jobs that a query shows."""
    return [item["id"] for item in jobs_page(cell.view, parse_query(_dotted(parameters)))["items"]]


def tasks(cell: WatchedCell, **parameters: str) -> list[str]:
    """The ids of the tasks that a query shows."""
    page = tasks_page(cell.view, parse_query(_dotted(parameters)))
    return [item["id"] for item in page["items"]]


def _dotted(parameters: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "."): text for name, text in parameters.items()}


@pytest.fixture(scope="module")
def cell() -> WatchedCell:
    """A batch job that ended, one under way, and a service; of different owners."""
    found = watched_cell(hosts=4)
    (ended,) = found.run(batch(), "ended")
    found.status(ended, "TASK_FINISHED")
    found.run(
        replace(batch(2), owner_email="ada@example.org", attributes=(("team", "a"), ("tier", "1"))),
        "batch",
    )
    found.run(
        replace(
            service(2), application_name="web", capacity_group="G", attributes=(("team", "b"),)
        ),
        "svc",
    )
    found.kill_task(found.task(1, "svc").task_id)
    return found


def test_what_has_ended_is_shown_only_when_asked_for(cell: WatchedCell) -> None:
    assert jobs(cell) == ["batch", "svc"]
    assert jobs(cell, jobState="Finished") == ["ended"]
    assert jobs(cell, jobState="any") == ["ended", "batch", "svc"]
    assert jobs(cell, jobState="accepted, finished") == ["ended", "batch", "svc"]
    assert "ended-worker-0-1" not in tasks(cell)
    assert tasks(cell, taskStates="Finished") == ["ended-worker-0-1"]
    assert tasks(cell, taskStates="KillInitiated") == ["svc-worker-1-2"]
    assert len(tasks(cell, taskStates="Any")) == 5


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        ({"jobIds": "svc,none"}, ["svc"]),
        ({"jobIds": "none"}, []),
        ({"owner": "ada@example.org"}, ["batch"]),
        ({"applicationName": "web"}, ["svc"]),
        ({"capacityGroup": "G"}, ["svc"]),
        ({"jobType": "Batch"}, ["batch"]),
        ({"taskIds": "svc-worker-0-1"}, ["svc"]),
        ({"attributes": "team"}, ["batch", "svc"]),
        ({"attributes": "team:b"}, ["svc"]),
        ({"attributes": "team:a,team:b"}, ["batch", "svc"]),
        ({"attributes": "team,tier:1"}, ["batch"]),
        ({"attributes": "team:b,tier:1"}, []),
        ({"attributes": "team:b,tier:1", "attributes_op": "or"}, ["batch", "svc"]),
        ({"attributes": "none"}, []),
    ],
)
def test_criteria_of_jobs(cell: WatchedCell, parameters: dict[str, str], shown: list[str]) -> None:
    assert jobs(cell, **parameters) == shown
    if "taskIds" not in parameters:
        assert {task.split("-worker-")[0] for task in tasks(cell, **parameters)} == set(shown)


def test_tasks_by_their_own_and_their_jobs_ids(cell: WatchedCell) -> None:
    both = "svc-worker-0-1,batch-worker-1-2"
    assert tasks(cell, taskIds=both) == ["batch-worker-1-2", "svc-worker-0-1"]
    assert tasks(cell, taskIds=both, jobIds="svc") == ["svc-worker-0-1"]
    assert tasks(cell, jobIds="svc,batch") == [
        "batch-worker-0-1",
        "batch-worker-1-2",
        "svc-worker-0-1",
        "svc-worker-1-2",
    ]
    assert tasks(cell, jobState="Finished", taskStates="Any") == ["ended-worker-0-1"]


def test_a_page_says_where_it_stands(cell: WatchedCell) -> None:
    first = tasks_page(cell.view, Query(page_size=3))
    assert [item["id"] for item in first["items"]] == [
        "batch-worker-0-1",
        "batch-worker-1-2",
        "svc-worker-0-1",
    ]
    pagination = first["pagination"]
    assert pagination["currentPage"] == {"pageSize": 3, "cursor": ""}
    assert (pagination["hasMore"], pagination["totalItems"]) == (True, 4)
    assert pagination["cursorPosition"] == 2
    second = tasks_page(cell.view, parse_query({"pageSize": "3", "cursor": pagination["cursor"]}))
    assert [item["id"] for item in second["items"]] == ["svc-worker-1-2"]
    assert second["pagination"]["hasMore"] is False
    assert second["pagination"]["cursorPosition"] == 3
    end = parse_query({"cursor": second["pagination"]["cursor"]})
    empty = tasks_page(cell.view, end)["pagination"]
    assert (empty["totalItems"], empty["hasMore"], empty["cursorPosition"]) == (4, False, 3)
    assert empty["cursor"] == second["pagination"]["cursor"]


def test_a_pager_misses_nothing_and_sees_nothing_twice_while_tasks_come_and_go() -> None:
    cell = watched_cell(hosts=4)
    cell.run(service(10), "svc")
    shown: list[str] = []
    cursor = ""
    begin = set(tasks(cell, taskStates="Any"))
    while True:
        parameters = {"pageSize": "3", "taskStates": "Any", "cursor": cursor}
        page = tasks_page(cell.view, parse_query(parameters))
        shown += [item["id"] for item in page["items"]]
        if not page["pagination"]["hasMore"]:
            break
        cursor = page["pagination"]["cursor"]
        if len(shown) < 12:  # Something ends and is replaced between two pages.
            cell.status(cell.task(len(shown) // 3, "svc").task_id, "TASK_FAILED")
            cell.run(batch(), f"new{len(shown)}")
    assert len(shown) == len(set(shown))
    assert begin <= set(shown)
    assert len(shown) == len(tasks(cell, taskStates="Any", pageSize="1000"))


def test_criteria_of_images_groups_reasons_and_moves() -> None:
    cell = watched_cell(hosts=2)
    container = replace(batch().container, image="team/web", image_tag="1.2")
    grouped = replace(service(2), container=container, stack="main", detail="d", sequence="1")
    first, second = cell.run(grouped, "svc")
    other = replace(batch(), container=replace(batch().container, image="team/job", image_tag="9"))
    (failed,) = cell.run(other, "job")
    for name, value in (
        ("imageName", "team/web"),
        ("imageTag", "1.2"),
        ("jobGroupStack", "main"),
        ("jobGroupDetail", "d"),
        ("jobGroupSequence", "1"),
    ):
        assert jobs(cell, **{name: value}) == ["svc"], name
        assert tasks(cell, **{name: value}) == [first, second], name
        assert jobs(cell, **{name: "none"}) == [], name
    cell.status(failed, "TASK_FAILED")
    assert tasks(cell, taskStates="Any", taskStateReasons="failed,killed") == [failed]
    assert tasks(cell, taskStates="Any", taskStateReasons="killed") == []
    assert jobs(cell, jobState="Any", taskStateReasons="failed") == ["job"]
    assert jobs(cell, taskStates="Finished") == []
    assert jobs(cell, jobState="Any", taskStates="Finished") == ["job"]
    host = cell.host_of(first)
    assert host is not None
    order = HostOrdered(host_id=host, standing="draining", actor="op", why="kernel")
    cell.copy("commands", order)
    there = [each for each in (first, second) if cell.host_of(each) == host]
    assert tasks(cell, needsMigration="true") == there
    assert jobs(cell, needsMigration="true") == ["svc"]
    assert set(tasks(cell, needsMigration="false")).isdisjoint(there)


def test_what_the_system_made_fail_can_be_left_out() -> None:
    cell = watched_cell(hosts=2)
    (lost,) = cell.run(batch(), "job")
    cell.status(lost, "TASK_GONE")
    shown = tasks(cell, taskStates="Any")
    kept = tasks(cell, taskStates="Any", skipSystemFailures="true")
    assert lost in shown
    assert kept == [each for each in shown if each != lost]


def test_pages_of_tasks_are_as_large_as_titus_gateway_gives_them() -> None:
    assert parse_query({"pageSize": "5000"}, TASKS_PAGE_SIZE_MAX).page_size == 5_000
    with pytest.raises(QueryRefusedError):
        parse_query({"pageSize": "5001"}, TASKS_PAGE_SIZE_MAX)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"pageSize": "0"}, "pageSize"),
        ({"pageSize": str(PAGE_SIZE_MAX + 1)}, "pageSize"),
        ({"pageSize": "-1"}, "pageSize"),
        ({"pageSize": "9" * 5_000}, "pageSize"),
        ({"pageSize": "٣"}, "pageSize"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "c"}, "cursor"),
        ({"cursor": "cz"}, "cursor"),
        ({"cursor": "c" + "f" * 33}, "cursor"),
        ({"jobState": "Sleeping"}, "jobState"),
        ({"taskStates": "Started,Runing"}, "taskStates"),
        ({"jobType": "daemon"}, "jobType"),
        ({"attributes.op": "xor"}, "attributes.op"),
        ({"taskStateReasons": "failde"}, "taskStateReasons"),
        ({"needsMigration": "yes"}, "needsMigration"),
        ({"skipSystemFailures": "1"}, "skipSystemFailures"),
        ({"jobIds": ",".join("x" * 1) + ",y" * VALUES_MAX}, "jobIds"),
        ({"jobid": "x"}, "jobid"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(QueryRefusedError) as refused:
        parse_query(parameters)
    (fault,) = refused.value.faults
    assert fault.field == field
    assert fault.text


def test_all_faults_come_at_once_and_hints_name_what_was_meant() -> None:
    with pytest.raises(QueryRefusedError) as refused:
        parse_query({"pageSize": "x", "taskStates": "Startd", "jobIDs": "a"})
    hints = {fault.field: fault.hint for fault in refused.value.faults}
    assert hints == {
        "jobIDs": "did you mean 'jobIds'?",
        "taskStates": "did you mean 'Started'?",
        "pageSize": "give a number from 1 to 1000",
    }


def test_lists_by_owner_follow_a_job_to_its_new_owner() -> None:
    """The index is compared with every job after each record: see `watched.check_view`."""
    cell = watched_cell()
    for name, owner in (("a", "ada@x"), ("b", "ada@x"), ("c", "bob@x")):
        cell.run(replace(service(desired=1), owner_email=owner), name)

    def owned(owner: str) -> tuple[list[str], list[str]]:
        query = parse_query({"owner": owner})
        jobs = [each["id"] for each in jobs_page(cell.view, query)["items"]]
        return jobs, [each["jobId"] for each in tasks_page(cell.view, query)["items"]]

    assert owned("ada@x") == (["a", "b"], ["a", "b"])
    spec = replace(service(desired=1), owner_email="bob@x")
    update = JobUpdateAsked(JobId("a"), spec, spec_digest(spec), UpdatePlan(), actor="ada")
    cell.copy("jobs", update)
    assert (owned("ada@x")[0], owned("bob@x")[0]) == (["b"], ["a", "c"])
    cell.copy("jobs", JobUpdateOrdered(JobId("a"), "rollback", actor="ada"))
    assert (owned("ada@x")[0], owned("bob@x")[0]) == (["a", "b"], ["c"])
    cell.kill_job("c")
    assert owned("nobody@x") == ([], [])


def test_only_the_fields_asked_for_and_the_id(cell: WatchedCell) -> None:
    page = tasks_page(
        cell.view,
        parse_query({"fields": "status.state,taskContext.agent.host,statusHistory.state,none.x"}),
    )
    item: dict[str, Any] = page["items"][0]
    assert item == {
        "id": "batch-worker-0-1",
        "status": {"state": "Started"},
        "taskContext": {"agent.host": f"name-of-{cell.host_of(TaskId('batch-worker-0-1'))}"},
        "statusHistory": [
            {"state": "Accepted"},
            {"state": "Launched"},
            {"state": "StartInitiated"},
        ],
    }


def test_a_part_and_the_whole_may_both_be_asked_for() -> None:
    item = {"id": "x", "a": {"b": {"c": 1}, "d": 2}, "l": [{"m": 1, "n": 2}]}
    for fields in (("a", "a.b.c", "l", "l.m"), ("a.b.c", "a", "l.m", "l")):
        assert projected(item, fields) == item
    assert projected(item, ("a.b", "a.b.c")) == {"id": "x", "a": {"b": {"c": 1}}}
    assert item == {"id": "x", "a": {"b": {"c": 1}, "d": 2}, "l": [{"m": 1, "n": 2}]}
