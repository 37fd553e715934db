"""Who has some jobs sees them in lists, reads and streams, and cannot find or touch others."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.access import People, bearer, names
from tests.support.asgi import Answer, answer, call
from tests.support.cell import batch, service, submission
from tests.support.event_reader import Reader
from tests.support.web_cell import WebCell

ADA = "ada@example.org"
EVE = "eve@example.org"


@pytest.fixture
def people(tmp_path: Path) -> People:
    found = People(tmp_path / "principals.json")
    found.token("ada", "producer", owners=(ADA,))
    found.token("root", "admin")
    found.token("looker", "viewer", applications=("payments",))
    return found


@pytest.fixture
def web(people: People) -> WebCell:
    web = WebCell(door=people.door())
    for name, owner, application in (
        ("of-ada", ADA, "payments"),
        ("of-eve", EVE, "payments"),
        ("of-eve-too", EVE, "search"),
    ):
        spec = msgspec.structs.replace(service(1), owner_email=owner, application_name=application)
        web.cell.copy("jobs", submission(spec, name))
    assert web.view.next_offset == len(web.cell.log)
    return web


def asked(  # noqa: PLR0917 - as a request is said
    web: WebCell, people: People, who: str, method: str, target: str, body: Any = None
) -> Answer:
    return call(web.app, method, target, body, bearer(people.tokens[who]))


def test_lists_have_what_is_within_reach_and_say_nothing_of_the_rest(
    web: WebCell, people: People
) -> None:
    for target, kind in (("/api/v3/jobs", "jobs"), ("/api/v3/tasks", "tasks")):
        all_ = asked(web, people, "root", "GET", target).json
        some = asked(web, people, "ada", "GET", target).json
        assert len(all_["items"]) == 3, kind
        assert len(some["items"]) == 1
        assert some["pagination"]["totalItems"] == 1
    assert names(asked(web, people, "ada", "GET", "/api/v3/jobs").json["items"]) == {"of-ada"}
    by_application = asked(web, people, "looker", "GET", "/api/v3/jobs").json["items"]
    assert names(by_application) == {"of-ada", "of-eve"}
    # Criteria narrow what is within reach, and never widen it.
    named = asked(web, people, "ada", "GET", "/api/v3/jobs?jobIds=of-eve,of-ada").json["items"]
    assert names(named) == {"of-ada"}
    assert asked(web, people, "ada", "GET", f"/api/v3/jobs?owner={EVE}").json["items"] == []


@pytest.mark.parametrize(
    "path",
    [
        "jobs/{job}",
        "jobs/{job}/events",
        "jobs/{job}/why",
        "jobs/{job}/observe",
        "tasks/{task}",
        "tasks/{task}/events",
        "tasks/{task}/why",
        "tasks/{task}/log",
        "scheduler/results/{task}",
        "eviction/quotas/jobs/{job}",
        "loadBalancers/{job}",
    ],
)
def test_a_job_of_others_is_answered_like_one_that_never_was(
    web: WebCell, people: People, path: str
) -> None:
    tasks = asked(web, people, "root", "GET", "/api/v3/tasks?jobIds=of-eve").json["items"]
    there = path.format(job="of-eve", task=tasks[0]["id"])
    nowhere = path.format(job="of-none", task="of-none-0-1-1")
    found = asked(web, people, "ada", "HEAD", f"/api/v3/{there}")
    assert found.status == 404
    body = asked(web, people, "ada", "GET", f"/api/v3/{there}").json["message"]
    missing = asked(web, people, "ada", "GET", f"/api/v3/{nowhere}").json["message"]
    id_ = there.split("/")[1] if not there.startswith(("sched", "evic")) else there.split("/")[-1]
    assert body.replace(id_, "X") == missing.replace("of-none-0-1-1", "X").replace("of-none", "X")


def test_what_is_of_all_jobs_is_refused_with_a_word(web: WebCell, people: People) -> None:
    for target in ("/api/v2/jobs", "/api/flumina/cost", "/api/v3/relocation/observe"):
        found = asked(web, people, "ada", "GET", target)
        assert found.status == 403
        assert "ada has some jobs only" in found.json["message"]
    then = asked(web, people, "ada", "GET", "/api/v3/jobs?at=1")
    assert then.status == 403
    assert "another instant" in then.json["message"]
    assert asked(web, people, "ada", "GET", "/api/v3/agent/instances").status == 200


def test_crash_loops_are_told_of_jobs_within_reach(web: WebCell, people: People) -> None:
    cell, path = web.cell, "/api/flumina/glance/failing"
    cell.set_policy(crash_loop_failures_min=1)
    cell.offer("host1", 64)
    cell.launched()
    for job in ("of-ada", "of-eve"):
        (task,) = cell.tasks(job)
        cell.status(task.task_id, "TASK_RUNNING")
        cell.status(task.task_id, "TASK_FAILED")
    for who, jobs in (("root", ["of-ada", "of-eve"]), ("ada", ["of-ada"])):
        found = asked(web, people, who, "GET", path).json
        assert ([each["jobId"] for each in found["items"]], found["jobs"]) == (jobs, len(jobs))
    assert asked(web, people, "ada", "GET", f"{path}?at=3").status == 403
    cell.kill_job("of-ada")
    assert asked(web, people, "ada", "GET", path).json["jobs"] == 0


def test_own_jobs_are_run_and_those_of_others_are_not(web: WebCell, people: People) -> None:
    assert asked(web, people, "ada", "DELETE", "/api/v3/jobs/of-eve").status == 404
    assert asked(web, people, "ada", "POST", "/api/v3/jobs/of-eve/disable").status == 404
    assert web.published == []
    assert asked(web, people, "ada", "POST", "/api/v3/jobs/of-ada/disable").status == 200
    assert asked(web, people, "looker", "POST", "/api/v3/jobs/of-ada/disable").status == 403
    assert asked(web, people, "ada", "PUT", "/api/flumina/policy", {}).status == 403


def test_what_only_a_body_or_parameter_names_is_looked_at_too(web: WebCell, people: People) -> None:
    task = asked(web, people, "root", "GET", "/api/v3/tasks?jobIds=of-eve").json["items"][0]["id"]
    own = asked(web, people, "root", "GET", "/api/v3/tasks?jobIds=of-ada").json["items"][0]["id"]
    tries: list[tuple[str, str, Any]] = [
        ("POST", "/api/v2/jobs/kill", {"jobId": "of-eve", "user": "eve"}),
        ("POST", "/api/v2/tasks/kill", {"taskId": task, "user": "eve"}),
        ("POST", "/api/v2/jobs/setinservice", {"jobId": "of-eve", "user": "e", "inService": False}),
        ("POST", "/api/v3/loadBalancers?jobId=of-eve&loadBalancerId=lb", None),
        ("DELETE", f"/api/v3/tasks/{task}", None),
        ("DELETE", f"/api/v3/eviction/tasks/{task}?reason=x", None),
        (
            "POST",
            "/api/v3/tasks/move",
            {"sourceJobId": "of-eve", "targetJobId": "of-ada", "taskId": task},
        ),
        (
            "POST",
            "/api/v3/tasks/move",
            {"sourceJobId": "of-ada", "targetJobId": "of-eve", "taskId": own},
        ),
    ]
    for method, target, body in tries:
        assert asked(web, people, "ada", method, target, body).status == 404, (target, body)
    assert web.published == []


def test_a_job_is_submitted_for_oneself_only_and_not_under_anothers_id(
    web: WebCell, people: People
) -> None:
    found = asked(web, people, "root", "GET", "/api/v3/jobs/of-ada").json
    descriptor = asked(web, people, "root", "GET", "/api/v3/jobs/of-ada?fields=").status
    assert descriptor in {200, 400}
    made = {
        "owner": {"teamEmail": ADA},
        "applicationName": "payments",
        "container": {
            "resources": {"cpu": 1, "memoryMB": 64, "diskMB": 64},
            "image": {"name": "busybox", "tag": "1"},
            "entryPoint": ["true"],
        },
        "batch": {"size": 1, "runtimeLimitSec": 60, "retryPolicy": {"immediate": {"retries": 0}}},
    }
    assert found["id"] == "of-ada"
    own = asked(web, people, "ada", "POST", "/api/v3/jobs?jobId=new", made)
    assert own.status == 201, own.body
    others = asked(web, people, "ada", "POST", "/api/v3/jobs", made | {"owner": {"teamEmail": EVE}})
    assert others.status == 403
    assert "may not run jobs of owner" in others.json["message"]
    # Nor may a job of one's own become one of others by its next version.
    moved = {"job": made | {"owner": {"teamEmail": EVE}}}
    update = asked(web, people, "ada", "POST", "/api/flumina/jobs/of-ada/updates", moved)
    assert update.status == 403, update.body
    taken = asked(web, people, "ada", "POST", "/api/v3/jobs?jobId=of-eve", made)
    assert taken.status == 409
    assert taken.json["message"] == "The id is of another job"


def test_a_stream_tells_of_jobs_within_reach_at_its_begin_and_ever_after(
    web: WebCell, people: People
) -> None:
    headers = bearer(people.tokens["ada"])

    def submit(name: str, owner: str) -> None:
        spec = msgspec.structs.replace(batch(1), owner_email=owner)
        web.cell.copy("jobs", submission(spec, name))
        assert web.view.next_offset == len(web.cell.log)

    async def told() -> tuple[str, str]:
        async with Reader(web.app, "/api/v3/observe/jobs", headers=headers) as reader:
            last = (await reader.until("SnapshotEnd"))[-1].id
            submit("late-of-eve", EVE)
            submit("late-of-ada", ADA)
            await reader.until("TaskUpdate", 2)
            first = reader.body.decode()
        # After a resumption nobody knows what a reader has: what is out of reach stays unsaid.
        async with Reader(web.app, "/api/v3/observe/jobs", last, headers=headers) as reader:
            await reader.until("TaskUpdate", 1)
            return first, reader.body.decode()

    for text in asyncio.run(told()):
        assert "late-of-ada" in text
        assert "of-eve" not in text
        assert EVE not in text


def test_a_stream_ends_when_its_reader_is_let_in_no_more(web: WebCell, people: People) -> None:
    async def told() -> bool:
        headers = bearer(people.tokens["ada"])
        async with Reader(web.app, "/api/v3/observe/jobs", headers=headers) as reader:
            await reader.until("SnapshotEnd")
            people.remove("ada")
            spec = msgspec.structs.replace(batch(1), owner_email=ADA)
            web.cell.copy("jobs", submission(spec, "late"))
            assert web.view.next_offset == len(web.cell.log)
            with pytest.raises(ConnectionAbortedError):
                await reader.until_over()
            text = reader.body.decode()
            reader._task = asyncio.create_task(asyncio.sleep(0))
        return "late" in text

    assert asyncio.run(told()) is False


def test_the_actor_of_a_command_is_the_principal_whatever_a_header_or_body_claims(
    web: WebCell, people: People
) -> None:
    shown = bearer(people.tokens["root"], **{"X-Flumina-Actor": "somebody else"})
    assert call(web.app, "POST", "/api/v3/jobs/of-ada/disable", None, shown).status == 200
    body = {"jobId": "of-ada", "user": "ceo", "inService": True}
    assert call(web.app, "POST", "/api/v2/jobs/setinservice", body, shown).status == 204
    plain = bearer(people.tokens["root"])
    assert call(web.app, "POST", "/api/v3/jobs/of-ada/enable", None, plain).status == 200
    actors = [msgspec.json.decode(value)["actor"] for _, _, value in web.published]
    assert actors == ["root on behalf of somebody else", "root on behalf of ceo", "root"]


def test_a_list_in_pieces_is_asked_for_by_a_cursor_within_reach(
    web: WebCell, people: People
) -> None:
    async def pages() -> list[str]:
        found, cursor = [], ""
        while True:
            target = "/api/v3/jobs?pageSize=1" + (f"&cursor={cursor}" if cursor else "")
            page = (
                await answer(web.app, "GET", target, None, bearer(people.tokens["looker"]))
            ).json
            found += [each["id"] for each in page["items"]]
            if not page["pagination"]["hasMore"]:
                return found
            cursor = page["pagination"]["cursor"]

    assert asyncio.run(pages()) == ["of-ada", "of-eve"]
