"""An agent's side for operators: its views, its containers, and the files of its sandboxes.

What the tests need in a sandbox they put there themselves, by the directory that /state tells.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.mesos_master.master_client import Framework, Json, agents, request
from tests.contract.mesos_master.operator_client import await_view, get, operate, told

pytestmark = pytest.mark.integration


@dataclass
class Sandbox:
    """The sandbox of a running task, and its agent's port."""

    port: int
    framework_id: str
    directory: str

    @property
    def virtual(self) -> str:
        """Its path as people write it."""
        return f"/frameworks/{self.framework_id}/executors/owner/runs/latest"


@pytest.fixture(scope="module")
def sandbox(cluster: object) -> Iterator[Sandbox]:
    """One sandbox for all tests of this file, with files in it."""
    master: int = cluster.port  # type: ignore[attr-defined]
    with Framework(master, name="files") as one:
        status = one.run("owner")
        zones = {agent_id: zone for zone, agent_id in agents(master).items()}
        port = master + int(zones[status["agent_id"]["value"]].removeprefix("z"))
        frameworks = get(port, "/state")["frameworks"]
        mine = next(f for f in frameworks if f["id"] == one.framework_id)
        directory = Path(mine["executors"][0]["directory"])
        (directory / "data.txt").write_text("0123456789")
        (directory / "big").write_bytes(b"x" * 200_000)
        (directory / "sub").mkdir()
        (directory / "out").symlink_to("/etc/passwd")
        (directory / "out-folder").symlink_to("/etc")
        (directory / "in").symlink_to("data.txt")
        yield Sandbox(port, one.framework_id, str(directory))


def ask(sandbox: Sandbox, what: str, path: str, query: str = "") -> tuple[int, str]:
    """Status and text of what a /files endpoint answers; ``D`` and ``V`` begin a path."""
    for letter, folder in (("D", sandbox.directory), ("V", sandbox.virtual)):
        if path == letter or path.startswith(letter + "/"):
            path = folder + path[1:]
    reply = request(sandbox.port, "GET", f"/files/{what}?path={path}{query}")
    return reply.status, reply.text


@pytest.mark.parametrize(
    ("path", "query", "data", "offset"),
    [
        ("D/data.txt", "&offset=0", "0123456789", 0),
        ("V/data.txt", "&offset=0", "0123456789", 0),
        ("D/data.txt", "&offset=3&length=2", "34", 3),
        ("D/data.txt", "&offset=0&length=-1", "0123456789", 0),
        # Offset -1, and none, ask for the size.
        ("D/data.txt", "&offset=-1", "", 10),
        ("D/data.txt", "", "", 10),
        ("D/data.txt", "&offset=20&length=1", "", 20),
        ("D/data.txt", "&offset=0&length=0", "", 0),
        ("D/in", "&offset=0", "0123456789", 0),
        ("D//data.txt", "&offset=0&length=1", "0", 0),
        ("D/sub/../data.txt", "&offset=0&length=1", "0", 0),
        ("V/sub/../../latest/data.txt", "&offset=0&length=1", "0", 0),
        ("D/data.txt%00x", "&offset=0&length=1", "0", 0),
    ],
)
def test_parts_of_a_file(sandbox: Sandbox, path: str, query: str, data: str, offset: int) -> None:
    status, text = ask(sandbox, "read", path, query)
    assert (status, json.loads(text)) == (200, {"data": data, "offset": offset})


def test_no_more_than_sixteen_pages_at_once(sandbox: Sandbox) -> None:
    for query in ("&offset=0", "&offset=0&length=150000"):
        _, text = ask(sandbox, "read", "D/big", query)
        assert len(json.loads(text)["data"]) == 65536


@pytest.mark.parametrize(
    ("path", "query", "text"),
    [
        ("D/data.txt", "&offset=-2", "Negative offset provided: -2.\n"),
        ("D/data.txt", "&offset=0&length=-5", "Negative length provided: -5.\n"),
        (
            "D/data.txt",
            "&offset=a",
            "Failed to parse offset: Failed to convert 'a' to number.\n",
        ),
        (
            "D/data.txt",
            "&offset=0&length=b",
            "Failed to parse length: Failed to convert 'b' to number.\n",
        ),
        ("D/sub", "&offset=0", "Cannot read a directory.\n"),
        ("D/.", "&offset=0", "Cannot read a directory.\n"),
    ],
)
def test_what_cannot_be_read(sandbox: Sandbox, path: str, query: str, text: str) -> None:
    assert ask(sandbox, "read", path, query) == (400, text)


@pytest.mark.parametrize("what", ["read", "browse", "download"])
@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("", {400}),
        ("D/..", {400}),
        ("D/out", {400}),
        ("D/out-folder", {400}),
        ("D/out-folder/passwd", {400, 404}),
        ("/etc/passwd", {404}),
        ("etc/passwd", {404}),
        ("D/nope", {404}),
        ("D/%2e%2e/%2e%2e", {400}),
        (
            "D/../../../../../../../../../../../../../../../../../../../../../../etc/passwd",
            {400, 404},
        ),
        ("D/%252e%252e", {404}),
        ("V/../../../..", {400, 404}),
    ],
)
def test_no_way_leads_out(sandbox: Sandbox, what: str, path: str, statuses: set[int]) -> None:
    status, text = ask(sandbox, what, path, "&offset=0")
    assert status in statuses
    assert "root:" not in text


def test_a_folder_is_listed(sandbox: Sandbox) -> None:
    for folder in ("D", "V"):
        status, text = ask(sandbox, "browse", folder)
        found = {Path(entry["path"]).name: entry for entry in json.loads(text)}
        assert status == 200
        assert {"stdout", "stderr", "data.txt", "sub"} <= found.keys()
        entry = found["data.txt"]
        assert entry.keys() == {"gid", "mode", "mtime", "nlink", "path", "size", "uid"}
        assert (entry["mode"], entry["size"], entry["nlink"]) == ("-rw-r--r--", 10, 1)
        assert found["sub"]["mode"].startswith("d")
    assert ask(sandbox, "browse", "D/data.txt") == (200, "[]")


def test_a_file_is_downloaded(sandbox: Sandbox) -> None:
    path = f"/files/download?path={sandbox.directory}/data.txt"
    reply = request(sandbox.port, "GET", path)
    assert (reply.status, reply.text) == (200, "0123456789")
    assert reply.headers["content-disposition"] == "attachment; filename=data.txt"
    assert reply.headers["content-type"].startswith("text/plain")
    assert ask(sandbox, "download", "D/sub") == (400, "Cannot download a directory.\n")


def test_which_paths_there_are(sandbox: Sandbox) -> None:
    assert get(sandbox.port, "/files/debug")[sandbox.virtual] == sandbox.directory


def test_files_over_the_v1_api(sandbox: Sandbox) -> None:
    port, directory = sandbox.port, sandbox.directory
    listed = told(port, "LIST_FILES", {"path": directory})["file_infos"]
    entry = next(f for f in listed if f["path"] == f"{directory}/data.txt")
    assert (entry["size"], entry["mode"], entry["nlink"]) == (10, 0o100644, 1)
    assert entry["mtime"]["nanoseconds"] > 10**18
    body: Json = {"path": f"{directory}/data.txt", "offset": 2, "length": 3}
    assert told(port, "READ_FILE", body) == {"size": 10, "data": "MjM0"}
    del body["length"]
    assert told(port, "READ_FILE", body) == {"size": 10, "data": "MjM0NTY3ODk="}
    for wrong, status in (("sub", 400), ("nope", 404), ("out", 400)):
        reply = operate(port, "READ_FILE", {"path": f"{directory}/{wrong}", "offset": 0})
        assert (reply.status, "root:" in reply.text) == (status, False)


@pytest.mark.parametrize("prefix", ["", "/slave(1)"])
@pytest.mark.parametrize("name", ["state", "containers", "monitor/statistics", "flags", "health"])
def test_views_of_an_agent(sandbox: Sandbox, prefix: str, name: str) -> None:
    assert request(sandbox.port, "GET", f"{prefix}/{name}").status == 200


def test_a_container_and_its_executor(sandbox: Sandbox) -> None:
    def mine() -> Json:
        rows = get(sandbox.port, "/containers")
        return dict(next(r for r in rows if r["framework_id"] == sandbox.framework_id))

    row = mine()
    assert (row["executor_id"], row["source"]) == ("owner", "owner")
    assert row["container_id"] == Path(sandbox.directory).name
    assert row["status"]["executor_pid"] > 0
    usage = await_view(lambda: mine().get("statistics"))
    assert usage["mem_rss_bytes"] > 0
    assert {"timestamp", "cpus_user_time_secs", "mem_limit_bytes"} <= usage.keys()
    listed = told(sandbox.port, "GET_CONTAINERS", {})["containers"]
    shown = next(c for c in listed if c["framework_id"]["value"] == sandbox.framework_id)
    assert shown["container_id"] == {"value": row["container_id"]}
    assert shown["resource_statistics"]["mem_rss_bytes"] > 0


def test_an_agents_tasks_and_metrics(sandbox: Sandbox) -> None:
    port = sandbox.port
    state = told(port, "GET_STATE")
    launched = state["get_tasks"]["launched_tasks"]
    item = next(t for t in launched if t["framework_id"]["value"] == sandbox.framework_id)
    assert (item["task_id"]["value"], item["state"]) == ("owner", "TASK_RUNNING")
    assert told(port, "GET_TASKS")["launched_tasks"] == launched
    executors = [
        e["executor_info"]
        for e in told(port, "GET_EXECUTORS")["executors"]
        if e["executor_info"]["framework_id"]["value"] == sandbox.framework_id
    ]
    assert [e["executor_id"]["value"] for e in executors] == ["owner"]
    assert executors[0]["name"].startswith("Command Executor (Task: owner) (Command: sh -c '")
    info = told(port, "GET_AGENT")["agent_info"]
    assert info.keys() >= {"hostname", "port", "resources", "attributes", "id"}
    assert told(port, "GET_HEALTH") == {"healthy": True}
    metrics = get(port, "/metrics/snapshot")
    assert metrics["slave/registered"] == 1.0
    assert metrics["slave/tasks_running"] >= 1.0
    assert (metrics["slave/cpus_total"], metrics["slave/mem_total"]) == (4.0, 8192.0)
    assert metrics["slave/cpus_used"] >= 0.1


@pytest.mark.parametrize(
    "kind", ["GET_METRICS", "LIST_FILES", "READ_FILE", "LAUNCH_CONTAINER", "WAIT_NESTED_CONTAINER"]
)
def test_a_call_without_its_body(sandbox: Sandbox, kind: str) -> None:
    reply = operate(sandbox.port, kind)
    text = f"Failed to validate agent::Call: Expecting '{kind.lower()}' to be present"
    assert (reply.status, reply.text) == (400, text)
