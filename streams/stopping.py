"""How a process of ours hears that it is to end: by SIGTERM or SIGINT.

The one thing to know: nothing is cut off. The event is set, and whoever runs looks at it when what
is under way is done.
"""

import asyncio
import signal


def stop_event() -> asyncio.Event:
    """The event that SIGTERM and SIGINT set from now on; asked for inside the running loop."""
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    return stop
