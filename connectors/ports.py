"""What the core expects of the outside: one Protocol for each kind of neighbour.

The one thing to know: a port carries out and reports; it decides nothing. Every implementation
(Apache Mesos, the simulated world of the tests) keeps the same promises, and the same contract
tests run against each.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from scheduler.model.effects import Called, Effect
from scheduler.model.ids import StreamId
from scheduler.model.mesos import MesosRecord, StatusUpdate, Unrecognised


class ClusterManager(Protocol):
    """A cluster manager that offers hosts' resources and runs tasks on them."""

    def subscribe(self, epoch: int) -> AsyncIterator[MesosRecord]:
        """Open a new stream and give its records in order: ``Subscribed`` first, if at all.

        The last is ``StreamEnded``, whatever ended it; the iterator then stops. Where no stream
        came about it is the only one, and names no stream (``stream_id`` is empty) or the one that
        ended before it had begun. It never raises for a fault of the network or of the other side,
        and never reconnects by itself: whoever leads the cell decides when to subscribe again.
        Heartbeats are consumed here and are not given; their absence ends the stream.
        """
        ...

    async def carry_out(self, effect: Effect, stream_id: StreamId) -> Called:
        """Send one effect on that stream, once, and tell what is known of its fate.

        Never raises for a fault of the network or of the other side. Calls are sent one after
        the other, in the order asked. After an ``unknown`` no call goes out on that stream.
        """
        ...

    async def acknowledge(self, update: StatusUpdate | Unrecognised, stream_id: StreamId) -> Called:
        """Tell Mesos that this update (with a uuid) is durable with us, understood or not.

        Many may be under way at once, and none waits for a call. Never raises for a fault of the
        network or of the other side; after an ``unknown`` the update comes again.
        """
        ...

    async def close(self) -> None:
        """End the stream and every connection; the framework and its tasks go on."""
        ...
