"""Health checks and checks: what is refused, what is told when, and what too many failures do.

What they lead to is compared on the dev cluster only: checks are made by executors, and for the
real Mesos' executors others stand in. There the words of its sources count.
"""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_master.executor_client import zone_of
from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    QUIET_S,
    Framework,
    Json,
    await_agents,
    task,
)

pytestmark = pytest.mark.integration

FAST: Json = {"delay_seconds": 0, "interval_seconds": 0.1, "grace_period_seconds": 0}
FAST_CHECK: Json = {"delay_seconds": 0, "interval_seconds": 0.1}
HEALTH = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
CHECK = "REASON_TASK_CHECK_STATUS_UPDATED"

COMMAND: Json = {"type": "COMMAND", "command": {"command": {"value": "true"}}}
REFUSED: dict[str, tuple[Json, str]] = {
    "nothing": ({}, "CheckInfo must specify 'type'"),
    "no command": ({"type": "COMMAND"}, "Expecting 'command' to be set for COMMAND check"),
    "an empty command": (
        {"type": "COMMAND", "command": {"command": {}}},
        "Command check must contain 'shell command'",
    ),
    "a negative delay": (
        {**COMMAND, "delay_seconds": -1},
        "Expecting 'delay_seconds' to be non-negative",
    ),
    "a relative path": (
        {"type": "HTTP", "http": {"port": 80, "path": "x"}},
        "The path 'x' of HTTP check must start with '/'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_check_that_makes_no_sense_is_an_error(port: int, name: str) -> None:
    check, text = REFUSED[name]
    with Framework(port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("wrong", offer, check=check)])
        status = framework.await_update("wrong")
        assert (status["state"], status["reason"]) == ("TASK_ERROR", "REASON_TASK_INVALID")
        assert status["message"] == f"Task uses invalid check: {text}"


@pytest.fixture
def dev_port(port: int, is_real: bool) -> int:
    """The port of the dev cluster's master."""
    if is_real:
        pytest.skip("the stand-in executors of the real Mesos make no checks")
    return port


def launched(framework: Framework, script: str = "exec sleep 600", /, **more: object) -> Json:
    """Launch a task named ``checked``; its RUNNING status, acknowledged."""
    offer = framework.offers()[0]
    framework.launch([offer], [task("checked", offer, script, **more)])
    status = framework.await_state("checked", "TASK_RUNNING")
    framework.acknowledge(status)
    return status


def health(framework: Framework) -> tuple[str, bool | None]:
    """State and health of the next status, acknowledged."""
    status = framework.await_update("checked")
    framework.acknowledge(status)
    if status["state"] == "TASK_RUNNING":
        assert (status["reason"], status["source"]) == (HEALTH, "SOURCE_EXECUTOR")
    return status["state"], status.get("healthy")


def command(value: str, **more: object) -> Json:
    """A health check by this command."""
    return {"type": "COMMAND", "command": {"value": value}, **FAST, **more}


@contextmanager
def web(status: dict[str, int]) -> Iterator[int]:
    """A web server that answers /x with the status there is for x; the answer is its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code = status[self.path.strip("/")]
            self.send_response(code)
            if code == 302:
                self.send_header("Location", "/there")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_the_first_success_is_told_and_later_ones_are_not(dev_port: int) -> None:
    with Framework(dev_port) as framework:
        status = launched(framework, health_check=command("true"))
        assert "healthy" not in status
        assert health(framework) == ("TASK_RUNNING", True)
        assert not [e for e in framework.events_for(QUIET_S) if e["type"] == "UPDATE"]


def test_failures_are_told_one_by_one_and_a_success_after_them(
    dev_port: int, tmp_path: Path
) -> None:
    with Framework(dev_port) as framework:
        sick = tmp_path / "sick"
        check = command(f"test ! -e '{sick}'", consecutive_failures=1000)
        launched(framework, health_check=check)
        assert health(framework) == ("TASK_RUNNING", True)
        sick.touch()
        for _ in range(3):
            assert health(framework) == ("TASK_RUNNING", False)
        sick.unlink()
        found = health(framework)
        while found == ("TASK_RUNNING", False):
            found = health(framework)
        assert found == ("TASK_RUNNING", True)


def test_too_many_failures_in_a_row_kill_the_task(dev_port: int) -> None:
    capabilities = [{"type": "PARTITION_AWARE"}, {"type": "TASK_KILLING_STATE"}]
    with Framework(dev_port, capabilities=capabilities) as framework:
        launched(framework, health_check=command("false", consecutive_failures=2))
        told = [health(framework) for _ in range(4)]
        assert told == [
            ("TASK_RUNNING", False),
            ("TASK_RUNNING", False),
            ("TASK_KILLING", None),
            ("TASK_KILLED", False),
        ]


def test_failures_within_the_grace_are_not_counted(dev_port: int) -> None:
    with Framework(dev_port) as framework:
        check = command("false", consecutive_failures=1, grace_period_seconds=1.0)
        launched_at = time.monotonic()
        launched(framework, health_check=check)
        assert health(framework) == ("TASK_RUNNING", False)
        assert time.monotonic() - launched_at > 0.9
        assert health(framework) == ("TASK_KILLED", False)


def test_a_check_that_takes_too_long_has_failed_and_leaves_nothing(
    dev_port: int, tmp_path: Path
) -> None:
    with Framework(dev_port) as framework:
        pid = tmp_path / "pid"
        slow = f"sleep 600 & echo $! > '{pid}'; wait"
        launched(framework, health_check=command(slow, consecutive_failures=1, timeout_seconds=0.5))
        assert health(framework) == ("TASK_RUNNING", False)
        assert health(framework) == ("TASK_KILLED", False)
        deadline = time.monotonic() + PATIENCE_S
        while Path(f"/proc/{int(pid.read_text())}").exists():
            assert time.monotonic() < deadline, "the check's own child is still there"
            time.sleep(0.01)


def test_a_command_check_runs_where_the_task_does(dev_port: int) -> None:
    variables = [{"name": "COLOUR", "value": "red"}]
    check = command('[ "$COLOUR" = red ] && [ "$MESOS_TASK_ID" = checked ] && [ -e made ]')
    run = {"value": "touch made; exec sleep 600", "environment": {"variables": variables}}
    with Framework(dev_port) as framework:
        launched(framework, command=run, health_check=check)
        found = health(framework)
        while found == ("TASK_RUNNING", False):  # The task may not have come so far.
            found = health(framework)
        assert found == ("TASK_RUNNING", True)


@pytest.mark.parametrize(
    ("path", "is_healthy"), [("ok", True), ("moved", True), ("missing", False), ("error", False)]
)
def test_http(dev_port: int, path: str, is_healthy: bool) -> None:
    answers = {"ok": 200, "moved": 302, "there": 204, "missing": 404, "error": 500}
    with web(answers) as number, Framework(dev_port) as framework:
        check = {"type": "HTTP", "http": {"port": number, "path": f"/{path}"}, **FAST}
        launched(framework, health_check=check)
        assert health(framework) == ("TASK_RUNNING", is_healthy)


def test_tcp(dev_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Framework(dev_port) as framework:
        check = {"type": "TCP", "tcp": {"port": server.getsockname()[1]}, **FAST}
        launched(framework, health_check=check)
        assert health(framework) == ("TASK_RUNNING", True)
        server.close()
        assert health(framework) == ("TASK_RUNNING", False)


def test_a_killed_task_is_checked_no_more(dev_port: int) -> None:
    with Framework(dev_port) as framework:
        script = "trap '' TERM; while :; do sleep 0.1; done"
        launched(framework, script, health_check=command("true"))
        assert health(framework) == ("TASK_RUNNING", True)
        framework.kill("checked", kill_policy={"grace_period": {"nanoseconds": 500_000_000}})
        status = framework.await_update("checked")
        assert status["state"] == "TASK_KILLED"
        assert "healthy" not in status


def test_a_check_tells_each_new_result(dev_port: int, tmp_path: Path) -> None:
    result = tmp_path / "result"
    result.write_text("7")
    inner = {"value": f"exit $(cat '{result}')"}
    check = {"type": "COMMAND", "command": {"command": inner}, **FAST_CHECK}
    with Framework(dev_port) as framework:
        status = launched(framework, check=check)
        # Until there is a result, the status says that there is a check.
        assert status["check_status"] == {"type": "COMMAND", "command": {}}
        for expected in (7, 0):
            status = framework.await_update("checked")
            framework.acknowledge(status)
            assert (status["state"], status["reason"]) == ("TASK_RUNNING", CHECK)
            assert status["check_status"]["command"] == {"exit_code": expected}
            result.write_text("0")
        assert not [e for e in framework.events_for(QUIET_S) if e["type"] == "UPDATE"]


def test_checks_by_http_and_tcp(dev_port: int) -> None:
    with web({"gone": 410}) as number, Framework(dev_port) as framework:
        check = {"type": "HTTP", "http": {"port": number, "path": "/gone"}, **FAST_CHECK}
        launched(framework, check=check, health_check=command("true"))
        found: Json = {}
        while not {"healthy", "check_status"} <= found.keys() or not found["check_status"]["http"]:
            found = framework.await_update("checked")
            framework.acknowledge(found)
        # Both are in each status, the newest of either.
        assert found["check_status"] == {"type": "HTTP", "http": {"status_code": 410}}
        assert found["healthy"] is True


def test_health_goes_on_while_the_agent_is_away(
    cluster: Cluster, dev_port: int, tmp_path: Path
) -> None:
    with Framework(dev_port) as framework:
        sick = tmp_path / "sick"
        check = command(f"test ! -e '{sick}'", consecutive_failures=10_000)
        status = launched(framework, health_check=check)
        assert health(framework) == ("TASK_RUNNING", True)
        node = zone_of(framework, status["agent_id"]["value"])
        cluster.kill(node)
        sick.touch()
        cluster.start(node)
        # On a busy computer the agent may be given up meanwhile, and that is told first.
        while (status := framework.await_update("checked")).get("healthy") is not False:
            framework.acknowledge(status)
        assert (status["state"], status["reason"]) == ("TASK_RUNNING", HEALTH)
        framework.acknowledge(status)
        await_agents(dev_port, {"z1", "z2"})
