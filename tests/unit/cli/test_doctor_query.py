"""What `doctor` says of the query process.

How: a real server on loopback answers as the process does, or nobody does.
"""

from collections.abc import Iterator

import msgspec
import pytest

from streams.cli.doctor_query import query_findings
from streams.supervise.up_file import UpView
from tests.support.scripted_server import Server

VIEW = UpView(
    version=1,
    pid=1,
    started_at_ms=0,
    data_dir="/srv",
    api="http://127.0.0.1:9",
    kafka="127.0.0.1:9",
    topic_prefix="",
    mesos=(),
    dev_cluster=None,
    parts=(),
)


@pytest.fixture
def server() -> Iterator[Server]:
    """The process: first well, then without room, then something else."""
    there = Server(
        (200, {"readers": 3, "refused": 0}), (200, {"readers": 200, "refused": 7}), (200, {"no": 1})
    )
    try:
        yield there
    finally:
        there.shutdown()
        there.server_close()


def test_what_is_found(server: Server) -> None:
    """Well, full, strange, away; nothing where nothing runs."""
    running = msgspec.structs.replace(VIEW, console=server.url)
    found = [query_findings(running)[0] for _ in range(3)]
    assert [each.status for each in found] == ["ok", "warning", "failed"]
    assert "3 live queries" in found[0].text
    away = msgspec.structs.replace(VIEW, console="http://127.0.0.1:9/")
    assert query_findings(away)[0].status == "failed"
    assert query_findings(VIEW) == query_findings(None) == []
