"""Every store keeps the promises of `ObjectStore`: directory, RocksDB, and S3 as moto speaks it."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.objects import rocks, s3
from connectors.objects.opening import open_store
from connectors.ports import NoSuchObject, ObjectExists, ObjectStore

KEY = "snapshots/main/0000000012-abc=1.snapshot"


def test_what_was_put_is_read_by_whoever_opens_the_store(store: ObjectStore, url: str) -> None:
    store.put_new(KEY, b"some bytes")

    assert open_store(url).get(KEY) == b"some bytes"
    assert open_store(url).url == store.url


def test_an_object_is_never_overwritten(store: ObjectStore, tmp_path: Path) -> None:
    store.put_new(KEY, b"first")

    with pytest.raises(ObjectExists):
        store.put_new(KEY, b"second")
    (tmp_path / "file").write_bytes(b"third")
    with pytest.raises(ObjectExists):
        store.put_new_file(KEY, tmp_path / "file")

    assert store.get(KEY) == b"first"


def test_of_many_writers_of_one_key_exactly_one_is_first(store: ObjectStore, url: str) -> None:
    def put(number: int) -> bytes:
        body = b"%d" % number * 1_000
        try:
            open_store(url).put_new(KEY, body)
        except ObjectExists:
            return b""
        return body

    with ThreadPoolExecutor(8) as pool:
        put_by_us = [body for body in pool.map(put, range(8)) if body]

    assert put_by_us == [store.get(KEY)]


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put_new(KEY, b"")

    assert store.get(KEY) == b""
    assert [each.bytes_total for each in store.facts("")] == [0]


def test_parts_of_an_object(store: ObjectStore) -> None:
    store.put_new(KEY, b"0123456789")

    assert store.get_range(KEY, 0, 3) == b"012"
    assert store.get_range(KEY, 8, 100) == b"89"
    assert store.get_range(KEY, 10, 1) == b""
    assert store.get_range(KEY, 99, 1) == b""
    assert store.get_range(KEY, 3, 0) == b""
    with pytest.raises(ValueError, match="no part of an object"):
        store.get_range(KEY, -1, 3)


def test_what_is_not_there(store: ObjectStore, tmp_path: Path) -> None:
    for _ in ("in a store that does not exist yet", "in one that does"):
        with pytest.raises(NoSuchObject):
            store.get(KEY)
        with pytest.raises(NoSuchObject):
            store.get_range(KEY, 0, 1)
        with pytest.raises(NoSuchObject):
            store.get_to_file(KEY, tmp_path / "target")
        assert not (tmp_path / "target").exists()
        store.delete(KEY)
        assert list(store.facts("snapshots/")) == []
        store.put_new("other", b"1")
        store.delete("other")


def test_a_deleted_object_is_gone_and_its_key_may_be_used_again(store: ObjectStore) -> None:
    store.put_new(KEY, b"first")
    store.delete(KEY)

    with pytest.raises(NoSuchObject):
        store.get(KEY)
    store.put_new(KEY, b"second")
    assert store.get(KEY) == b"second"


def test_a_listing_is_in_the_order_of_keys_and_of_a_prefix_only(store: ObjectStore) -> None:
    keys = ["a-b/1", "a/b/2", "a/b/10", "a/c", "ab", "b/1", "a/b-1", "a.b"]
    for number, key in enumerate(keys):
        store.put_new(key, b"x" * number)

    assert [each.key for each in store.facts("")] == sorted(keys)
    assert [each.key for each in store.facts("a/")] == ["a/b-1", "a/b/10", "a/b/2", "a/c"]
    assert [each.key for each in store.facts("a/b")] == ["a/b-1", "a/b/10", "a/b/2"]
    assert [each.key for each in store.facts("a/b/")] == ["a/b/10", "a/b/2"]
    assert [each.bytes_total for each in store.facts("a/c")] == [3]
    assert list(store.facts("c")) == []
    assert all(each.written_at_ms > 1_600_000_000_000 for each in store.facts(""))


def test_a_large_file_goes_there_and_back(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)  # The least that S3 allows.
    monkeypatch.setattr(rocks, "BLOCK_BYTES", 1 << 20)
    content = os.urandom(11 << 20)
    (tmp_path / "large").write_bytes(content)

    store.put_new_file(KEY, tmp_path / "large")
    store.get_to_file(KEY, tmp_path / "back")

    assert (tmp_path / "back").read_bytes() == content
    assert store.get(KEY) == content
    assert store.get_range(KEY, (5 << 20) - 3, 7) == content[(5 << 20) - 3 :][:7]
    with pytest.raises(ObjectExists):
        store.put_new(KEY, content)
    store.delete(KEY)
    assert list(store.facts("")) == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "a/../b",
        "./a",
        "a/.",
        "a b",
        "ä",
        "a\n",
        "a\0",
        "~a",
        "a" * 901,
    ],
)
def test_what_is_no_key_is_refused_everywhere(store: ObjectStore, key: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    for use in (
        lambda: store.put_new(key, b"1"),
        lambda: store.put_new_file(key, tmp_path / "file"),
        lambda: store.get(key),
        lambda: store.get_range(key, 0, 1),
        lambda: store.get_to_file(key, tmp_path / "target"),
        lambda: store.delete(key),
    ):
        with pytest.raises(ValueError, match="is no key"):
            use()


@pytest.mark.parametrize("prefix", ["/", "../", "a/../b", "*", "a\n", "a/./b"])
def test_what_no_key_begins_with_is_refused(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(ValueError, match="no key begins"):
        list(store.facts(prefix))
