"""A child's log of bounded size: one file that is written, one that was.

The one thing to know: the child writes to the file itself, opened for appending, so its output
never waits for us. To shorten it we copy and then empty it; a line that is written between the two
is lost, which is the price for a child that nobody can block.
"""

import os
import shutil
from pathlib import Path

LOG_BYTES_MAX = 8 * 1024 * 1024
LAST_WORDS_BYTES = 16 * 1024
LAST_WORDS_LINES = 6


class LogFile:
    """The log of one child, and the older part of it beside it."""

    def __init__(self, path: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
        self.path = path
        self._bytes_max = bytes_max

    @property
    def older_path(self) -> Path:
        """Where the older part is kept; it is at most as long as the file itself may be."""
        return self.path.with_name(self.path.name + ".1")

    def begin(self) -> int:
        """The place where the next child's output begins; the file is there afterwards."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Logs may show what tasks are told in their environment.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.close(descriptor)
        if self.size() > self._bytes_max // 2:
            self.path.replace(self.older_path)
            return self.begin()
        return self.size()

    def size(self) -> int:
        """How many bytes the file has now."""
        return self.path.stat().st_size

    def shorten(self) -> None:
        """Move what is there to the older file once it is too much; the child goes on writing."""
        if self.size() > self._bytes_max:
            shutil.copy(self.path, self.older_path)
            os.truncate(self.path, 0)

    def text_from(self, place: int) -> str:
        """All complete lines that were written from this place on."""
        with self.path.open("rb") as opened:
            opened.seek(place)
            text = opened.read().decode("utf-8", errors="replace")
        return text[: text.rfind("\n") + 1]

    def last_words(self, place: int = 0) -> str:
        """The last lines from this place on, for an error's sentence."""
        with self.path.open("rb") as opened:
            opened.seek(max(place, self.size() - LAST_WORDS_BYTES))
            lines = opened.read().decode("utf-8", errors="replace").split("\n")
        return "\n".join([line for line in lines if line.strip()][-LAST_WORDS_LINES:])
