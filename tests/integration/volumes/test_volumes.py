"""Data stay with an index over replacements and a crash of the cell, and come back from an archive.

How: a real Kafka, a dev cluster of two agents that runs the tasks, and cell processes. Each start
of a task adds its id to a file of its volume, and it fails until three have; so the job ends well
only where every replacement found what those before it wrote. Then the volume is archived into a
store of files and restored to the other host.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.model.foreign_volumes import encode_order_volume
from scheduler.model.ids import JobId
from scheduler.model.volumes import VolumeId, volume_id_of
from scheduler.volumes.standing import Volume
from streams.supervise.ports import free_block
from tests.support.world import World, batch_of

pytestmark = pytest.mark.integration

ADD = 'echo "$TITUS_TASK_ID" >> "$FLUMINA_VOLUME_DATA/starts"; test "$(wc -l < data/starts)" -ge 3'
"""By the variable and by the link in the sandbox: both lead to the volume."""


@pytest.fixture
def world(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.setenv("FLUMINA_VOLUMES", f"directory={tmp_path / 'volumes'}")
    monkeypatch.setenv("FLUMINA_STORE", str(tmp_path / "store"))
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(3))
        there.start_cell("cell-1")
        yield there
    finally:
        there.close()


def volume_of(world: World, volume_id: VolumeId) -> Volume:
    return world.machine.state.volumes[volume_id]


def order(world: World, volume_id: VolumeId, what: str, argument: str = "") -> None:
    value = encode_order_volume(
        volume_id,
        what,  # type: ignore[arg-type]
        actor="test",
        why="test",
        argument=argument,
    )
    world.publish("commands", "test", value)


def test_data_stay_with_the_index_and_come_back_from_an_archive(world: World) -> None:
    job = batch_of(2, ADD, retries=9)
    source = {"provider": "directory", "sizeMB": 8}
    job["volumes"] = [{"name": "data", "persistentVolumeSource": source}]
    job["container"]["volumeMounts"] = [{"volumeName": "data", "mountPath": "/data"}]
    world.submit("db", job)
    ids = [volume_id_of(JobId("db"), "data", index) for index in range(2)]
    known = world.machine.state.volumes
    world.until(lambda: set(ids) <= known.keys(), "the volumes are wanted")
    world.kill_cell("cell-1")  # Whatever was begun with a volume, the next leader does it again.
    world.start_cell("cell-2")
    world.until(lambda: world.is_normal("db"), "each index has started three times")
    world.until(lambda: not world.machine.state.volume_works, "nothing is done with volumes")
    root = world.home / "volumes"
    for index, volume_id in enumerate(ids):
        volume = volume_of(world, volume_id)
        lines = (root / volume.host / volume_id / "data" / "starts").read_text().splitlines()
        assert [each.split("-worker-")[1].split("-")[0] for each in lines] == [str(index)] * 3
        assert len(set(lines)) == 3
    first = volume_of(world, ids[0])
    names = sorted(facts.hostname for facts in world.machine.state.hosts.values())
    other = next(each for each in names if each != first.host)
    order(world, ids[0], "archive")
    world.until(lambda: volume_of(world, ids[0]).state == "archived", "it is archived")
    assert not (root / first.host / ids[0]).exists()
    order(world, ids[0], "restore", other)
    world.until(lambda: volume_of(world, ids[0]).state == "ready", "it is restored")
    assert len((root / other / ids[0] / "data" / "starts").read_text().splitlines()) == 3
    world.check_sound()
