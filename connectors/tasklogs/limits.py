"""How much of what a task writes is kept, where, and for how long.

The one thing to know: of one file the beginning and the end are kept, and the middle goes first:
the beginning says how it was started, the end says why it stopped.
"""

from typing import Final

import msgspec

MIB: Final = 1024 * 1024
DAY_MS: Final = 86_400_000
BLOCK_BYTES: Final = 4096
"""File systems free whole blocks."""


class Limits(msgspec.Struct, frozen=True):
    """The limits of one task's output; the defaults are what `docs/task-logs.md` says."""

    part_bytes_max: int = MIB
    """Of one object, before compression."""
    host_parts_max: int = 8
    """So many parts' bytes stay on the host after they were shipped, for those who follow."""
    file_bytes_max: int = 64 * MIB
    """Of one file in the store, and of what waits on the host while the store does not answer."""
    files_max: int = 32
    """Of one task, stdout and stderr among them."""
    ship_after_ms: int = 10_000
    """No byte waits longer for the store, in a task's first minutes."""
    ship_after_ms_max: int = 300_000
    """Nor longer than this later on: else a task that writes a line now and then for a month
    would make a quarter of a million objects."""
    ship_after_share: int = 32
    """Between the two a byte waits for this part of the file's age: 32 parts a doubling."""

    def __post_init__(self) -> None:
        """Whole parts are dropped, so what is dropped at once must be more than one."""
        assert self.file_bytes_max >= 11 * self.part_bytes_max, "a file is kept in 11 parts or more"

    @property
    def head_bytes(self) -> int:
        """The beginning of a file that is always kept: a quarter."""
        return self.file_bytes_max // 4

    @property
    def tail_bytes(self) -> int:
        """The end of a file that is kept."""
        return self.file_bytes_max - self.head_bytes

    @property
    def host_bytes_max(self) -> int:
        """Of one file's shipped bytes that stay on the host."""
        return self.part_bytes_max * self.host_parts_max

    def patience_ms(self, age_ms: int) -> int:
        """How long a byte of a file of this age may wait for more to be shipped with it."""
        patience = max(self.ship_after_ms, age_ms // self.ship_after_share)
        return min(patience, self.ship_after_ms_max)

    def drop_to(self, seen: int, dropped_to: int) -> int:
        """Up to which byte the middle has to go, so that head and tail fit; ``dropped_to`` if none.

        An eighth of the tail more than must be, so that it is not done for each line.
        """
        kept = self.head_bytes + seen - max(dropped_to, self.head_bytes)
        if kept <= self.file_bytes_max:
            return dropped_to
        return seen - (self.tail_bytes - self.tail_bytes // 8)


class Retention(msgspec.Struct, frozen=True):
    """How long task logs stay in the store."""

    days_max: int = 14
    """After a task's last object was written."""
    job_bytes_max: int = 1024 * MIB
    """Of all tasks of a job, as stored; the tasks that ended longest ago go first."""
