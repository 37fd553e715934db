"""Files that are read again when they have changed: principals, certificates, lists of revocation.

The one thing to know: a file that cannot be used at the start stops the start. One that is broken
later is complained of, and what was read last goes on: half a file that is just being written must
not lock everybody out.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog

logger = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
"""Between two looks at a file; a look is one call of the kernel."""

T = TypeVar("T")
_Mark = tuple[tuple[int, int, int], ...]


class Watched(Generic[T]):
    """What some files say now."""

    def __init__(
        self,
        paths: tuple[Path, ...],
        read: Callable[[], T],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read them; raises what ``read`` raises, and `OSError`."""
        self._paths, self._read, self._now_s = paths, read, now_s
        self._mark = self._marked()
        self._looked_s = now_s()
        self._value = read()
        self.generation = 0
        """How often they were read anew."""
        self.failed = 0

    def value(self) -> T:
        """What they say, at most a second old."""
        now_s = self._now_s()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._look()
        return self._value

    def _look(self) -> None:
        try:
            mark = self._marked()
            if mark == self._mark:
                return
            self._mark = mark
            self._value = self._read()
        except Exception as error:  # noqa: BLE001 - whatever it is, the last good ones go on
            self.failed += 1
            names = [str(each) for each in self._paths]
            # No traceback: what is wrong with the file is said in its text.
            logger.error("files of access are not taken", files=names, why=str(error))  # noqa: TRY400
            return
        self.generation += 1

    def _marked(self) -> _Mark:
        # A secret of Kubernetes is changed by turning a link: `stat` follows it.
        found = [each.stat() for each in self._paths]
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)
