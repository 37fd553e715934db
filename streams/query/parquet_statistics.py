"""Whether a Parquet file's statistics can be read at all: looked at by a process of its own.

The one thing to know: pyarrow 26 lets a C++ exception out of a damaged column's statistics, which
ends the process and which no Python can catch. So the process that it ends is not ours. What else
is damaged raises an error, in any process.
"""

import contextlib
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final

LOOK_S_MAX: Final = 60.0
"""A footer of megabytes takes well under a second; the computer may be busy."""
MODULE: Final = "streams.query.parquet_statistics"


class ParquetFault(ValueError):
    """The file is no Parquet, or a damaged one."""


def demand_whole_statistics(path: Path) -> None:
    """Return where the statistics of a file can be read; raises `ParquetFault`."""
    found = path.stat()
    _demand(path.absolute(), (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=64)  # A file may be several inputs'; what failed is not remembered.
def _demand(path: Path, _: tuple[int, int, int]) -> None:
    command = [sys.executable, "-P", "-m", MODULE, str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=LOOK_S_MAX, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        text = f"its statistics were not read within {LOOK_S_MAX:.0f} s"
        raise ParquetFault(text) from error
    if done.returncode != 0:
        raise ParquetFault("the statistics of its columns cannot be read")


def main() -> None:
    """Read every statistic of the file that is named; ends by a signal where one is damaged."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - only the process that looks pays for it

    metadata = pq.ParquetFile(sys.argv[1]).metadata
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            statistics = metadata.row_group(group).column(place).statistics
            # What is only no date or no number raises an error, which a query passes on.
            with contextlib.suppress(ValueError, OverflowError):
                if statistics is not None and statistics.has_min_max:
                    _ = statistics.min, statistics.max


if __name__ == "__main__":
    main()
