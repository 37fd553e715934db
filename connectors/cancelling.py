"""Ends coroutines that were given to the loop, also those that a library keeps alive.

The one thing to know: a cancellation can get lost. aiokafka's consumer swallows one that comes
while it is being stopped (`Fetcher.close` suppresses every `CancelledError` of its waiting), and
whoever then waits for the end waits for ever. So it is said again until it is heard.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

AGAIN_S: Final = 5.0
"""What an orderly end may take before it is told once more."""
WHOLE_S: Final = 7.0
"""What tidying up may take that is not cut short: above the patience with a broker's answer, below
that of whoever ends processes."""


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


async def to_its_end(tidying: Coroutine[Any, Any, Any], within_s: float = WHOLE_S) -> None:
    """Run what tidies up to its end, or for so long, however often its caller is cancelled.

    A consumer of aiokafka whose `stop` is cut short leaves its connections open for good. Who was
    cancelled meanwhile hears of it afterwards: `asyncio.CancelledError`. Raises what it raises.
    """
    loop = asyncio.get_running_loop()
    work, until_s, is_cancelled = asyncio.create_task(tidying), loop.time() + within_s, False
    while not work.done() and loop.time() < until_s:
        try:
            await asyncio.wait((work,), timeout=until_s - loop.time())
        except asyncio.CancelledError:
            is_cancelled = True
    if not work.done():
        await end_all(work)
    if is_cancelled:
        raise asyncio.CancelledError
    if not work.cancelled():
        work.result()
