"""Where archives of volumes are in the store, and the proof that one is whole.

The one thing to know: data are removed from a host only after their archive was read back and is
the same, byte by byte, as what was written.
"""

import hashlib
import tempfile
from pathlib import Path
from typing import Final

from connectors.ports import ObjectStore, VolumeAsk

_BLOCK: Final = 1 << 20


def archive_prefix(ask: VolumeAsk) -> str:
    """What the keys of all archives of the volume begin with."""
    return f"volumes/{ask.cell}/{ask.volume_id}/"


def archive_key(ask: VolumeAsk) -> str:
    """The key of the archive that this work makes."""
    return f"{archive_prefix(ask)}{ask.work:06}"


def same_as_stored(store: ObjectStore, key: str, path: Path) -> bool:
    """Whether the store gives back exactly this file."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        again = Path(folder) / "again"
        store.get_to_file(key, again)
        return _digest(again) == _digest(path)


def _digest(path: Path) -> bytes:
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.digest()
