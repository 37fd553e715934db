"""A task that ran out of something says so first, and says how much: from Mesos' bytes to a reader.

The event is one as an agent sends it; it goes through the connector's translation into a cell that
a view follows, and what `flumina why`, `flumina tasks` and v3 show is read there.
"""

import msgspec
import orjson
import pytest

from connectors.client.shapes import Task as ShownTask
from connectors.mesos.translate import StreamIdentity, heard
from projections.v3 import task_json
from scheduler.model.mesos import StatusUpdate
from tests.support.cell import batch
from tests.unit.projections.watched import watched_cell

OUT_OF_MEMORY = (
    "Memory limit exceeded: Requested: 64MB Maximum Used: 65.5MB\n\n"
    "MEMORY STATISTICS: \ncache 4096\nrss 67104768\n"
)
OUT_OF_DISK = "Disk usage (20MB) exceeds quota (10MB)"


def _event(task_id: str, host_id: str, reason: str, message: str) -> bytes:
    """The UPDATE of a task that was ended for ``reason``."""
    status = {
        "task_id": {"value": task_id},
        "agent_id": {"value": host_id},
        "state": "TASK_FAILED",
        "source": "SOURCE_AGENT",
        "reason": reason,
        "message": message,
        "uuid": "x3bSgzWTRzS0vq2JcZuG4w==",
        "limitation": {"resources": [{"name": "mem", "type": "SCALAR", "scalar": {"value": 65.5}}]},
    }
    return orjson.dumps({"type": "UPDATE", "update": {"status": status}})


@pytest.mark.parametrize(
    ("reason", "message", "plain"),
    [
        ("MEMORY", OUT_OF_MEMORY, "out of memory: used 65.5 MiB of 64 MiB"),
        ("DISK", OUT_OF_DISK, "out of disk space: used 20 MiB of 10 MiB"),
        ("MEMORY", "Memory limit exceeded", "out of memory"),
        ("MEMORY", "", "out of memory"),
    ],
)
def test_whoever_reads_of_the_end_reads_what_ran_out(reason: str, message: str, plain: str) -> None:
    cell = watched_cell()
    (task_id,) = cell.run(batch(retries=0))
    raw = _event(
        task_id, str(cell.host_of(task_id)), f"REASON_CONTAINER_LIMITATION_{reason}", message
    )
    identity = StreamIdentity(cell.stream_id, cell.epoch, "m:5050")
    (update,) = heard(raw, identity).records
    assert isinstance(update, StatusUpdate)
    cell.copy("mesos", update)

    said = cell.says(task_id)
    assert plain in said
    assert "rss 67104768" not in said, "the kernel's list stays in the record"
    found = task_json(cell.view, task_id, "")
    assert found is not None
    status = found["status"]
    assert (status["state"], status["reasonCode"]) == ("Finished", "failed")
    assert status["reasonMessage"].startswith(plain)
    assert message.partition("\n")[0] in status["reasonMessage"]
    shown = msgspec.convert(found, ShownTask, strict=False)
    assert shown.status.reason == f"failed: {plain}"


def test_the_record_keeps_all_that_mesos_said() -> None:
    raw = _event("t", "h", "REASON_CONTAINER_LIMITATION_MEMORY", OUT_OF_MEMORY)
    (update,) = heard(raw, StreamIdentity(watched_cell().stream_id, 1, "m:5050")).records
    assert "rss 67104768" in msgspec.structs.asdict(update)["message"]


def test_any_other_end_is_told_in_its_own_words() -> None:
    raw = _event("t", "h", "REASON_COMMAND_EXECUTOR_FAILED", OUT_OF_DISK)
    (update,) = heard(raw, StreamIdentity(watched_cell().stream_id, 1, "m:5050")).records
    assert msgspec.structs.asdict(update)["message"] == OUT_OF_DISK
