"""Archives of others: what leads outside, is damaged, locked or a bomb ends as a refusal.

How: a volume's archive in a real store is exchanged for a bad one and restored; a task's URI names
a bad archive and is fetched. Nothing may stand outside of where it was to go. Bundles are tried by
`tests/fuzz`.
"""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from connectors.devcluster.agent import executor_fetch
from connectors.devcluster.agent.executor_fetch import FetchError, fetch_all
from connectors.objects.directory import DirectoryStore
from connectors.ports import VolumeAsk, VolumeRefused
from connectors.volumes.directory import DirectoryVolumes
from scheduler.model.volumes import VolumeId


def _tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _link(name: str, to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


GOOD = _tar((tarfile.TarInfo("data/a"), b"hello"))
BAD = {
    "out by dots": _tar((tarfile.TarInfo("../../outside"), b"x")),
    "through a link": _tar(
        (_link("data", "../../.."), b""), (tarfile.TarInfo("data/outside"), b"x")
    ),
    "cut": GOOD[: len(GOOD) // 2],
    "without its end": GOOD[:-9],
    "bits turned": GOOD[:20] + bytes(each ^ 0x55 for each in GOOD[20:40]) + GOOD[40:],
    "no archive": b"hello",
    "empty": b"",
    "gzip of nothing known": gzip.compress(b"hello" * 1_000),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_of_a_volume_is_refused_and_nothing_stands_outside(
    tmp_path: Path, name: str
) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put_new("volumes/c/v/000001", BAD[name])
    root = tmp_path / "a" / "b" / "volumes"
    root.mkdir(parents=True)
    ask = VolumeAsk("restore", VolumeId("v"), "c", 2, target="host-1", archive="volumes/c/v/000001")
    with pytest.raises(VolumeRefused):
        DirectoryVolumes(root, lambda: store).carry_out(ask)
    assert not list(tmp_path.rglob("outside*"))


def _locked_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a", b"hello")
    data = bytearray(out.getvalue())
    data[6] |= 1  # the flag of encryption, in the member's head and in the directory
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


ZIPS = {
    "locked.zip": _locked_zip(),
    "cut.zip": _locked_zip()[:30],
    "cut.tar.gz": GOOD[: len(GOOD) // 2],
    "turned.tgz": BAD["bits turned"],
    "none.tar.xz": b"\xfd7zXZ\x00hello",
    "none.tar.bz2": b"BZh9hello",
}


@pytest.mark.parametrize("name", ZIPS)
def test_a_bad_archive_of_a_task_is_told_with_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(ZIPS[name])
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    with pytest.raises(FetchError, match="Failed to fetch"):
        fetch_all([{"value": str(tmp_path / name)}], str(sandbox))


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_fetch, "BYTES_MAX", 1_000_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", bytes(2_000_000))
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    with pytest.raises(FetchError, match="larger than 1000000 bytes"):
        fetch_all([{"value": str(tmp_path / "bomb.zip")}], str(sandbox))
    assert not (sandbox / "a").exists()
