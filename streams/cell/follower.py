"""The fold of one cell's log, as every process runs it: decode, apply, halt, skip, tell.

The one thing to know: the first record that cannot be decoded or applied halts the fold at its
offset. What was folded stays readable and is marked stale. The follower then only scans ahead,
applying nothing, for an operator's `RecordSkipped` that names this offset and these bytes; when it
finds one, the log is folded anew without that record, from the nearest snapshot before it.
"""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec
import structlog

from scheduler.chain import Chain
from scheduler.machine import Machine, Refusal
from scheduler.model.changes import Change
from scheduler.model.codec import Undecodable, decode_record, digest_of
from scheduler.model.events import CellRecord, Checkpoint, Copied, Mark
from scheduler.model.inbound import RecordSkipped

logger = structlog.get_logger(__name__)

Changes = list[tuple[int, Change]]
_OF_CHAIN = frozenset((Mark, Checkpoint))
EVENTS_A_LOOK = 64
"""The tail comes record by record, and to count what is stale takes as long as a short one."""


class Foldable(Protocol):
    """What a follower drives: a machine, or a view with a machine inside."""

    @property
    def machine(self) -> Machine:
        """The machine that folds."""
        ...

    def apply(self, offset: int, record: CellRecord) -> Changes:
        """Fold one record; the changes it made."""
        ...

    def pass_over(self, offset: int) -> None:
        """Leave one record out."""
        ...


class BareFold:
    """A machine with nothing around it: what a leader needs."""

    def __init__(self, machine: Machine | None = None) -> None:
        self.machine = machine or Machine()

    def apply(self, offset: int, record: CellRecord) -> Changes:
        """Fold one record; the changes it made."""
        return self.machine.apply(offset, record)

    def pass_over(self, offset: int) -> None:
        """Leave one record out."""
        self.machine.pass_over(offset)


class LogRecord(msgspec.Struct, frozen=True):
    """A record of the cell log as Kafka gave it."""

    offset: int
    value: bytes


class Halt(msgspec.Struct, frozen=True):
    """Where and why a fold stopped, and what an operator can do."""

    topic: str
    partition: int
    offset: int
    digest: str
    cause: str

    def sentence(self) -> str:
        """The halt for people: what, why, and the way on."""
        return (
            f"The fold of {self.topic}[{self.partition}] halted at offset {self.offset}: "
            f"{self.cause}. Tasks keep running, effects have stopped, what is shown is stale. "
            f"Run a build that can read this record, or, when you know what it holds, "
            f"`flumina skip {self.offset} --digest {self.digest} --why REASON`."
        )


class Base(NamedTuple):
    """Where a fold begins: at a snapshot, or before the first record."""

    fold: Foldable
    wanted_offset: int
    """The first record to be handed over; for a machine of the generation before, it is 0."""
    chain: str = ""
    """The chain up to there; empty at the beginning of a log."""
    origin: str = ""
    """The key of the snapshot; empty where the log is folded from its beginning."""


FindBase = Callable[[int], Awaitable[Base]]
"""Answers with the nearest base at or below an offset, the beginning of the log at last."""
Decode = Callable[[bytes], CellRecord]
Listener = Callable[[int, CellRecord, Changes], None]


class Follower:
    """Folds one partition of the cell log as it is handed over, and tells who waits for it."""

    def __init__(
        self,
        topic: str,
        partition: int,
        make: Callable[[], Foldable],
        find_base: FindBase | None = None,
        decode: Decode = decode_record,
    ) -> None:
        """``find_base``: where to begin anew after a skip; without it, before the first record.

        ``decode`` may be another function of the same result, or of the same `Undecodable`.
        """
        self.topic = topic
        self.partition = partition
        self._make = make
        self._find_base = find_base
        self._decode = decode
        self._anew_below: int | None = None
        """A base that has not folded this offset is looked for; nothing is taken meanwhile."""
        self.fold = make()
        self.halt: Halt | None = None
        self.seen_offset = -1
        """The last offset looked at: folded, ignored, passed over or scanned."""
        self.chain = Chain()
        """The digest of every raw record up to the last that was folded or passed over."""
        self._marked_chain = -1, ""
        """The last mark's offset, and the chain there."""
        self.events_folded = 0
        self._taken_in_at = 0
        """How many events must have been folded when the digest looks at stale entities again."""
        self.listeners: list[Listener] = []
        """Called for each folded record, in order, before anybody who waits is told."""
        self.hearers: list[Callable[[CellRecord], None]] = []
        """Called for each record that can be decoded, folded or only scanned."""
        self._skips: dict[int, str] = {}
        self._anew_until_offset = -1
        """What had been looked at when the fold was begun anew; below it the fold is not whole."""
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self.version = 0
        """Counts the batches that were looked at."""
        self._looking: dict[asyncio.Future[None], float] = {}
        """Who waits for the next version, in the order in which they came, and until when."""
        self._look_ends: asyncio.TimerHandle | None = None
        """When the first of them, or one who was told since, has waited long enough."""

    @property
    def machine(self) -> Machine:
        """The machine as folded so far."""
        return self.fold.machine

    @property
    def wanted_offset(self) -> int:
        """The offset that the follower wants to be handed next."""
        return self.seen_offset + 1

    def begin_at(self, base: Base) -> None:
        """Go on from this base, whatever was folded before."""
        self.fold = base.fold
        self.chain = Chain.restored(base.chain) if base.chain else Chain()
        self._marked_chain = -1, ""
        self.seen_offset = base.wanted_offset - 1
        self.halt, self._anew_below = None, None

    async def begun(self) -> None:
        """Return when there is a fold to hand records to: at once, but after a skip."""
        while self._anew_below is not None:
            assert self._find_base is not None
            base = await self._find_base(self._anew_below)
            logger.info("folding anew", origin=base.origin, wanted_offset=base.wanted_offset)
            self.begin_at(base)

    def take(self, records: Sequence[LogRecord]) -> None:
        """Fold these records, in order; never raises for what they hold."""
        if self._anew_below is not None:
            return  # Whoever hands them over waits for `begun`, and then seeks back.
        for record in records:
            if record.offset != self.seen_offset + 1 and self.halt is None:
                self._halt(record, Refusal(f"offset {self.wanted_offset} is missing in the log"))
            if self.halt is not None:
                self._scan(record)
            else:
                self._fold_one(record)
            if self.seen_offset != record.offset:
                break  # Begun anew: the lane seeks back before it hands over more.
        machine = self.fold.machine
        if self.events_folded >= self._taken_in_at and self.halt is None and machine.is_proving:
            self._taken_in_at = self.events_folded + EVENTS_A_LOOK
            machine.digest.take_in()
        self._tell()

    def _fold_one(self, record: LogRecord) -> None:
        self.seen_offset = record.offset
        self.chain.take(record.value)
        if record.offset in self._skips and self._skips[record.offset] == digest_of(record.value):
            self.fold.pass_over(record.offset)
            return
        try:
            decoded = self._decode(record.value)
            changes = self.fold.apply(record.offset, decoded)
            if type(decoded.events[0]) in _OF_CHAIN:
                self._follow_chain(record.offset, decoded)
        except Exception as error:  # noqa: BLE001 - whatever it is, it halts the fold, loudly
            self._halt(record, error)
            return
        self.events_folded += len(decoded.events)
        for hearer in self.hearers:
            hearer(decoded)
        for listener in self.listeners:
            listener(record.offset, decoded, changes)

    def _follow_chain(self, offset: int, record: CellRecord) -> None:
        """Keep the chain at a mark; raises `Refusal` where the leader read other bytes until it."""
        event = record.events[0]
        if isinstance(event, Mark):
            self._marked_chain = offset, self.chain.hex
        is_obeyed = record.epoch == self.machine.state.epoch
        if not (isinstance(event, Checkpoint) and event.chain and is_obeyed):
            return
        marked_offset, ours = self._marked_chain
        if marked_offset == event.mark_offset and ours != event.chain:
            raise Refusal(
                f"up to offset {marked_offset} the log's bytes have chain {ours}, the leader read "
                f"{event.chain}: this Kafka does not hold what the leader was given, or a topic "
                "was made anew under its name. Compare the log with the archive before going on"
            )

    def chain_at(self, mark_offset: int) -> str:
        """The chain at the last mark, if it stands at this offset; else empty."""
        return self._marked_chain[1] if self._marked_chain[0] == mark_offset else ""

    def _halt(self, record: LogRecord, error: Exception) -> None:
        kind = "" if isinstance(error, Undecodable | Refusal) else f"{type(error).__name__}: "
        self.halt = Halt(
            topic=self.topic,
            partition=self.partition,
            offset=record.offset,
            digest=digest_of(record.value),
            cause=f"{kind}{error}",
        )
        logger.critical("fold halted", page=True, why=self.halt.sentence(), exc_info=error)

    def stop_at_hole(self, begins: int, ends: int) -> None:
        """Halt because Kafka has no record where the fold has to go on."""
        if self.halt is not None:
            return
        if self.wanted_offset > ends:
            why = (
                f"the log ends at {ends}, below offset {self.wanted_offset} that was folded: Kafka "
                "lost acknowledged records, or this is another log. Restore it before going on"
            )
        else:
            why = (
                f"the log begins at {begins}, the fold needs offset {self.wanted_offset}: Kafka "
                "dropped records. Restore from a snapshot at or above its beginning"
            )
        self._halt(LogRecord(offset=self.wanted_offset, value=b""), Refusal(why))

    def _scan(self, record: LogRecord) -> None:
        self.seen_offset = record.offset
        halt = self.halt
        assert halt is not None
        try:
            decoded = decode_record(record.value)
        except Undecodable:
            return  # One halt at a time; this record is met again when the fold goes on.
        for hearer in self.hearers:
            hearer(decoded)
        for event in decoded.events:
            if not (isinstance(event, Copied) and isinstance(event.body, RecordSkipped)):
                continue
            if (event.body.offset, event.body.digest) == (halt.offset, halt.digest):
                self._begin_anew(event.body)
                return

    def _begin_anew(self, skip: RecordSkipped) -> None:
        logger.warning(
            "record skipped by an operator; folding anew",
            offset=skip.offset,
            actor=skip.actor,
            why=skip.why,
        )
        self._skips[skip.offset] = skip.digest
        self._anew_until_offset = max(self._anew_until_offset, self.seen_offset)
        if self._find_base is None:
            self.begin_at(Base(self._make(), wanted_offset=0))
        else:
            self._anew_below, self.seen_offset = skip.offset, -1

    def _tell(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.seen_offset:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
        self.version += 1
        if self._looking:
            looking, self._looking = self._looking, {}
            next(iter(looking)).get_loop().call_soon(_settle_all, looking)

    async def until(self, offset: int) -> None:
        """Return when this offset has been looked at."""
        if offset <= self.seen_offset:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (offset, next(self._numbers), future))
        await future

    async def until_whole(self) -> None:
        """Return when a fold that was begun anew is as far as it was, or halted; else at once.

        Until then its watermarks and hosts are those of long ago: nobody may go on from them.
        """
        await self.until(self._anew_until_offset)

    async def newer(self, than: int, timeout_s: float) -> int:
        """The version, as soon as it is above ``than``, or after the time-out as it is.

        By hand, as every batch wakes several: `asyncio.wait` takes three times as long. One timer
        serves all, and stays when they are told: mostly the next ones wait longer than that.
        """
        if self.version <= than:
            loop = asyncio.get_running_loop()
            told: asyncio.Future[None] = loop.create_future()
            until_s = self._looking[told] = loop.time() + timeout_s
            ends = self._look_ends
            if ends is None or until_s < ends.when():
                if ends is not None:
                    ends.cancel()
                self._look_ends = loop.call_at(until_s, self._looked_long, until_s)
            try:
                await told
            finally:
                self._looking.pop(told, None)
        return self.version

    def _looked_long(self, now_s: float) -> None:
        """Let those go on who have waited long enough, and see to the next of them."""
        self._look_ends = None
        for each, until_s in self._looking.items():
            if until_s <= now_s:
                _settle(each)
        left_s = [until_s for until_s in self._looking.values() if until_s > now_s]
        if left_s:
            until_s = min(left_s)
            loop = asyncio.get_running_loop()
            self._look_ends = loop.call_at(until_s, self._looked_long, until_s)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _settle_all(futures: Iterable[asyncio.Future[None]]) -> None:
    for each in futures:
        _settle(each)
