"""Ends coroutines that were given to the loop, also those that a library keeps alive.

The one thing to know: a cancellation can get lost. aiokafka's consumer swallows one that comes
while it is being stopped (`Fetcher.close` suppresses every `CancelledError` of its waiting), and
whoever then waits for the end waits for ever. So it is said again until it is heard.
"""

import asyncio
from typing import Any, Final

AGAIN_S: Final = 5.0
"""What an orderly end may take before it is told once more."""


async def end_all(*tasks: "asyncio.Task[Any]", again_s: float = AGAIN_S) -> None:
    """Cancel the tasks and return when all have ended, however they ended.

    ``again_s``: more where what is tidied up at the end must not be cut short.
    """
    waiting = set(tasks)
    while waiting:
        for each in waiting:
            each.cancel()
        ended, waiting = await asyncio.wait(waiting, timeout=again_s)
        for each in ended:
            if not each.cancelled():
                each.exception()  # Looked at, so that the loop does not complain.
