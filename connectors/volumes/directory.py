"""Volumes as plain directories, one folder for each host below a root that all hosts share.

The one thing to know: what is made is made beside its place and then renamed into it, so a volume,
a snapshot or a copy is there whole or not at all, and doing a work again finds it done. A directory
has no quota of its own: what it holds is measured and told.
"""

import gzip
import os
import re
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from zlib import error as zlib_error

from connectors.ports import (
    NoSuchObject,
    ObjectExists,
    ObjectStore,
    StoreFailed,
    VolumeAsk,
    VolumeRefused,
    VolumeTold,
    VolumeUnsure,
)
from connectors.volumes.archives import archive_key, archive_prefix, same_as_stored
from scheduler.model.volumes import VolumeVerb

WORK_S: Final = 3_600.0
"""The longest that one work may take: 100 GiB at 30 MB/s."""
MEASURE_S: Final = 20.0
_NAME: Final = re.compile("[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?")
_MIB: Final = 1 << 20

DAMAGE: Final = (tarfile.TarError, zlib_error, EOFError, ValueError)
"""What an archive raises that was cut, damaged, or names files that are not its own."""


class DirectoryVolumes:
    """Volumes below one root."""

    def __init__(self, root: Path, store: Callable[[], ObjectStore]) -> None:
        self._root = root.absolute()
        self._store = store

    def carry_out(self, ask: VolumeAsk) -> VolumeTold:
        """Do it; raises `VolumeRefused`, `VolumeUnsure`."""
        try:
            return self._carry_out(ask)
        except (ObjectExists, NoSuchObject, StoreFailed, *DAMAGE) as error:
            raise VolumeRefused(f"{type(error).__name__}: {error}") from error
        except OSError as error:
            raise VolumeRefused(str(error)) from error

    def used_mib(self, ask: VolumeAsk) -> int:
        """What its files take on the disk; below 0 where there are too many to look at in time."""
        end_s = time.monotonic() + MEASURE_S
        total, seen = 0, set()
        for folder, _, files in os.walk(self._home(ask.host, ask.volume_id) / "data"):
            below = Path(folder)
            if time.monotonic() > end_s:
                return -1
            for name in files:
                try:
                    facts = (below / name).lstat()
                except FileNotFoundError:
                    continue  # A task removes files while they are counted.
                if (facts.st_dev, facts.st_ino) not in seen:
                    seen.add((facts.st_dev, facts.st_ino))
                    total += facts.st_blocks * 512
        return -(-total // _MIB)

    def _carry_out(self, ask: VolumeAsk) -> VolumeTold:
        works: dict[VolumeVerb, Callable[[VolumeAsk, Path], VolumeTold]] = {
            "create": self._create,
            "attach": self._attach,
            "detach": lambda each, _: VolumeTold(used_mib=self.used_mib(each)),
            "snapshot": self._snapshot,
            "clone": self._clone,
            "move": self._move,
            "archive": self._archive,
            "restore": self._restore,
            "delete": self._delete,
        }
        home = self._home(ask.host, ask.volume_id) if ask.host else self._root
        return works[ask.verb](ask, home)

    def _create(self, ask: VolumeAsk, home: Path) -> VolumeTold:
        (home / "data").mkdir(parents=True, exist_ok=True)
        return VolumeTold(host=ask.host, zone=ask.zone, used_mib=self.used_mib(ask))

    def _attach(self, ask: VolumeAsk, home: Path) -> VolumeTold:
        return VolumeTold(path=str(_there(home) / "data"), used_mib=self.used_mib(ask))

    def _snapshot(self, ask: VolumeAsk, home: Path) -> VolumeTold:
        # By the work's number: one of this name that nobody heard of may be of older data.
        name = f"{_checked(ask.snapshot)}-{ask.work}"
        place = home / "snapshots" / name
        if not place.exists():
            with self._beside(place) as new:
                _copy(_there(home) / "data", new / "copy")
                (new / "copy").rename(place)
        return VolumeTold(reference=name)

    def _home(self, host: str, volume_id: str) -> Path:
        """The volume's folder; both names become one folder each, and nothing else."""
        return self._root / _checked(host) / _checked(volume_id)

    def _clone(self, ask: VolumeAsk, home: Path) -> VolumeTold:
        place = self._home(ask.host, ask.target)
        mark = f"clone {ask.volume_id} {ask.work}"
        if place.exists() and _mark_of(place) != mark:
            raise VolumeRefused(f"{place} exists, and is no clone of this work")
        if not place.exists():
            with self._beside(place) as new:
                _copy(_there(home) / "data", new / "data")
                _named(new, mark, place)
        return VolumeTold(host=ask.host, zone=ask.zone, used_mib=self.used_mib(ask))

    def _move(self, ask: VolumeAsk, home: Path) -> VolumeTold:
        place = self._home(ask.target, ask.volume_id)
        mark = f"move {ask.work}"
        if home.exists() and home != place:
            if place.exists() and _mark_of(place) != mark:
                _remove(place)  # Of an attempt that failed: who has written since did it at home.
            if not place.exists():
                with self._beside(place) as new:
                    _copy(_there(home), new / "whole")
                    _named(new / "whole", mark, place)
            _remove(home)  # The copy is whole: it has its name.
        _there(place)
        return VolumeTold(host=ask.target, zone=ask.zone)

    def _archive(self, ask: VolumeAsk, home: Path) -> VolumeTold:
        key = archive_key(ask)
        if not home.exists() and any(self._store().facts(key)):
            return VolumeTold(reference=key)  # It was done before, and nobody heard of it.
        with tempfile.TemporaryDirectory(dir=self._writing()) as folder:
            packed = Path(folder) / "data.tar.gz"
            with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
                tar.add(_there(home) / "data", arcname="data")
            try:
                self._store().put_new_file(key, packed)
            except ObjectExists:
                self._store().delete(key)  # Of an attempt that did not end.
                self._store().put_new_file(key, packed)
            if not same_as_stored(self._store(), key, packed):
                raise VolumeUnsure(f"{key} is not what was written there; the data stay")
        _remove(home)
        return VolumeTold(reference=key)

    def _restore(self, ask: VolumeAsk, home: Path) -> VolumeTold:
        if ask.snapshot:
            kept = home / "snapshots" / _checked(ask.snapshot_reference or ask.snapshot)
            if not kept.exists():
                raise VolumeRefused(f"there is no snapshot {ask.snapshot}")
            with self._beside(home / "data") as new:
                _copy(kept, new / "data")
                if (home / "data").exists():  # Else an attempt before this ended right here.
                    (home / "data").rename(new / "before")
                (new / "data").rename(home / "data")
            return VolumeTold(host=ask.host, zone=ask.zone, used_mib=self.used_mib(ask))
        place = self._home(ask.target, ask.volume_id)
        mark = f"restore {ask.archive}"
        if place.exists() and _mark_of(place) != mark:
            _remove(place)  # The data are in the archive: what is here is of an attempt before.
        if not place.exists():
            with self._beside(place) as new:
                packed = new / "data.tar.gz"
                self._store().get_to_file(ask.archive, packed)
                with gzip.open(packed) as whole, tarfile.open(fileobj=whole, mode="r:") as tar:
                    tar.extractall(new, filter="tar")
                    # A tar ends before its gzip does, whose checksum is read at its very end.
                    while whole.read(1 << 20):
                        pass
                packed.unlink()
                _named(new, mark, place)
        return VolumeTold(host=ask.target, zone=ask.zone)

    def _delete(self, ask: VolumeAsk, home: Path) -> VolumeTold:
        if ask.host and home.exists():
            _remove(home)
        if ask.archive:
            for each in list(self._store().facts(archive_prefix(ask))):
                self._store().delete(each.key)
        return VolumeTold()

    def _beside(self, place: Path) -> "_Beside":
        place.parent.mkdir(parents=True, exist_ok=True)
        return _Beside(self._writing())

    def _writing(self) -> Path:
        writing = self._root / "~writing"  # No host is called so.
        writing.mkdir(parents=True, exist_ok=True)
        return writing


class _Beside:
    """A folder in which something is made, gone when it was renamed into place or failed."""

    def __init__(self, writing: Path) -> None:
        self._path = Path(tempfile.mkdtemp(dir=writing))
        self._path.chmod(0o755)

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or ".." in name:
        raise VolumeRefused(f"{name!r} cannot be the name of a folder")
    return name


def _mark_of(home: Path) -> str:
    """Which work made the folder; empty where it was not copied from anywhere."""
    made_by = home / "made-by"
    return made_by.read_text("utf-8") if made_by.exists() else ""


def _named(new: Path, mark: str, place: Path) -> None:
    """Give a whole volume its name, and note which work has made it."""
    (new / "made-by").write_text(mark, "utf-8")
    new.rename(place)


def _there(home: Path) -> Path:
    if not (home / "data").is_dir():
        raise VolumeRefused(f"there are no data at {home}")
    return home


def _copy(source: Path, target: Path) -> None:
    """Copy a tree, links as links; gives up when its time is over."""
    end_s = time.monotonic() + WORK_S

    def copied(one: str, other: str) -> str:
        if time.monotonic() > end_s:
            raise VolumeRefused(f"copying took longer than {WORK_S:.0f} s; nothing was changed")
        return shutil.copy2(one, other, follow_symlinks=False)

    shutil.copytree(source, target, symlinks=True, copy_function=copied)


def _remove(home: Path) -> None:
    """Remove a volume: first its name, so that half a volume is never found under it."""
    doomed = home.with_name(f"{home.name}~gone")
    if doomed.exists():
        shutil.rmtree(doomed)
    home.rename(doomed)
    shutil.rmtree(doomed)
