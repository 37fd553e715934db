"""Task logs over real parts: an agent killed while it ships, bytes given back, a host that is gone.

A job writes more than a host keeps, and rotates a log of its own, while its agent is killed and
comes back. The API joins host and store; then the host is gone, and the store alone answers.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.objects.directory import DirectoryStore
from scheduler.model.task import Finished, Started
from tests.support.api_process import ApiProcess
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

NUMBERS = 1_400_000
"""Ten MB in lines: two more than a host keeps once they are shipped."""
SERVICE = (
    f"seq 1 {NUMBERS}; echo begun >&2; sleep 4; seq {NUMBERS + 1} {NUMBERS + 10}; exec sleep 600"
)
BATCH = (
    "mkdir logs; for part in 1 2 3; do seq ${part}00 ${part}99 >>logs/a.log; "
    "while [ ! -e go$part ]; do sleep 0.1; done; mv logs/a.log logs/a.log.$part; done; "
    "echo last >>logs/a.log; printf end"
)


def _numbers(last: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(1, last + 1))


def _read_all(api: ApiProcess, task: str, file: str = "stdout") -> tuple[bytes, str]:
    """All that there is of the file, and the note of the last answer."""
    found, offset = bytearray(), 0
    while True:
        answer = api.ask("GET", f"/api/v3/tasks/{task}/log?file={file}&offset={offset}")
        assert answer.status == 200, answer
        if not answer.body:
            return bytes(found), answer.headers.get("x-flumina-log-note", "")
        found += answer.body
        offset = int(answer.headers["x-flumina-log-next-offset"])


def _until(condition: Callable[[], bool], what: str, timeout_s: float = 40.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.1)


def test_host_and_store_are_joined_also_when_the_host_is_gone(  # noqa: PLR0917 - fixtures
    world: World,
    cluster_port: int,
    tmp_path: Path,
    kafka: str,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = DirectoryStore(tmp_path / "store")
    monkeypatch.setenv("FLUMINA_STORE", store.url)
    cluster = world.start_cluster(cluster_port, agents=1, store_url=store.url)
    world.start_cell("one")
    api = ApiProcess(kafka, topic_prefix, tmp_path).until_ready()
    try:
        world.submit("s", service_of(1, SERVICE))
        world.until(lambda: world.are("s", Started, 1), "the service runs")
        (service,) = world.tasks("s")
        api.until_healthy()
        shipped = "task-logs/main/s/"
        _until(lambda: len(list(store.facts(shipped))) >= 9, "nine parts are in the store")
        cluster.kill("agent1")
        cluster.start_node("agent1")
        expected = _numbers(NUMBERS + 10)
        log = f"/api/v3/tasks/{service.task_id}/log?tail=true"
        api.until(log, lambda answer: answer.body.endswith(expected[-99:]), "the last lines")
        # For a moment the API does not ask a host again that did not answer, and says so.
        _until(lambda: not _read_all(api, service.task_id)[1], "the host is asked again")
        found = _read_all(api, service.task_id)[0]
        assert found == expected, "each byte once, from the store and from the host"
        agent = cluster.config.root / "agent1"
        (sandbox,) = agent.glob(f"work/**/{service.task_id}/runs/latest")
        facts = (sandbox / "stdout").stat()
        assert facts.st_blocks * 512 < facts.st_size, "the host has given some of it back"

        world.submit("b", batch_of(1, BATCH))
        world.until(lambda: world.are("b", Started, 1), "the batch job runs")
        (batch,) = world.tasks("b")
        (sandbox,) = agent.glob(f"work/**/{batch.task_id}/runs/latest")
        rows = b"".join(b"%d\n" % number for number in range(100, 400))
        log = f"/api/v3/tasks/{batch.task_id}/log?file=a.log"
        for part in (1, 2, 3):
            # A file that was renamed before anybody saw it would be one of its own.
            size = str(400 * part)
            api.until(
                log,
                lambda answer: answer.headers.get("x-flumina-log-size") == size,  # noqa: B023 - now
                f"part {part} is there",
            )
            (sandbox / f"go{part}").touch()
        world.until(lambda: world.are("b", Finished, 1), "the batch job has ended")
        assert _read_all(api, batch.task_id)[0] == b"end"
        assert _read_all(api, batch.task_id, "a.log")[0] == rows + b"last\n"
        done = f"task-logs/main/b/{batch.task_id}/"
        _until(lambda: any(f.key.endswith("complete.json") for f in store.facts(done)), "complete")

        cluster.kill("agent1", host=True)
        assert _read_all(api, batch.task_id)[0] == b"end"
        assert _read_all(api, batch.task_id, "a.log")[0] == rows + b"last\n"
        kept, note = _read_all(api, service.task_id)
        assert expected.startswith(kept)
        assert len(kept) >= 9 << 20
        assert "host cannot be asked" in note
        assert api.ask("GET", f"/api/v3/tasks/{service.task_id}/log?file=../../x").status == 400
    finally:
        api.close()
