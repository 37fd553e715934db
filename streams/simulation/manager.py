"""The cell's way to the simulated master: streams that break, calls whose fate nobody knows.

The one thing to know: it obeys `connectors.ports.ClusterManager` to the letter. After a call of
unknown fate no other goes out on its stream, and a late call is carried out only while the master
still holds its stream open.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Final, Protocol

from scheduler.model.effects import Called, Effect
from scheduler.model.ids import StreamId
from scheduler.model.mesos import MesosRecord, StatusUpdate, StreamEnded, Unrecognised
from streams.simulation.kafka import settle
from streams.simulation.loop import VirtualLoop
from streams.simulation.mesos import Master

CALL_TIMEOUT_S: Final = 15.0
STREAM_SILENCE_S: Final = 45.0
"""Three heartbeats of 15 s: then a stream that says nothing is over."""


class Caller(Protocol):
    """The process whose calls these are."""

    is_dead: bool
    mesos_cut_until_s: float


class CallWitness(Protocol):
    """Who looks at what leaves the cell."""

    def carried_out(self, effect: Effect, epoch: int) -> None:
        """The master carries out a call of the leader with this epoch."""
        ...


class Weather:
    """What is wrong with calls to the master at present."""

    def __init__(self) -> None:
        self.losing_until_s = 0.0
        self.delaying_until_s = 0.0


class Stream:
    """One open stream: what the master has sent and the cell has not taken."""

    def __init__(self, loop: VirtualLoop, chance: Random, stream_id: StreamId, epoch: int) -> None:
        self.stream_id = stream_id
        self.epoch = epoch
        self._loop = loop
        self._chance = chance
        self._arrives_s = 0.0
        self._arrived: deque[MesosRecord] = deque()
        self._news: asyncio.Future[None] | None = None
        self.is_over = False
        """The cell's side has seen or made its end."""

    def put(self, record: MesosRecord) -> None:
        """Send a record; they arrive in order."""
        at_s = self._loop.now_s + 0.001 + 0.004 * self._chance.random()
        self._arrives_s = max(at_s, self._arrives_s)
        self._loop.at(self._arrives_s, self._arrive, record)

    def close(self, why: str) -> None:
        """End it, after what was sent."""
        self.put(StreamEnded(self.stream_id, why))

    def _arrive(self, record: MesosRecord) -> None:
        self._arrived.append(record)
        self.wake()

    def wake(self) -> None:
        """Let the reader look."""
        if self._news is not None:
            settle(self._news)

    def end(self, why: str) -> None:
        """End it from the cell's side, at once: what was not taken is lost."""
        if not self.is_over:
            self._arrived.clear()
            self._arrive(StreamEnded(self.stream_id, why))

    async def take(self) -> MesosRecord:
        """The next record, when it has arrived."""
        while not self._arrived:
            self._news = self._loop.create_future()
            await self._news
        record = self._arrived.popleft()
        self.is_over = self.is_over or isinstance(record, StreamEnded)
        return record


class Manager:
    """A cluster manager of one term of one process."""

    def __init__(  # noqa: PLR0917 - the parts of one world, always handed over in this order
        self,
        loop: VirtualLoop,
        chance: Random,
        master: Master,
        caller: Caller,
        witness: CallWitness,
        weather: Weather,
    ) -> None:
        self._loop = loop
        self._chance = chance
        self._master = master
        self._caller = caller
        self._witness = witness
        self._weather = weather
        self._stream: Stream | None = None

    def subscribe(self, epoch: int) -> AsyncIterator[MesosRecord]:
        """Open a new stream and give its records in order."""
        return Records(self, epoch)

    async def open(self, epoch: int) -> Stream | None:
        """A new stream, or None where no master answers."""
        self._end("subscribing anew")
        await asyncio.sleep(0.002 + 0.01 * self._chance.random())
        if not self._is_reachable() or not self._master.is_up:
            return None
        number = self._chance.randrange(1 << 48)
        stream = Stream(self._loop, self._chance, StreamId(f"s{number:012x}"), epoch)
        self._stream = stream
        self._master.subscribe(stream, epoch)
        return stream

    def _is_reachable(self) -> bool:
        caller = self._caller
        return not caller.is_dead and self._loop.time() >= caller.mesos_cut_until_s

    async def carry_out(self, effect: Effect, stream_id: StreamId) -> Called:
        """Send one effect, once."""
        stream = self._stream
        if stream is None or stream.is_over or stream.stream_id != stream_id:
            return Called("refused", stream_id, "not sent: stream over")
        answered: asyncio.Future[Called] = self._loop.create_future()
        if self._caller.is_dead:
            return await answered
        if not self._is_reachable():
            return Called("refused", stream_id, "not sent: no connection")
        now_s, draw = self._loop.time(), self._chance.random
        arrives_s = now_s + 0.001 + 0.004 * draw()
        if now_s < self._weather.delaying_until_s and draw() < 0.3:
            arrives_s = now_s + 40.0 * draw()
        is_lost = now_s < self._weather.losing_until_s and draw() < 0.3
        if not is_lost or draw() < 0.5:  # Else its answer is what is lost.
            self._loop.at(arrives_s, self._arrive, effect, stream, answered, is_lost)
        self._loop.at(now_s + CALL_TIMEOUT_S, self._give_up, answered, stream_id)
        called = await answered
        if called.fate == "unknown":
            self._end(called.detail)
        return called

    def _arrive(
        self, effect: Effect, stream: Stream, answered: "asyncio.Future[Called]", is_lost: bool
    ) -> None:
        if self._master.stream is stream and self._master.is_up:
            self._witness.carried_out(effect, stream.epoch)
            self._master.call(effect)
            called = Called("sent", stream.stream_id)
        else:
            called = Called("refused", stream.stream_id, "403 Forbidden: another stream is open")
        if not is_lost:
            self._loop.later(0.001 + 0.004 * self._chance.random(), _answer, answered, called)

    def _give_up(self, answered: "asyncio.Future[Called]", stream_id: StreamId) -> None:
        _answer(answered, Called("unknown", stream_id, "no answer within 15 s"))

    async def acknowledge(self, update: StatusUpdate | Unrecognised, stream_id: StreamId) -> Called:
        """Tell the master that this update is durable."""
        stream = self._stream
        is_open = stream is not None and stream.stream_id == stream_id and not stream.is_over
        if not is_open or not self._is_reachable() or self._master.stream is not stream:
            return Called("refused", stream_id, "not sent: stream over")
        if isinstance(update, StatusUpdate):
            self._master.acknowledge(update)
        return Called("sent", stream_id)

    async def acknowledge_all(
        self, updates: Sequence[StatusUpdate | Unrecognised], stream_id: StreamId
    ) -> list[Called]:
        """Tell the master that each of them is durable."""
        return await asyncio.gather(*(self.acknowledge(each, stream_id) for each in updates))

    async def close(self) -> None:
        """End the stream; the framework and its tasks go on."""
        if not self._caller.is_dead:
            self._end("closed by ourselves")

    def _end(self, why: str) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.end(why)
            # The master notices a closed connection a little later.
            delay_s = 0.01 + 3.0 * self._chance.random()
            self._loop.later(delay_s, self._master.connection_lost, stream)

    def cut(self, for_s: float) -> None:
        """No message gets to the master or back for a while; long silence ends the stream."""
        caller = self._caller
        caller.mesos_cut_until_s = max(caller.mesos_cut_until_s, self._loop.time() + for_s)
        stream = self._stream
        if stream is None:
            return
        if for_s >= STREAM_SILENCE_S:
            self._loop.later(STREAM_SILENCE_S, stream.end, "no heartbeat")
            self._loop.later(STREAM_SILENCE_S + 30.0, self._master.connection_lost, stream)
        self._loop.later(for_s, stream.wake)

    def die(self) -> None:
        """The process is gone, and its connections with it."""
        if self._stream is not None:
            self._loop.later(0.01, self._master.connection_lost, self._stream)

    async def next_of(self, stream: Stream) -> MesosRecord:
        """The stream's next record, when it gets through to a process that lives."""
        while True:
            record = await stream.take()
            if self._caller.is_dead:
                await self._loop.create_future()
            while not self._is_reachable() and not isinstance(record, StreamEnded):
                await asyncio.sleep(1.0)
                if stream.is_over:
                    break
            return record


def _answer(answered: "asyncio.Future[Called]", called: Called) -> None:
    if not answered.done():
        answered.set_result(called)


class Records:
    """The records of one subscription, as an iterator without a clean-up of its own."""

    def __init__(self, manager: Manager, epoch: int) -> None:
        self._manager = manager
        self._epoch = epoch
        self._stream: Stream | None = None
        self._is_over = False

    def __aiter__(self) -> "Records":
        return self

    async def __anext__(self) -> MesosRecord:
        if self._is_over:
            raise StopAsyncIteration
        if self._stream is None:
            self._stream = await self._manager.open(self._epoch)
            if self._stream is None:
                self._is_over = True
                return StreamEnded(StreamId(""), "no master answers")
        record = await self._manager.next_of(self._stream)
        self._is_over = isinstance(record, StreamEnded)
        return record
