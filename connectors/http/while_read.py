"""An answer that goes on: sent until it is whole, or until its reader has left.

The one thing to know: a reader that closes its connection is noticed at once, whether or not there
is anything to send.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Receive

from connectors.cancelling import end_all


async def while_read(sending: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Run ``sending`` to its end, or cancel it when the reader leaves; raises what it raises."""
    sender = asyncio.create_task(sending)
    leaving = asyncio.create_task(_left(receive))
    try:
        await asyncio.wait((sender, leaving), return_when=asyncio.FIRST_COMPLETED)
        if sender.done():
            sender.result()
    finally:
        await end_all(sender, leaving)


async def _left(receive: Receive) -> None:
    """Return when the reader has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
