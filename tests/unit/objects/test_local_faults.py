"""Local stores on a full, forbidden or damaged disk, and after their writer died in the middle."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from connectors.objects import directory
from connectors.objects.directory import WRITING_FOLDER, DirectoryStore
from connectors.objects.opening import open_store
from connectors.objects.rocks import RocksStore
from connectors.ports import NoSuchObject, StoreFailed
from tests.support.hash_seeds import ROOT


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "The disk is full. Free some space"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "may not write or read there"),
        (errno.EIO, "The disk answered with an error"),
        (errno.EDQUOT, "quota"),
        (errno.ENXIO, "The operating system refused"),
    ],
)
def test_a_write_that_the_disk_refuses_leaves_nothing_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    """The file system's answer is put where the bytes are flushed, as a full disk gives it."""
    store = DirectoryStore(tmp_path)
    store.put_new("a/first", b"1")

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("connectors.objects.directory.os.fsync", refuse)
    with pytest.raises(StoreFailed, match=words) as failure:
        store.put_new("a/second", b"2" * 100)
    assert tmp_path.as_uri() in str(failure.value)
    assert "a/second" in str(failure.value)
    monkeypatch.undo()
    assert [each.key for each in store.facts("")] == ["a/first"]
    assert not list((tmp_path / WRITING_FOLDER).iterdir())
    with pytest.raises(NoSuchObject):
        store.get("a/second")


def test_a_writer_that_died_leaves_no_object_and_its_rest_is_swept(tmp_path: Path) -> None:
    writing = tmp_path / WRITING_FOLDER
    writing.mkdir(parents=True)
    (writing / "old").write_bytes(b"half")
    (writing / "young").write_bytes(b"half")
    day_ago = (writing / "old").stat().st_mtime - 2 * directory.ABANDONED_S
    os.utime(writing / "old", (day_ago, day_ago))
    store = DirectoryStore(tmp_path)
    assert list(store.facts("")) == []
    store.put_new("key", b"1")
    assert [each.name for each in writing.iterdir()] == ["young"]


def test_a_key_that_is_the_folder_of_another_is_refused_in_words(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put_new("a", b"1")
    with pytest.raises(StoreFailed, match=r"part of the path is a file|File exists"):
        store.put_new("a/b", b"2")
    with pytest.raises(NoSuchObject):
        store.get("a/b")


KILLED = """
import os, sys
from pathlib import Path
from connectors.objects import rocks
store = rocks.RocksStore(Path(sys.argv[1]))
rocks.BLOCK_BYTES = 1024
rocks.WriteBatch = lambda *given, **named: os.kill(os.getpid(), 9)
store.put_new("half", b"x" * 10_000)
"""


def test_rocks_after_its_writer_was_killed_has_no_half_object_and_no_rest(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "rocks")
    store.put_new("first", b"1" * 5_000)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "rocks")]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == -9
    assert [each.key for each in store.facts("")] == ["first"]
    with pytest.raises(NoSuchObject):
        store.get("half")
    store.put_new("half", b"2" * 3_000)
    assert store.get("half") == b"2" * 3_000
    with store._opened("Looking", is_writing=False) as database:
        assert database is not None
        names = [cast("bytes", key) for key in database.keys()]  # noqa: SIM118 - it is no dict
    assert not [each for each in names if each.startswith(b"w/")]
    assert len([each for each in names if each.startswith(b"b/")]) == 2


def test_rocks_says_who_waits_for_whom(tmp_path: Path) -> None:
    store = RocksStore(tmp_path, lock_s_max=0.05)
    store.put_new("key", b"1")
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreFailed, match=r"waited 0 s for its lock\. Another process"):
            store.get("key")
    assert store.get("key") == b"1"


def test_rocks_whose_files_are_damaged_says_so(tmp_path: Path) -> None:
    store = RocksStore(tmp_path)
    store.put_new("key", os.urandom(100_000))
    for path in (tmp_path / "db").iterdir():
        if path.name.startswith("MANIFEST"):
            path.write_bytes(b"nonsense")
    with pytest.raises(StoreFailed, match="the database is damaged"):
        store.get("key")


@pytest.mark.parametrize(
    "url",
    ["ftp://x/y", "s3://", "s3:///x", "file://host/x", "file:x", "/x", "", "s3://b/p?x=1"],
)
def test_what_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"no store|names no directory|has a query"):
        open_store(url)


def test_names_of_stores() -> None:
    assert open_store("file:///a/b%20c").url == "file:///a/b%20c"
    assert open_store("s3://bucket/a/b").url == "s3://bucket/a/b"
    assert open_store("rocksdict:///a/b").url == "rocksdict:///a/b"
