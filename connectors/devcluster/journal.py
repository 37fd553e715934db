"""The journal: what a master or an agent really did, one JSON line each, written before it is done.

The one thing to know: it is the independent witness of the tests. Lines are whole in one ``write``
to a file opened with O_APPEND, so they survive kill -9 of the writer and several may share a file.
Its lines are described in ``docs/dev-cluster.md``.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson


class Journal:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lines: list[bytes] = []

    def write(self, what: str, **facts: object) -> None:
        """Append one line; when this returns the line outlives this process."""
        self.add(what, facts)
        self.flush()

    def add(self, what: str, facts: Mapping[str, object]) -> None:
        """Keep a line for ``flush``, which must come before anything that follows from it."""
        line = {"at_ms": time.time_ns() // 1_000_000, "what": what, **facts}
        self._lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def flush(self) -> None:
        """Append what was kept; when this returns it outlives this process."""
        if self._lines:
            lines, self._lines = self._lines, []
            os.write(self._fd, b"".join(lines))

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All lines of a journal; none when there is no file yet. A last line cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    # What follows the last newline is empty, or a line whose writer is in the middle of it.
    return [json.loads(line) for line in lines[:-1] if line]
