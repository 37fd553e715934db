"""Volumes as directories: made once, copied whole, archived with proof, and never outside the root.

How: real directories below a temporary one, and a store of files.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from connectors.objects.directory import DirectoryStore
from connectors.ports import VolumeAsk, VolumeRefused, VolumeTold, VolumeUnsure
from connectors.volumes import directory as directory_module
from connectors.volumes.directory import DirectoryVolumes
from scheduler.model.volumes import VolumeId

VOLUME = VolumeId("db-volume-data-0")


class Here:
    """A root, a store, and the provider over both."""

    def __init__(self, home: Path) -> None:
        self.root, self.store = home / "volumes", DirectoryStore(home / "store")
        self.provider = DirectoryVolumes(self.root, lambda: self.store)

    def do(self, verb: Any, work: int = 1, **given: Any) -> VolumeTold:
        values: dict[str, Any] = {"volume_id": VOLUME, "cell": "main", "host": "agent-1"} | given
        return self.provider.carry_out(VolumeAsk(verb=verb, work=work, **values))

    def data(self, host: str = "agent-1", volume_id: str = VOLUME) -> Path:
        return self.root / host / volume_id / "data"


@pytest.fixture
def here(tmp_path: Path) -> Here:
    found = Here(tmp_path)
    found.do("create")
    (found.data() / "a").write_text("one")
    (found.data() / "link").symlink_to("/etc/hostname")
    return found


def test_making_twice_is_making_once_and_data_stay(here: Here) -> None:
    told = here.do("create")
    assert (told.host, told.used_mib) == ("agent-1", 1)
    assert here.do("attach").path == str(here.data())
    assert (here.data() / "a").read_text() == "one"
    with pytest.raises(VolumeRefused, match="no data"):
        here.do("attach", host="agent-2")


def test_a_snapshot_is_gone_back_to_and_a_clone_is_its_own(here: Here) -> None:
    reference = here.do("snapshot", 5, snapshot="before").reference
    here.do("clone", 2, target="copy")
    (here.data() / "a").write_text("two")
    assert here.do("snapshot", 5, snapshot="before").reference == reference
    here.do("clone", 2, target="copy")
    assert (here.data(volume_id="copy") / "a").read_text() == "one"
    with pytest.raises(VolumeRefused, match="no clone of this work"):
        here.do("clone", 3, target="copy")
    here.do("restore", 6, snapshot="before", snapshot_reference=reference)
    assert (here.data() / "a").read_text() == "one"
    assert (here.data() / "link").is_symlink()
    with pytest.raises(VolumeRefused, match="no snapshot"):
        here.do("restore", 7, snapshot="other")


def test_a_snapshot_of_the_same_name_by_a_later_work_is_of_the_data_of_then(here: Here) -> None:
    here.do("snapshot", 5, snapshot="before")  # Nobody heard that it was done.
    (here.data() / "a").write_text("two")
    reference = here.do("snapshot", 9, snapshot="before").reference
    (here.data() / "a").write_text("three")
    here.do("restore", 10, snapshot="before", snapshot_reference=reference)
    assert (here.data() / "a").read_text() == "two"


def test_a_move_takes_snapshots_along_and_is_done_once(here: Here) -> None:
    kept = here.do("snapshot", snapshot="before").reference
    assert here.do("move", 2, target="agent-2").host == "agent-2"
    assert here.do("move", 2, target="agent-2").host == "agent-2"
    assert not here.data().exists()
    assert (here.data("agent-2") / "a").read_text() == "one"
    assert (here.data("agent-2").parent / "snapshots" / kept / "a").read_text() == "one"


def test_a_move_that_failed_half_way_leaves_no_old_data_for_the_next(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(home: Path) -> None:
        raise OSError(f"{home} is busy")

    with monkeypatch.context() as broken:
        broken.setattr(directory_module, "_remove", fail)
        with pytest.raises(VolumeRefused, match="is busy"):
            here.do("move", 2, target="agent-2")
    (here.data() / "a").write_text("two")  # Its task went on where the data still are.
    here.do("move", 3, target="agent-2")
    assert (here.data("agent-2") / "a").read_text() == "two"
    assert not here.data().exists()


def test_what_an_attempt_left_is_not_taken_for_an_archive(here: Here) -> None:
    key = here.do("archive", 7).reference
    here.do("restore", 8, target="agent-2", archive=key, host="")
    (here.data("agent-2") / "a").write_text("two")
    newer = here.do("archive", 9, host="agent-2").reference
    left = here.data("agent-2")
    left.mkdir(parents=True)
    (left / "a").write_text("old")
    here.do("restore", 10, target="agent-2", archive=newer, host="")
    assert (here.data("agent-2") / "a").read_text() == "two"


def test_an_archive_is_proven_before_the_data_go_and_comes_back(here: Here) -> None:
    key = here.do("archive", 7).reference
    assert key == f"volumes/main/{VOLUME}/000007"
    assert not here.data().exists()
    assert here.do("archive", 7).reference == key
    told = here.do("restore", 8, target="agent-3", archive=key, host="")
    assert told.host == "agent-3"
    assert (here.data("agent-3") / "a").read_text() == "one"
    assert (here.data("agent-3") / "link").readlink() == Path("/etc/hostname")
    here.do("delete", 9, host="agent-3", archive=key)
    assert not here.data("agent-3").exists()
    assert not list(here.store.facts("volumes/"))


def test_data_stay_where_the_archive_is_not_what_was_written(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "same_as_stored", lambda *_: False)
    with pytest.raises(VolumeUnsure, match="the data stay"):
        here.do("archive", 7)
    assert (here.data() / "a").read_text() == "one"


def test_what_it_holds_is_counted_once_each_file(here: Here) -> None:
    (here.data() / "big").write_bytes(b"x" * (3 << 20))
    os.link(here.data() / "big", here.data() / "same")
    ask = VolumeAsk("detach", VOLUME, "main", 1, host="agent-1")
    assert 3 <= here.provider.used_mib(ask) <= 4


@pytest.mark.parametrize("name", ["..", "../etc", "a/b", "", ".", "a..b", "~writing", "/etc"])
def test_no_name_leads_out_of_the_root(here: Here, name: str) -> None:
    for verb, field in (("create", "volume_id"), ("move", "target"), ("snapshot", "snapshot")):
        given: dict[str, Any] = {field: name}
        with pytest.raises(VolumeRefused):
            here.do(verb, **given)
    assert (here.data() / "a").read_text() == "one"


def test_an_archive_that_would_write_elsewhere_is_refused(here: Here, tmp_path: Path) -> None:
    import io  # noqa: PLC0415 - for this archive only
    import tarfile  # noqa: PLC0415

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        facts = tarfile.TarInfo("../../../outside")
        tar.addfile(facts, io.BytesIO(b""))
    here.store.put_new("volumes/evil", packed.getvalue())
    with pytest.raises(VolumeRefused):
        here.do("restore", 2, target="agent-9", archive="volumes/evil")
    assert not list(tmp_path.rglob("outside"))
    assert not here.data("agent-9").exists()
