"""Parsers that read a file by its path, as parsers of bytes."""

import atexit
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path


@cache
def _folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="flumina-fuzz-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def in_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """``read``, given a file of this name that holds the bytes."""

    def parse(data: bytes) -> object:
        path = _folder() / name
        path.write_bytes(data)
        return read(path)

    return parse
