"""GETs: lists in pages, single jobs and tasks, histories and reasons, and how old an answer is."""

from typing import Any

import pytest

from connectors.web.app import LOOPBACK_NAMES, web_app
from connectors.web.routes import ROUTES
from tests.support.asgi import call
from tests.support.cell import CellInMemory, running_cell
from tests.support.web_cell import WebCell, descriptor, service_descriptor

JOBS = "/api/v3/jobs"
TASKS = "/api/v3/tasks"


@pytest.fixture(scope="module")
def web() -> WebCell:
    """A service of three that runs, a batch job of two that ended, and one that waits for ever."""
    web = WebCell(running_cell(hosts=2))
    call(web.app, "POST", f"{JOBS}?jobId=s", service_descriptor(3), {"X-Flumina-Actor": "ada"})
    for task_id in web.cell.launched():
        web.cell.status(task_id, "TASK_RUNNING")
    web.cell.offer("host1", cpus=1, name="more")
    call(web.app, "POST", f"{JOBS}?jobId=b", descriptor(batch={"size": 2}))
    for task_id in web.cell.launched():
        web.cell.status(task_id, "TASK_RUNNING")
        web.cell.status(task_id, "TASK_FINISHED")
    resources = {"cpu": 64, "memoryMB": 64, "diskMB": 1}
    big = descriptor(container={"resources": resources, "command": ["true"]})
    call(web.app, "POST", f"{JOBS}?jobId=big", big)
    web.cell.decide_and_carry_out()
    return web


def _ids(web: WebCell, target: str) -> list[str]:
    found = call(web.app, "GET", target)
    assert found.status == 200, found.body
    return [each["id"] for each in found.json["items"]]


def test_lists_show_what_has_not_ended(web: WebCell) -> None:
    assert _ids(web, JOBS) == ["s", "big"]
    assert _ids(web, f"{JOBS}?jobState=Any") == ["s", "b", "big"]
    assert _ids(web, f"{TASKS}?taskStates=Finished") == ["b-worker-0-1", "b-worker-1-2"]


QUERIES = {
    "jobType=service": ["s"],
    "jobType=batch": ["big"],
    "jobIds=s,big": ["s", "big"],
    "jobIds=s&jobIds=big": ["s", "big"],
    "owner=nobody@example.org": [],
    "applicationName=app": ["s", "big"],
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_lets_through_what_it_says(web: WebCell, query: str) -> None:
    assert _ids(web, f"{JOBS}?{query}") == QUERIES[query]


def test_pages_follow_each_other(web: WebCell) -> None:
    seen: list[str] = []
    target = f"{TASKS}?pageSize=2"
    cursor, has_more = "", True
    while has_more:
        page = call(web.app, "GET", target + (f"&cursor={cursor}" if cursor else "")).json
        seen += [each["id"] for each in page["items"]]
        assert page["pagination"]["totalItems"] == 4
        cursor, has_more = page["pagination"]["cursor"], page["pagination"]["hasMore"]
    assert seen == ["s-worker-0-1", "s-worker-1-2", "s-worker-2-3", "big-worker-0-1"]


def test_fields_are_shown_alone(web: WebCell) -> None:
    page = call(web.app, "GET", f"{TASKS}?jobIds=s&pageSize=1&fields=status.state").json
    assert page["items"] == [{"id": "s-worker-0-1", "status": {"state": "Started"}}]


def test_a_task_says_where_it_is_and_where_its_log_is(web: WebCell) -> None:
    task = call(web.app, "GET", f"{TASKS}/s-worker-0-1").json
    assert task["jobId"] == "s"
    assert task["status"]["state"] == "Started"
    assert task["taskContext"]["agent.host"].startswith("name-of-host")
    log = task["logLocation"]["liveStream"]["url"]
    assert log == "/api/v3/tasks/s-worker-0-1/log?file=stdout"
    assert call(web.app, "GET", f"{TASKS}?taskIds=s-worker-0-1").json["items"] == [task]


def test_histories_name_addresses_that_exist(web: WebCell) -> None:
    lines = call(web.app, "GET", f"{TASKS}/s-worker-0-1/events").json["lines"]
    assert [each["what"] for each in lines][:3] == ["queued", "launch proposed", "effect started"]
    for line in lines:
        offset = int(line["address"].partition(":")[2].partition("[")[0])
        assert 0 <= offset < len(web.cell.log)
    own = call(web.app, "GET", f"{JOBS}/s/events").json["lines"]
    both = call(web.app, "GET", f"{JOBS}/s/events?tasks=true").json["lines"]
    assert len(both) > len(own)


def test_why_says_what_it_waits_for(web: WebCell) -> None:
    why = call(web.app, "GET", f"{TASKS}/big-worker-0-1/why").json
    assert (why["id"], why["state"]) == ("big-worker-0-1", "Accepted")
    assert why["sentences"]
    assert [each["address"] for each in why["chain"]] == sorted(
        each["address"] for each in why["chain"]
    )
    of_job = call(web.app, "GET", f"{JOBS}/s/why").json
    assert "ada" in of_job["sentences"][0]


UNKNOWN = [
    f"{JOBS}/nobody",
    f"{JOBS}/nobody/events",
    f"{JOBS}/nobody/why",
    f"{JOBS}/s-worker-0-1",
    f"{TASKS}/s-worker-0-99",
    f"{TASKS}/s-worker-0-99/events",
    f"{TASKS}/s-worker-0-99/why",
    f"{TASKS}/s-worker-0-99/log",
    f"{TASKS}/s",
]


@pytest.mark.parametrize("target", UNKNOWN)
def test_what_is_unknown_is_404_with_a_hint(web: WebCell, target: str) -> None:
    missing = call(web.app, "GET", target)
    assert missing.status == 404
    assert missing.json["errorDetails"]


def test_a_name_that_is_nearly_right_is_told(web: WebCell) -> None:
    missing = call(web.app, "GET", f"{TASKS}/s-worker-0-11").json
    assert "s-worker-0-1" in missing["errorDetails"]
    kind = call(web.app, "GET", f"{JOBS}/s-worker-0-1").json
    assert "/api/v3/tasks/s-worker-0-1" in kind["errorDetails"]


def test_a_name_from_outside_is_shown_so_that_no_terminal_obeys_it(web: WebCell) -> None:
    missing = call(web.app, "GET", f"{JOBS}/%1b[31mred")
    assert missing.status == 404
    assert "\x1b" not in missing.json["message"]
    assert "red" in missing.json["message"]


def test_every_answer_says_at_which_offset_it_is_true(web: WebCell) -> None:
    for target in (JOBS, f"{JOBS}/s", "/health", "/nowhere", f"{JOBS}/nobody"):
        answer = call(web.app, "GET", target)
        assert answer.headers["x-flumina-offset"] == str(len(web.cell.log) - 1)
        assert "x-flumina-stale" not in answer.headers


def test_a_head_has_the_headers_of_its_get(web: WebCell) -> None:
    got, head = (call(web.app, method, f"{JOBS}/s") for method in ("GET", "HEAD"))
    assert (head.status, head.headers) == (got.status, got.headers)


def test_the_state_counts_what_is_there(web: WebCell) -> None:
    state = call(web.app, "GET", "/api/flumina/state").json
    assert state["jobs"] == {"Accepted": 2, "Finished": 1}
    assert state["tasks"] == {"Accepted": 1, "Finished": 2, "Started": 3}
    assert state["leader"] == "cell-0"


# How far an answer is to be trusted

STANDINGS: dict[str, tuple[dict[str, Any], str, int]] = {
    # what: how it stands, a part of the stale header, the status of /health
    "current": ({}, "", 200),
    "ten seconds without a leader": ({"silent_ms": 10_000}, "", 200),
    "more than that": ({"silent_ms": 10_001}, "leader was last heard 10 s ago", 200),
    "a little behind": ({"lag_records": 1_000}, "", 200),
    "far behind": ({"lag_records": 1_001}, "behind the cell log by 1001", 503),
    "halted": ({"halt": "record 7\nis no JSON: \u00e9"}, "halted: record 7 is no JSON: ?", 503),
    "no word from Kafka": ({"kafka_silent_ms": 15_001}, "Kafka does not answer", 503),
    "never a word from Kafka": ({"kafka_silent_ms": None}, "Kafka does not answer", 503),
}


@pytest.mark.parametrize("case", STANDINGS)
def test_health_and_stale_reads(case: str) -> None:
    fields, part, status = STANDINGS[case]
    web = WebCell()
    call(web.app, "POST", f"{JOBS}?jobId=s", service_descriptor(1))
    for name, value in fields.items():
        setattr(web, name, value)
    health = call(web.app, "GET", "/health")
    assert health.status == status
    assert health.json["isHealthy"] is (status == 200)
    assert health.json["cell"] == "test"
    assert health.json["leader"] == "cell-0"
    assert health.json["epoch"] == web.cell.epoch
    assert health.json["offset"] == len(web.cell.log) - 1
    read = call(web.app, "GET", f"{JOBS}/s")
    assert read.status == 200  # Reads go on, and say that they are stale.
    for answer in (health, read):
        assert part in answer.headers.get("x-flumina-stale", "")
        assert bool(part) == ("x-flumina-stale" in answer.headers)
    serving = call(web.app, "GET", "/api/v3/status").json["servingStatus"]
    assert serving == ("SERVING" if status == 200 else "NOT_SERVING")


def test_a_stale_fold_says_so_in_its_sentences() -> None:
    web = WebCell()
    call(web.app, "POST", f"{JOBS}?jobId=s", service_descriptor(1))
    web.halt = "record 7 is no JSON"
    assert "record 7" in " ".join(call(web.app, "GET", f"{JOBS}/s/why").json["sentences"])
    web.halt = ""
    assert "record 7" not in " ".join(call(web.app, "GET", f"{JOBS}/s/why").json["sentences"])


def test_a_log_that_nobody_leads_or_has_read() -> None:
    led_by_nobody = WebCell(CellInMemory())
    answer = call(led_by_nobody.app, "GET", JOBS)
    assert answer.headers["x-flumina-stale"] == "no leader was ever elected"
    assert call(led_by_nobody.app, "GET", "/health").json["leaderSilentMs"] is None
    unread = WebCell(CellInMemory())
    unread.cell.log.clear()
    assert call(unread.app, "GET", "/health").status == 503


# What holds for every path


@pytest.mark.parametrize("path", ROUTES)
def test_every_path_refuses_other_methods_and_unknown_parameters(web: WebCell, path: str) -> None:
    target = path.replace("{id}", "s-worker-0-1" if "tasks" in path else "s")
    refused = call(web.app, "PATCH", target)
    assert refused.status == 405
    allowed = refused.headers["allow"].split(", ")
    assert set(ROUTES[path]) <= set(allowed) <= {*ROUTES[path], "HEAD"}
    published = len(web.published)
    for method in ROUTES[path]:
        body = {"why": "x"} if method in {"POST", "PUT"} else None
        headers = {"X-Flumina-Actor": "ada"}
        odd = call(web.app, method, f"{target}?odd=1", body, headers)
        assert odd.status == 400
        assert "odd" in odd.json["errorContext"]["constraintViolations"]
    assert len(web.published) == published


def test_a_page_of_another_site_cannot_call_a_loopback_server() -> None:
    web = WebCell()
    app = web_app(web, web.files, hosts=LOOPBACK_NAMES)
    for host in ("localhost:7100", "127.0.0.1", "[::1]:7100", "LOCALHOST:1"):
        assert call(app, "GET", "/health", headers={"Host": host}).status == 200
    for host in ("evil.example.org", "evil.example.org:7100", "", "127.0.0.1.example.org"):
        assert call(app, "GET", "/health", headers={"Host": host}).status == 421
