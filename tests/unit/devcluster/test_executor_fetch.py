"""Fetching into a sandbox: where things land, and what is refused."""

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from connectors.devcluster.agent import executor_fetch
from connectors.devcluster.agent.executor_fetch import FetchError, fetch_all


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    folder = tmp_path / "sandbox"
    folder.mkdir()
    return folder


def tar_of(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, size: int = 1, **more: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in more.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize("output_file", [None, "b", "deep/er/c"])
def test_a_file_lands_under_its_name_or_the_wanted_one(
    tmp_path: Path, sandbox: Path, output_file: str | None
) -> None:
    (tmp_path / "a b").write_text("text")
    uri = {"value": f"file://{tmp_path}/a%20b"}
    if output_file is not None:
        uri["output_file"] = output_file
    fetch_all([uri], str(sandbox))
    assert (sandbox / (output_file or "a b")).read_text() == "text"


def test_executable_is_a_right_and_no_extraction(tmp_path: Path, sandbox: Path) -> None:
    path = tar_of(tmp_path / "run.tar", member("inner"))
    fetch_all([{"value": str(path), "executable": True}], str(sandbox))
    assert (sandbox / "run.tar").stat().st_mode & stat.S_IXUSR
    assert not (sandbox / "inner").exists()


def test_zip_keeps_rights(tmp_path: Path, sandbox: Path) -> None:
    entry = zipfile.ZipInfo("tool")
    entry.external_attr = 0o755 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(entry, "#!")
        file.writestr("plain/", "")
    fetch_all([{"value": str(tmp_path / "a.zip")}], str(sandbox))
    assert os.access(sandbox / "tool", os.X_OK)
    assert (sandbox / "plain").is_dir()


@pytest.mark.parametrize(
    "bad",
    [
        member("../out"),
        member("/etc/out"),
        member("link", 0, type=tarfile.SYMTYPE, linkname="../../out"),
        member("hard", 0, type=tarfile.LNKTYPE, linkname="/etc/hostname"),
        member("device", 0, type=tarfile.CHRTYPE),
    ],
    ids=["dots", "absolute", "symbolic link", "hard link", "device"],
)
def test_a_tar_cannot_reach_out(tmp_path: Path, sandbox: Path, bad: tarfile.TarInfo) -> None:
    path = tar_of(tmp_path / "bad.tar", bad)
    if bad.name.startswith("/"):
        # The leading slash is taken off, so that it lands inside.
        fetch_all([{"value": str(path)}], str(sandbox))
        assert (sandbox / "etc" / "out").exists()
        return
    with pytest.raises(FetchError, match=r"Failed to fetch '.*bad\.tar': "):
        fetch_all([{"value": str(path)}], str(sandbox))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../out", "/flumina-out", "a/../../out"])
def test_a_zip_cannot_reach_out(tmp_path: Path, sandbox: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as file:
        file.writestr(name, "!")
    with pytest.raises(FetchError, match="outside the sandbox"):
        fetch_all([{"value": str(tmp_path / "bad.zip")}], str(sandbox))
    assert not (tmp_path / "out").exists()
    assert not Path("/flumina-out").exists()


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ({"value": "hdfs://x/y"}, "not hdfs"),
        ({"value": "relative/path"}, "absolute path"),
        ({"value": "file:///"}, "names no file"),
        ({"value": "/etc/hostname", "output_file": "../x"}, "outside the sandbox"),
        ({"value": "/etc/hostname", "output_file": "/x"}, "outside the sandbox"),
        ({"value": "/etc/hostname", "output_file": "."}, "outside the sandbox"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    sandbox: Path, uri: dict[str, object], why: str
) -> None:
    with pytest.raises(FetchError, match=why) as caught:
        fetch_all([uri], str(sandbox))
    assert f"'{uri['value']}'" in str(caught.value)


def test_everything_has_a_limit(
    tmp_path: Path, sandbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_fetch, "BYTES_MAX", 100)
    (tmp_path / "big").write_bytes(b"x" * 101)
    with pytest.raises(FetchError, match="larger than 100 bytes"):
        fetch_all([{"value": str(tmp_path / "big")}], str(sandbox))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", b"\0" * 500)
    monkeypatch.setattr(executor_fetch, "BYTES_MAX", 300)
    with pytest.raises(FetchError, match="unpacked it is larger"):
        fetch_all([{"value": str(tmp_path / "bomb.zip")}], str(sandbox))
