"""Volumes as ZFS datasets: what the provider promises, asked of the real `zfs` where it is.

How: a pool over a file, made for this test. Without `zfs`, or the right to make a pool, it skips
and says so; nothing stands in for ZFS.
"""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.objects.directory import DirectoryStore
from connectors.ports import VolumeAsk, VolumeRefused, VolumeTold
from connectors.volumes.zfs import ZfsVolumes, has_zfs
from scheduler.model.volumes import VolumeId

VOLUME = VolumeId("db-volume-data-0")
ZFS_NEEDED = "needs ZFS: there is no `zfs` command here"


class Pool:
    """A pool of this test, and the provider over it."""

    def __init__(self, name: str, home: Path) -> None:
        self.store = DirectoryStore(home / "store")
        self.provider = ZfsVolumes(name, lambda: self.store)

    def do(self, verb: Any, work: int = 1, **given: Any) -> VolumeTold:
        values: dict[str, Any] = {"volume_id": VOLUME, "cell": "main", "host": "here"}
        ask = VolumeAsk(verb=verb, work=work, size_mib=32, **(values | given))
        return self.provider.carry_out(ask)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    if not has_zfs():
        pytest.skip(ZFS_NEEDED)
    disk, name = tmp_path / "disk", f"flumina-{uuid.uuid4().hex[:8]}"
    with disk.open("wb") as file:
        file.truncate(256 << 20)
    zpool = shutil.which("zpool") or "zpool"
    command = [zpool, "create", "-m", str(tmp_path / "pool"), name, str(disk)]
    made = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if made.returncode:
        pytest.skip(f"needs the right to make a ZFS pool: {made.stderr.decode()[:200]}")
    yield Pool(name, tmp_path)
    subprocess.run([zpool, "destroy", "-f", name], timeout=60, check=False)


def test_a_dataset_lives_its_life(pool: Pool) -> None:
    pool.do("create")
    pool.do("create")
    data = Path(pool.do("attach").path)
    (data / "a").write_text("one")
    kept = pool.do("snapshot", snapshot="before").reference
    (data / "a").write_text("two")
    pool.do("clone", 2, target="copy")
    pool.do("restore", 3, snapshot="before", snapshot_reference=kept)
    assert (data / "a").read_text() == "one"
    assert Path(pool.do("attach", volume_id="copy").path, "a").read_text() == "two"
    with pytest.raises(OSError, match=r"quota|space"):
        (data / "big").write_bytes(b"x" * (64 << 20))
    (data / "big").unlink()
    with pytest.raises(VolumeRefused, match="dependent clones"):
        pool.do("delete", 4)


def test_an_archive_comes_back(pool: Pool) -> None:
    pool.do("create")
    Path(pool.do("attach").path, "a").write_text("one")
    key = pool.do("archive", 5).reference
    with pytest.raises(VolumeRefused, match="does not exist"):
        pool.do("attach", 6)
    pool.do("restore", 7, target="here", archive=key)
    assert Path(pool.do("attach", 8).path, "a").read_text() == "one"


@pytest.mark.parametrize("name", ["-rf", "a/b", "a@b", "", "a b", ".."])
def test_no_name_becomes_another_word_of_the_command(name: str, tmp_path: Path) -> None:
    provider = ZfsVolumes("tank/f", lambda: DirectoryStore(tmp_path))
    ask = VolumeAsk("create", VolumeId(name), "main", 1, host="here", size_mib=1)
    with pytest.raises(VolumeRefused, match="cannot be a word"):
        provider.carry_out(ask)


def test_without_zfs_it_is_refused_in_words(tmp_path: Path) -> None:
    before = ["no-such-command-for-{host}"]
    provider = ZfsVolumes("tank/f", lambda: DirectoryStore(tmp_path), before)
    ask = VolumeAsk("create", VOLUME, "main", 1, host="here", size_mib=1)
    with pytest.raises(VolumeRefused, match="no command no-such-command-for-here"):
        provider.carry_out(ask)
