"""Whether a host can pull an image: tried now and then, beside the other checks.

The one thing to know: a pull may hang for a minute, and a registry is not to be asked every few
seconds by every host. So it goes on beside the rounds, and each round has what came of the last.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from scheduler.model.health import Probe
from streams.prober.checks import command_check

IMAGE_S_MAX: Final = 60.0
"""A small image takes seconds; what takes longer than this keeps every task waiting."""
EVERY_S: Final = 300.0
"""Docker Hub lets an address pull a hundred times in six hours."""
AGAIN_S: Final = 30.0
"""After a pull that failed: its host gets no tasks meanwhile."""


class Pulling:
    """Pulls of one computer; `close` at last."""

    def __init__(self, command: Sequence[str], directory: Path) -> None:
        """``command`` pulls an image, and fails where it cannot."""
        self._command = command
        self._directory = directory
        self._due_s = 0.0
        self._under_way: asyncio.Task[Probe] | None = None
        self._last: Probe | None = None

    def look(self, now_s: float) -> Probe | None:
        """What came of the last pull, None before there was one; begins another if it is time."""
        if self._under_way is not None and self._under_way.done():
            self._last = self._under_way.result()
            self._under_way = None
            self._due_s = now_s + (EVERY_S if self._last.state == "good" else AGAIN_S)
        if self._under_way is None and now_s >= self._due_s:
            pull = command_check("image", self._command, self._directory, IMAGE_S_MAX)
            self._under_way = asyncio.ensure_future(pull)
        return self._last

    async def close(self) -> None:
        """End a pull that is under way."""
        if self._under_way is not None:
            self._under_way.cancel()
            with suppress(asyncio.CancelledError):
                await self._under_way
