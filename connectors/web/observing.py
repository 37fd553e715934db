"""What every stream of events reads from: rings that are filled as the cell is folded.

The one thing to know: nothing is told while the fold catches up with a long log. Once it is near
the end, the rings begin, and from then on every record is told, whether somebody listens or not:
whoever comes from another api process finds here what it missed on the way.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Literal, get_args

import msgspec
import structlog

from projections.cell_view import CellView
from projections.observe.names import STREAMS, Stream
from projections.observe.observer import Observer
from projections.observe.ring import BYTES_MAX, EVENTS_MAX, Ring
from scheduler.model.changes import Change
from scheduler.model.events import CellRecord

logger = structlog.get_logger(__name__)

Ended = Literal["client", "dropped", "over", "anew", "closing"]
"""Why a stream ended: its reader left; was too slow; nothing more can come; the log was folded
anew; the process stops."""
ENDS: Final[tuple[Ended, ...]] = get_args(Ended)


class ObserveLimits(msgspec.Struct, frozen=True):
    """How many streams there may be, and how patient they are."""

    streams_max: int = 400
    """Of the thousand connections that the server takes; the others are for requests."""
    of_address_max: int = 200
    keep_alive_s: float = 10.0
    """Shorter than what proxies take for silence; Titus' federation counts 15 s."""
    send_s_max: float = 30.0
    """One piece that is not taken for so long is a reader that is gone."""
    gather_s: float = 0.02
    """So long after the first news the readers are woken, all at once."""
    near_records: int = 2_000
    """So near the log's end the fold has caught up. It is as many as an api process folds when it
    starts: who was broken off by the restart finds there what it missed."""
    walk_records_max: int = 100_000
    """Who comes back later than that begins with a snapshot, which is sooner read."""
    walk_s_max: float = 60.0
    """After so long a walk through old records ends, and its reader comes again."""
    events_max: int = EVENTS_MAX
    bytes_max: int = BYTES_MAX


class Observing:
    """The rings of one api process, and the books of who reads them."""

    def __init__(self, limits: ObserveLimits | None = None) -> None:
        self.limits = limits or ObserveLimits()
        self.view: CellView | None = None
        """The fold that the rings tell of; None until they begin."""
        self.offset = -1
        """The last record that was told."""
        self.is_closing = False
        self.open: Counter[Stream] = Counter()
        self.of_address: Counter[str] = Counter()
        self.sent: Counter[Stream] = Counter()
        """Events that were sent, of all streams of a kind."""
        self.ended: Counter[Ended] = Counter()
        self.refused = 0
        self.failed = 0
        """Records that could not be streamed: a mistake of ours."""
        ring = (self.limits.events_max, self.limits.bytes_max)
        self._rings: dict[Stream, Ring] = {stream: Ring(*ring) for stream in STREAMS}
        self._observer = Observer()
        self.walking = asyncio.Lock()
        """Held by the one reader who is told of records that the rings hold no more."""
        self._news: asyncio.Future[None] | None = None
        self._waking: asyncio.TimerHandle | None = None

    def ring(self, stream: Stream) -> Ring:
        """The last events of a stream."""
        return self._rings[stream]

    def begin(self, view: CellView, lag_records: int) -> bool:
        """Whether the rings tell of this fold, from now on at the latest."""
        if self.view is view:
            return True
        if view.next_offset == 0 or lag_records > self.limits.near_records:
            return False
        self.view, self.offset = view, view.next_offset - 1
        self._observer.begin(view)
        for ring in self._rings.values():
            ring.begin(self.offset)
        self._wake()
        return True

    def folded(
        self,
        view: CellView,
        offset: int,
        record: CellRecord,
        changes: Sequence[tuple[int, Change]],
        lag_records: Callable[[], int],
    ) -> None:
        """Tell what this record, which the view has just folded, has changed."""
        if self.view is not view:
            self.view = None  # Begun anew: what was told stands, and nobody reads on from it.
            self.begin(view, lag_records())
            return
        try:
            told = self._observer.told(view, offset, record, changes)
        except Exception:
            # What cannot be shown must not take the process's reads and writes away.
            logger.exception("a record cannot be streamed; all streams begin anew", offset=offset)
            self.failed += 1
            self.view = None
            self._wake()
            return
        for stream, events in told.items():
            ring = self._rings[stream]
            for each in events:
                ring.add(each)
            self._wake_soon()
        self.offset = offset

    def _wake_soon(self) -> None:
        if self._news is not None and self._waking is None:
            loop = self._news.get_loop()
            self._waking = loop.call_later(self.limits.gather_s, self._wake)

    def _wake(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
        news, self._news, self._waking = self._news, None, None
        if news is not None and not news.done():
            news.set_result(None)

    async def until_news(self, timeout_s: float) -> None:
        """Return when something was told, or after the time-out."""
        if self._news is None:
            self._news = asyncio.get_running_loop().create_future()
        await asyncio.wait((self._news,), timeout=timeout_s)

    def close(self) -> None:
        """Have every stream end: the process stops."""
        self.is_closing = True
        self._wake()
