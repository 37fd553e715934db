"""What cannot run on this computer alone is named by its field; what can be left out is noted."""

from typing import Any

import orjson
import pytest

from scheduler.model.descriptor import decode_descriptor
from scheduler.model.job import JobSpec
from streams.local.fitting import faults_here, notes_here, room_of

ROOM = room_of("cpus:2;mem:1024;disk:1000;gpus:1;widgets:2;ports:[31000-31001]")


def spec(container: dict[str, Any] | None = None, **kind: object) -> JobSpec:
    given = container or {}
    needed = {"cpu": 0.5, "memoryMB": 64, **given.pop("resources", {})}
    job = {
        "owner": {"teamEmail": "a@example.org"},
        "applicationName": "app",
        "container": {"command": ["true"], **given, "resources": needed},
        **(kind or {"batch": {"size": 1, "runtimeLimitSec": 60}}),
    }
    found = decode_descriptor(orjson.dumps(job))
    assert isinstance(found, JobSpec), found
    return found


def fields(found: JobSpec) -> list[str]:
    return [each.field for each in faults_here(found, ROOM)]


def test_a_host_s_room_is_read_as_the_dev_cluster_reads_it() -> None:
    assert (ROOM.cpu_milli, ROOM.memory_mib, ROOM.disk_mib) == (2_000, 1_024, 1_000)
    assert (ROOM.ports, ROOM.gpus, ROOM.scalars) == (2, 1, (("widgets", 2_000),))


def test_what_fits_has_no_fault() -> None:
    assert fields(spec({"resources": {"ports": 2, "gpu": 1, "scalars": {"widgets": 2}}})) == []
    assert fields(spec(service={"capacity": {"min": 1, "desired": 1, "max": 1}})) == []


@pytest.mark.parametrize(
    ("resources", "field"),
    [
        ({"cpu": 2.5}, "cpu"),
        ({"memoryMB": 2_048}, "memoryMB"),
        ({"diskMB": 2_000}, "diskMB"),
        ({"ports": 3}, "ports"),
        ({"gpu": 2}, "gpu"),
        ({"scalars": {"widgets": 3}}, "scalars.widgets"),
        ({"scalars": {"gadgets": 1}}, "scalars.gadgets"),
    ],
)
def test_more_than_the_host_has_is_a_fault(resources: dict[str, object], field: str) -> None:
    assert fields(spec({"resources": resources})) == [f"container.resources.{field}"]


def test_what_only_a_cell_has_is_a_fault() -> None:
    sealed = "flumina-sealed:1:AAAAAAAAAAAAAAAA.1:" + "A" * 40
    assert fields(spec({"env": {"KEY": sealed}})) == ["container.env.KEY"]
    workers = {"workers": 1, "retryPolicy": {"immediate": {"retries": 0}}}
    assert fields(spec(stream=workers)) == ["stream"]
    firing = {"schedule": "0 3 * * *", "batch": {"size": 1, "runtimeLimitSec": 60}}
    assert fields(spec(cron=firing)) == ["cron"]
    mount = {"efsId": "fs-1", "mountPoint": "/data", "mountPerm": "RW"}
    asked = spec({"resources": {"efsMounts": [mount]}})
    assert fields(asked) == ["container.resources.efsMounts"]


def test_what_is_left_out_is_noted() -> None:
    assert notes_here(spec()) == ()
    asked = spec(
        {
            "image": {"name": "library/busybox", "tag": "1"},
            "securityProfile": {"iamRole": "app-role", "securityGroups": ["sg-1"]},
        }
    )
    assert [note.split(" ")[0] for note in notes_here(asked)] == [
        "container.image",
        "container.securityProfile.iamRole",
        "container.securityProfile.securityGroups",
    ]
