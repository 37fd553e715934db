"""A Faust channel that a rebalance of the consumer group neither stops nor empties.

The one thing to know: Faust suspends every queue of an app while its group rebalances, empties it,
and passes over what was sent before the rebalance was done, for it means to read those records
again from the committed offsets. Our batches come from our own offset and are handed over once, so
a batch that is dropped would leave the lane waiting for ever, and a suspended fold would leave a
leader deaf to itself.
"""

from typing import Any, cast

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

    async def hand_over(self, value: object) -> None:
        """Give a value to the agent as it is.

        Not by `send`, which makes it an event of the group's generation: streams pass over those
        of another generation, and all that come while the group rebalances.
        """
        await self.put(cast("Any", value))
