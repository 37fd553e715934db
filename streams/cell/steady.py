"""A Faust channel that a rebalance of the consumer group neither stops nor empties.

The one thing to know: Faust suspends every queue of an app while its group rebalances, and empties
it, for it means to read those records again from the committed offsets. Our batches come from our
own offset and are handed over once, so a batch that is emptied away would leave the lane waiting
for ever, and a suspended fold would leave a leader deaf to itself.
"""

from typing import Any

import faust
from mode.utils.queues import FlowControlEvent, ThrowableQueue

QUEUED_MAX = 16
"""Of each agent; a lane has at most one batch under way, so that this is never reached."""


class SteadyChannel(faust.Channel[Any]):
    """A channel whose queues have a flow of their own, which always flows."""

    @property
    def queue(self) -> ThrowableQueue[Any]:
        """The buffer behind this channel."""
        if self._queue is None:
            flow = FlowControlEvent(initially_suspended=False)
            self._queue = ThrowableQueue(maxsize=QUEUED_MAX, flow_control=flow)
        return self._queue
