"""Which providers of volumes there are here, by one setting.

The one thing to know: opening touches nothing, and a provider that nobody configured refuses by
saying what to set; boto3 is imported when the first volume of AWS is asked for.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from connectors.ports import ObjectStore, VolumeProvider, VolumeRefused
from connectors.volumes.directory import DirectoryVolumes
from connectors.volumes.zfs import ZfsVolumes
from scheduler.model.volumes import VolumeProvider as ProviderName

MOUNT_ROOT: Final = "/mnt/flumina"
"""Below it hosts mount what AWS keeps, each volume by its id."""
KEYS: Final = ("directory", "zfs", "zfs-command", "mounts")


class VolumeSettings(msgspec.Struct, frozen=True):
    """Where each provider keeps its volumes; no value holds a comma."""

    directory: str = ""
    """Empty: the folder `volumes` of the data directory."""
    zfs: str = ""
    """The dataset below which volumes are made."""
    zfs_command: str = ""
    """Words before `zfs`; ``{host}`` is the host's name."""
    mounts: str = MOUNT_ROOT


def read_volume_settings(text: str) -> VolumeSettings:
    """What the setting says; raises ValueError for what it cannot say."""
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or key not in KEYS or not value.strip():
            raise ValueError(f"{part!r}: {', '.join(f'{each}=...' for each in KEYS)} are wanted")
        found[key.replace("-", "_")] = value.strip()
    if not found.get("mounts", MOUNT_ROOT).startswith("/"):
        raise ValueError("mounts= is an absolute path")
    return VolumeSettings(**found)


def written_volume_settings(settings: VolumeSettings) -> str:
    """The text that `read_volume_settings` reads as these."""
    given = {
        "directory": settings.directory,
        "zfs": settings.zfs,
        "zfs-command": settings.zfs_command,
        "mounts": settings.mounts,
    }
    return ",".join(f"{key}={value}" for key, value in given.items() if value)


class Providers:
    """The providers of one installation, made when they are needed."""

    def __init__(
        self, settings: VolumeSettings, data_dir: Path, store: Callable[[], ObjectStore]
    ) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._store = store
        self._made: dict[ProviderName, VolumeProvider] = {}

    def of(self, name: ProviderName) -> VolumeProvider:
        """The provider of this name; raises `VolumeRefused` where there is none."""
        if name not in self._made:
            self._made[name] = self._open()[name]()
        return self._made[name]

    def _open(self) -> Mapping[ProviderName, Callable[[], VolumeProvider]]:
        return {
            "directory": self._directory,
            "zfs": self._zfs,
            "ebs": self._ebs,
            "efs": self._efs,
        }

    def _directory(self) -> VolumeProvider:
        root = self._settings.directory
        return DirectoryVolumes(Path(root) if root else self._data_dir / "volumes", self._store)

    def _zfs(self) -> VolumeProvider:
        if not self._settings.zfs:
            raise VolumeRefused("no dataset for ZFS volumes is set: FLUMINA_VOLUMES=zfs=POOL/NAME")
        before = self._settings.zfs_command.split()
        return ZfsVolumes(self._settings.zfs, self._store, before)

    def _ebs(self) -> VolumeProvider:
        # boto3 takes a quarter of a second and some 20 MiB: only who uses AWS pays it.
        from connectors.volumes.ebs import EbsVolumes  # noqa: PLC0415

        return EbsVolumes(self._settings.mounts)

    def _efs(self) -> VolumeProvider:
        from connectors.volumes.efs import EfsVolumes  # noqa: PLC0415

        return EfsVolumes(self._settings.mounts)
