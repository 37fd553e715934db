"""The Mesos cluster manager: subscribes, carries out effects, acknowledges; decides nothing.

The one thing to know: at most one stream is current. A new ``subscribe`` ends the one before it,
and a call that names any other stream is refused here without being sent. Nothing reconnects by
itself; the leader of the cell subscribes again when it wants to.

The leading master is remembered and tried first the next time.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from connectors.mesos.calls import acknowledge_call, call_of
from connectors.mesos.refusals import Refusals
from connectors.mesos.reserved import Json
from connectors.mesos.session import NoStreamError, Session, open_session
from connectors.mesos.settings import MesosSettings
from scheduler.model.effects import AcceptOffers, Called, DeclineOffers, Effect
from scheduler.model.ids import StreamId
from scheduler.model.mesos import MesosRecord, StatusUpdate, StreamEnded, Subscribed, Unrecognised

_NO_STREAM: Final = StreamId("")


class MesosClient:
    """One framework on a Mesos cluster; a ``ClusterManager`` of ``connectors.ports``."""

    def __init__(self, settings: MesosSettings) -> None:
        self._settings = settings
        self._leader = ""
        self._session: Session | None = None
        self._refusals = Refusals()
        self._opening = asyncio.Lock()
        self._is_closed = False

    async def subscribe(self, epoch: int) -> AsyncGenerator[MesosRecord, None]:
        """Open a new stream and give its records in order: ``Subscribed`` … ``StreamEnded``.

        Where no stream comes about, ``StreamEnded`` is the only record and says why of each
        master. The iterator never raises for a fault of the network or of the other side.
        """
        try:
            session = await self._opened(epoch)
        except NoStreamError as fault:
            if fault.is_about_us:
                self._refusals.refused(str(fault))
            yield StreamEnded(_NO_STREAM, str(fault))
            return
        is_open = False
        try:
            async with aclosing(session.records()) as records:
                async for record in records:
                    if isinstance(record, StreamEnded):
                        self._judge_end(session, record, is_open=is_open)
                    is_open = is_open or isinstance(record, Subscribed)
                    yield record
        finally:
            await session.close()

    def _judge_end(self, session: Session, ended: StreamEnded, *, is_open: bool) -> None:
        """Page where the master refuses what we are; forget that it did where it no longer does."""
        if session.is_refused:
            self._refusals.refused(ended.why)
        elif is_open:
            self._refusals.taken()

    async def carry_out(self, effect: Effect, stream_id: StreamId) -> Called:
        """Send one effect on that stream, once, and tell what is known of its fate."""
        session = self._session
        if session is None or session.stream_id != stream_id:
            return _not_current(stream_id)
        if not isinstance(effect, AcceptOffers | DeclineOffers):
            return await session.call(call_of(effect, self._settings))
        reserved = session.reserved_parts(effect.offer_ids)
        call = call_of(effect, self._settings, reserved)
        is_launch = isinstance(effect, AcceptOffers)
        called = await (session.accept(call) if is_launch else session.call(call))
        if called.fate != "refused":
            session.forget_offers(effect.offer_ids)
        return called

    async def acknowledge(self, update: StatusUpdate | Unrecognised, stream_id: StreamId) -> Called:
        """Tell Mesos that this update (with a uuid) is durable with us."""
        (called,) = await self.acknowledge_all((update,), stream_id)
        return called

    async def acknowledge_all(
        self, updates: Sequence[StatusUpdate | Unrecognised], stream_id: StreamId
    ) -> list[Called]:
        """The same of many, which leave together."""
        session = self._session
        if session is None or session.stream_id != stream_id:
            return [_not_current(stream_id)] * len(updates)
        calls: list[Json] = []
        refused: dict[int, Called] = {}
        for place, each in enumerate(updates):
            if each.host_id is None or each.task_id is None:
                detail = f"not sent: the update of {each.task_id} names no host to acknowledge to"
                refused[place] = Called("refused", stream_id, detail)
            else:
                call = acknowledge_call(each.task_id, each.host_id, each.uuid, self._settings)
                calls.append(call)
        called = await session.acknowledge(calls)
        for place, each_called in refused.items():  # In ascending order, so each gets its place.
            called.insert(place, each_called)
        return called

    async def close(self) -> None:
        """End the stream and every connection; the framework and its tasks go on."""
        self._is_closed = True
        await self._end("closed by ourselves")

    async def _opened(self, epoch: int) -> Session:
        """The new current session; the one before it is over. Raises NoStreamError."""
        async with self._opening:
            await self._end("a newer subscription of this process takes its place")
            if self._is_closed:
                raise NoStreamError("the connector is closed; a new one is needed to subscribe")
            session = await open_session(self._settings, epoch, self._leader)
            self._session, self._leader = session, session.master
            if self._is_closed:  # while the stream was being opened
                session.end("closed by ourselves")
            return session

    async def _end(self, why: str) -> None:
        """End the current session, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            session.end(why)
            await session.close()


def _not_current(stream_id: StreamId) -> Called:
    """The answer to a call for a stream that is not (or no longer) ours."""
    return Called("refused", stream_id, f"not sent: stream {stream_id or '(none)'} is over")
