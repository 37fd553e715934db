"""Which master leads, as the kernel tells, and what a master says that does not.

Locks of this kind are a process's, so another process holds the one that is looked at.
"""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from connectors.devcluster.master.leadership import Leadership, leader_of
from connectors.devcluster.master.standby import Front, Leading
from connectors.devcluster.node import ClusterConfig

HOLD = """
import sys
from pathlib import Path
from connectors.devcluster.master.leadership import Leadership
from connectors.devcluster.node import ClusterConfig
print(Leadership(ClusterConfig.read(Path(sys.argv[1])), sys.argv[2]).take(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def config(tmp_path: Path) -> ClusterConfig:
    """A cluster of two masters, of which none runs."""
    there = ClusterConfig(str(tmp_path), secrets.token_hex(4), port=7000, masters=2)
    there.write()
    return there


@contextmanager
def leading(config: ClusterConfig, node: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lead."""
    command = [sys.executable, "-c", HOLD, config.data_dir, node]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def asked(front: Front, path: str, query: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body of an answer."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": []}
    asyncio.run(front(scope, receive, send))
    headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1].get("body", b"")


def test_one_leads_and_the_kernel_says_who(config: ClusterConfig) -> None:
    assert leader_of(config) is None
    with leading(config, "master2") as process:
        leader = leader_of(config)
        assert leader is not None
        assert (leader.node, leader.url) == ("master2", "http://127.0.0.1:7001")
        assert leader.pid == process.pid
        assert not Leadership(config, "master1").take()
    # Its end, by kill -9, was enough; what it left in the file misleads nobody.
    assert leader_of(config) is None
    with leading(config, "master1"):
        leader = leader_of(config)
        assert leader is not None
        assert leader.node == "master1"


def test_an_address_counts_only_while_its_process_holds_the_lock(config: ClusterConfig) -> None:
    with leading(config, "master1"):
        path = config.root / "master" / "leader.lock"
        # So it is for a moment after a new leader has taken the lock.
        for text in ('{"node": "master2", "host": "127.0.0.1", "port": 7001, "pid": 1}', "", "{"):
            path.write_text(text)
            assert leader_of(config) is None


def test_a_standby_sends_everybody_to_the_leader(config: ClusterConfig) -> None:
    front = Front(config)
    with leading(config, "master1"):
        for path in ("/api/v1/scheduler", "/master/api/v1/scheduler", "/api/v1", "/state"):
            status, headers, _ = asked(front, path)
            assert (status, headers["location"]) == (307, f"//127.0.0.1:7000{path}")
        assert asked(front, "/tasks", b"limit=5")[1]["location"] == "//127.0.0.1:7000/tasks?limit=5"
        for path in ("/redirect", "/master/redirect"):
            assert asked(front, path)[1]["location"] == "//127.0.0.1:7000"


def test_without_a_leader_there_is_nobody_to_send_to(config: ClusterConfig) -> None:
    front = Front(config)
    for path in ("/api/v1/scheduler", "/redirect", "/state"):
        status, _, body = asked(front, path)
        assert (status, body) == (503, b"No leader elected")


def test_what_a_standby_answers_itself(config: ClusterConfig) -> None:
    front = Front(config)
    assert asked(front, "/health")[0] == 200
    assert b"1.11.0" in asked(front, "/master/version")[2]
    assert b'"master/elected":0.0' in asked(front, "/metrics/snapshot")[2]


def test_the_one_that_leads_answers_everything(config: ClusterConfig) -> None:
    front = Front(config)
    front.leading = Leading(
        PlainTextResponse("I lead"), lambda _stream_id, _body: None, lambda: None
    )
    assert asked(front, "/state")[2] == b"I lead"


def test_ports_of_masters_come_before_those_of_agents(config: ClusterConfig) -> None:
    assert config.node_names() == ["master1", "master2", "agent1", "agent2"]
    assert [config.port_of(n) for n in config.node_names()] == [7000, 7001, 7002, 7003]
