"""What the health process remembers, as one file: where it stands in each partition, and its fold.

The one thing to know: offsets and fold stand in the same file, written after the verdicts that
follow from them are acknowledged. So after a crash some lines are read again, none is left out.
"""

import os
import zlib
from pathlib import Path
from typing import Final

import msgspec
import structlog

from projections.health.judging import Memory
from scheduler.model.reading.bad_bytes import BAD_BYTES

logger = structlog.get_logger(__name__)

VERSION: Final = 1
_SUM_BYTES: Final = 4


class Kept(msgspec.Struct):
    """The fold, and the offset of each partition's next record."""

    offsets: dict[int, int] = {}
    memory: Memory = msgspec.field(default_factory=Memory)
    version: int = VERSION


def write_kept(path: Path, kept: Kept) -> None:
    """Have the file hold this, whole or not at all."""
    data = msgspec.msgpack.encode(kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(zlib.crc32(data).to_bytes(_SUM_BYTES, "big") + data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_kept(path: Path) -> Kept | None:
    """What the file holds; None where there is none, or it is damaged or of another version."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    told, body = int.from_bytes(data[:_SUM_BYTES], "big"), data[_SUM_BYTES:]
    if told != zlib.crc32(body):
        logger.warning("what was remembered is damaged; beginning anew", file=str(path))
        return None
    try:
        found = msgspec.msgpack.decode(body, type=Kept)
    except BAD_BYTES as error:
        logger.warning("what was remembered is of another version", why=str(error))
        return None
    return found if found.version == VERSION else None
