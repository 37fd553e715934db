"""What an instance's agent has for tasks: its machine type's size, made to fit this computer.

The one thing to know: an agent only says what it has, so several may say together more than the
computer has, as those of `flumina dev-cluster` do. One alone says never more than there is; a
larger type is made smaller in all parts alike, so that what fits which type stays as it is.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

MEMORY_RESERVED_PART: Final = 0.1
"""Of a machine's memory, for its system and the agent: Mesos' agents keep half or 1 GiB by
default; on the large machines that groups have, operators set about a tenth."""
DISK_MIB: Final = 10_000
"""As the agents of the dev cluster have by default."""
PORTS: Final = "[31000-31999]"
CPU_LEAST: Final = 0.1
MEMORY_LEAST_MIB: Final = 64


class Shape(msgspec.Struct, frozen=True):
    """What one host offers."""

    cpu: float
    memory_mib: int
    scale: float
    """1 where it is the type's own size."""

    @property
    def resources(self) -> str:
        """As `flumina dev-cluster --resources` takes it."""
        return f"cpus:{self.cpu:g};mem:{self.memory_mib};disk:{DISK_MIB};ports:{PORTS}"


def shape_of(cpus: int, memory_mib: int, here: tuple[int, int] | None = None) -> Shape:
    """The shape of a machine of this size on a computer of so many threads and so much memory."""
    cpus_here, memory_here_mib = this_computer() if here is None else here
    scale = min(1.0, cpus_here / max(1, cpus), memory_here_mib / max(1, memory_mib))
    left = memory_mib * scale * (1 - MEMORY_RESERVED_PART)
    return Shape(
        max(CPU_LEAST, round(cpus * scale, 1)), max(MEMORY_LEAST_MIB, int(left)), round(scale, 4)
    )


def this_computer() -> tuple[int, int]:
    """Threads, and memory in MiB."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return os.cpu_count() or 1, min(pages, _limit()) >> 20


def _limit() -> int:
    """The memory that this container may have, in bytes; very much where it is none."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text("ascii"))
    except (OSError, ValueError):
        return 1 << 62
