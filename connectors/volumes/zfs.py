"""Volumes as ZFS datasets with a quota, by the `zfs` command of the host that has them.

The one thing to know: the cell runs `zfs` where it is itself, or by words before it (such as
``ssh {host} sudo``) on the host. Names are checked before they become words; no shell is involved
on our side. Snapshots and clones cost nothing; a dataset with clones is not deleted before them.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from connectors.ports import (
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

COMMAND_S: Final = 60.0
SEND_S: Final = 3_600.0
WORDS_MAX: Final = 500
"""Characters of what `zfs` says."""
_NAME: Final = re.compile("[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_MIB: Final = 1 << 20


class ZfsVolumes:
    """Datasets below one dataset of each host."""

    def __init__(
        self, dataset: str, store: Callable[[], ObjectStore], before: Sequence[str] = ()
    ) -> None:
        """``before``: words before `zfs`, in which ``{host}`` is the host's name."""
        self._dataset = dataset
        self._store = store
        self._before = tuple(before)

    def carry_out(self, ask: VolumeAsk) -> VolumeTold:
        """Do it; raises `VolumeRefused`, `VolumeUnsure`."""
        try:
            return self._carry_out(ask)
        except (StoreFailed, ObjectExists) as error:
            raise VolumeRefused(str(error)) from error
        except FileNotFoundError as error:
            text = f"there is no command {error.filename}: install ZFS, or name another provider"
            raise VolumeRefused(text) from error
        except subprocess.TimeoutExpired as error:
            raise VolumeUnsure(f"zfs did not end within {error.timeout:.0f} s") from error

    def used_mib(self, ask: VolumeAsk) -> int:
        """What the dataset takes, its snapshots included."""
        used = self._asked(ask.host, "get", "-Hp", "-o", "value", "used", self._of(ask))
        return -(-int(used) // _MIB) if used.isdecimal() else -1

    def _carry_out(self, ask: VolumeAsk) -> VolumeTold:
        works: dict[VolumeVerb, Callable[[VolumeAsk, str], VolumeTold]] = {
            "create": self._create,
            "attach": self._attach,
            "detach": lambda each, _: VolumeTold(used_mib=self.used_mib(each)),
            "snapshot": lambda each, dataset: VolumeTold(
                # By the work's number: one of this name may be of older data.
                reference=self._snapshot(each.host, dataset, f"{each.snapshot}-{each.work}")
            ),
            "clone": self._clone,
            "move": self._move,
            "archive": self._archive,
            "restore": self._restore,
            "delete": self._delete,
        }
        return works[ask.verb](ask, self._of(ask))

    def _create(self, ask: VolumeAsk, dataset: str) -> VolumeTold:
        if not self._exists(ask.host, dataset):
            quota = f"quota={ask.size_mib}M"
            self._asked(ask.host, "create", "-p", "-o", quota, dataset)
        return VolumeTold(dataset, host=ask.host, zone=ask.zone)

    def _attach(self, ask: VolumeAsk, dataset: str) -> VolumeTold:
        path = self._asked(ask.host, "get", "-H", "-o", "value", "mountpoint", dataset)
        if not path.startswith("/"):
            raise VolumeRefused(f"{dataset} is mounted nowhere: its mountpoint is {path}")
        return VolumeTold(path=path, used_mib=self.used_mib(ask))

    def _delete(self, ask: VolumeAsk, dataset: str) -> VolumeTold:
        if ask.host and self._exists(ask.host, dataset):
            self._asked(ask.host, "destroy", "-r", dataset)
        for each in list(self._store().facts(archive_prefix(ask))) if ask.archive else ():
            self._store().delete(each.key)
        return VolumeTold()

    def _of(self, ask: VolumeAsk) -> str:
        return f"{self._dataset}/{_checked(ask.volume_id)}"

    def _snapshot(self, host: str, dataset: str, name: str) -> str:
        snapshot = f"{dataset}@{_checked(name)}"
        if not self._exists(host, snapshot):
            self._asked(host, "snapshot", snapshot)
        return snapshot

    def _clone(self, ask: VolumeAsk, dataset: str) -> VolumeTold:
        clone = f"{self._dataset}/{_checked(ask.target)}"
        if not self._exists(ask.host, clone):
            snapshot = self._snapshot(ask.host, dataset, f"clone-{ask.work}")
            self._asked(ask.host, "clone", "-o", f"quota={ask.size_mib}M", snapshot, clone)
        origin = self._asked(ask.host, "get", "-H", "-o", "value", "origin", clone)
        if origin != f"{dataset}@clone-{ask.work}":
            raise VolumeRefused(f"{clone} exists, and is no clone of this work")
        return VolumeTold(clone, host=ask.host, zone=ask.zone)

    def _move(self, ask: VolumeAsk, dataset: str) -> VolumeTold:
        mark = f"move-{ask.work}"
        if not self._exists(ask.target, f"{dataset}@{mark}"):
            snapshot = self._snapshot(ask.host, dataset, mark)
            send = [*self._words(ask.host), "send", "-R", snapshot]
            receive = [*self._words(ask.target), "receive", "-F", dataset]
            with subprocess.Popen(send, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as sending:
                with subprocess.Popen(
                    receive, stdin=sending.stdout, stderr=subprocess.PIPE
                ) as receiving:
                    _ended(receiving, SEND_S)
                _ended(sending, COMMAND_S)
        if self._exists(ask.host, dataset):
            self._asked(ask.host, "destroy", "-r", dataset)
        return VolumeTold(dataset, host=ask.target, zone=ask.zone)

    def _archive(self, ask: VolumeAsk, dataset: str) -> VolumeTold:
        key = archive_key(ask)
        if not self._exists(ask.host, dataset) and any(self._store().facts(key)):
            return VolumeTold(reference=key)
        snapshot = self._snapshot(ask.host, dataset, f"archive-{ask.work}")
        with tempfile.TemporaryDirectory() as folder:
            packed = Path(folder) / "sent"
            with packed.open("wb") as file:
                command = [*self._words(ask.host), "send", "-c", snapshot]
                with subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE) as sending:
                    _ended(sending, SEND_S)
            self._store().delete(key)
            self._store().put_new_file(key, packed)
            if not same_as_stored(self._store(), key, packed):
                raise VolumeUnsure(f"{key} is not what was written there; the data stay")
        self._asked(ask.host, "destroy", "-r", dataset)
        return VolumeTold(reference=key)

    def _restore(self, ask: VolumeAsk, dataset: str) -> VolumeTold:
        if ask.snapshot:
            self._asked(ask.host, "rollback", "-r", self._known(ask, dataset))
            return VolumeTold(dataset, host=ask.host, zone=ask.zone)
        sent = f"{dataset}@archive-{int(ask.archive.rpartition('/')[2])}"
        if not self._exists(ask.target, sent):
            with tempfile.TemporaryDirectory() as folder:
                packed = Path(folder) / "sent"
                self._store().get_to_file(ask.archive, packed)
                command = [*self._words(ask.target), "receive", "-F", dataset]
                with (
                    packed.open("rb") as file,
                    subprocess.Popen(command, stdin=file, stderr=subprocess.PIPE) as receiving,
                ):
                    _ended(receiving, SEND_S)
            self._asked(ask.target, "set", f"quota={ask.size_mib}M", dataset)
        return VolumeTold(dataset, host=ask.target, zone=ask.zone)

    def _known(self, ask: VolumeAsk, dataset: str) -> str:
        """The snapshot that the cell knows, which has to be of this dataset."""
        name = ask.snapshot_reference.rpartition("@")[2] or ask.snapshot
        return f"{dataset}@{_checked(name)}"

    def _exists(self, host: str, name: str) -> bool:
        try:
            self._asked(host, "list", "-H", "-o", "name", "-t", "all", name)
        except VolumeRefused as error:
            if "does not exist" in str(error):
                return False
            raise
        return True

    def _words(self, host: str) -> list[str]:
        return [*(each.replace("{host}", _checked(host)) for each in self._before), "zfs"]

    def _asked(self, host: str, *words: str) -> str:
        command = [*self._words(host), *words]
        done = subprocess.run(
            command, capture_output=True, timeout=COMMAND_S, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip()[:WORDS_MAX]
            raise VolumeRefused(f"zfs {words[0]}: {said or f'exit code {done.returncode}'}")
        return done.stdout.decode("utf-8", "replace").strip()[:WORDS_MAX]


def has_zfs() -> bool:
    """Whether the command is here."""
    return shutil.which("zfs") is not None


def _ended(process: "subprocess.Popen[bytes]", limit_s: float) -> None:
    """Wait for its end; kills it when its time is over, and raises where it failed."""
    try:
        _, said = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    if process.returncode:
        words = (said or b"").decode("utf-8", "replace").strip()[:WORDS_MAX]
        raise VolumeRefused(f"zfs: {words or f'exit code {process.returncode}'}")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or ".." in name:
        raise VolumeRefused(f"{name!r} cannot be a word of a zfs command")
    return name
