"""Where a process's pages are sent from: a thread that dedupes, limits, retries, and never blocks.

The one thing to know: a page is sent at least once, and by one process. Several may notice one
thing (the leader's fold and the api's both halt at a poison record), so the first claims it in the
store, by a conditional write; the others wait, and send it themselves only if the claimant did not
say that it was sent. Without the store everybody sends: twice is better than never.
"""

import heapq
import itertools
import threading
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple, Protocol

import msgspec
import structlog

from connectors.pager.client import PageFailed
from connectors.pager.translate import Page
from connectors.ports import NoSuchObject, ObjectExists, ObjectStore, StoreFailed
from streams.clock import elapsed_s, now_ms

logger = structlog.get_logger(__name__)


class DeskLimits(msgspec.Struct, frozen=True):
    """How much and how often; tests have shorter ones."""

    waiting_max: int = 1_000
    repeat_s: float = 600.0
    """The same page within so long is one."""
    known_max: int = 10_000
    sent_per_minute_max: int = 30
    claim_wait_s: float = 30.0
    """A claimant that has not said "sent" by then is taken for dead."""
    retry_s: float = 1.0
    """First wait after a failure; doubles up to the next number."""
    retry_s_max: float = 60.0
    give_up_s: float = 3_600.0
    kept_s: float = 7 * 86_400.0
    """Claims in the store are deleted then: nobody pages what is older than a day."""
    kept_max: int = 10_000
    """Objects in the store, two a page; of more the oldest are deleted."""
    tidy_s: float = 3_600.0
    """Between two looks at them, each behind a page."""


class Receiver(Protocol):
    """Where pages go: a webhook, or whatever else takes them."""

    def send(self, page: Page, at_ms: int) -> None:
        """Return when the page is taken; raises `PageFailed` else."""
        ...


class DeskMetrics(Protocol):
    """What becomes of pages, counted."""

    def counted(self, outcome: str) -> None:
        """Count one more of which this became."""
        ...

    def wait(self, count: int) -> None:
        """So many are to be sent."""
        ...


class Waiting(NamedTuple):
    """A page to be sent, and how it has fared so far."""

    page: Page
    since_s: float
    failures: int = 0
    is_claimed: bool = False
    """Ours to send: we hold its claim, or waited long enough for who does."""


class Desk:
    """Takes pages from any thread and sends them from its own."""

    def __init__(
        self,
        cell: str,
        webhook: Receiver | None,
        store: ObjectStore | None,
        metrics: DeskMetrics,
        *,
        limits: DeskLimits | None = None,
        clock: Callable[[], float] = elapsed_s,
    ) -> None:
        self._cell, self._webhook, self._store = cell, webhook, store
        self._metrics, self._limits, self._clock = metrics, limits or DeskLimits(), clock
        self._queue: list[tuple[float, int, Waiting]] = []
        self._numbers = itertools.count()
        self._known: dict[str, float] = {}
        self._sent_s: list[float] = []
        self._tidied_s = float("-inf")
        self._changed = threading.Condition()
        self._is_closing = False
        self._is_busy = False
        self._thread = threading.Thread(target=self._run, name="pages", daemon=True)
        self._thread.start()

    def put(self, page: Page) -> None:
        """Have the page sent, unless the same was put a moment ago; never waits."""
        with self._changed:
            now_s = self._clock()
            last_s = self._known.get(page.id)
            if last_s is not None and now_s < last_s + self._limits.repeat_s:
                self._count("repeated")
                return
            if self._webhook is None:
                self._count("nowhere")
            elif len(self._queue) >= self._limits.waiting_max:
                self._count("dropped")
                logger.error("a page is dropped: too many wait", what=page.what, paged=True)
                return
            else:
                self._push(now_s, Waiting(page, now_s))
            self._known[page.id] = now_s
            while len(self._known) > self._limits.known_max:
                del self._known[next(iter(self._known))]

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what can be sent at once, and end; a page that waits is sent by the next start."""
        deadline_s = self._clock() + timeout_s
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            while self._is_busy or self._is_sendable():
                left_s = deadline_s - self._clock()
                if left_s <= 0:
                    break
                self._changed.wait(min(left_s, 0.1))
        self._thread.join(max(0.0, deadline_s - self._clock()))

    def until_idle(self, timeout_s: float) -> bool:
        """Whether nothing waits or is under way any more within so long."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._queue or self._is_busy), timeout_s)

    def _count(self, outcome: str) -> None:
        self._metrics.counted(outcome)
        self._metrics.wait(len(self._queue))

    def _push(self, due_s: float, waiting: Waiting) -> None:
        heapq.heappush(self._queue, (due_s, next(self._numbers), waiting))
        self._metrics.wait(len(self._queue))
        self._changed.notify_all()

    def _is_sendable(self) -> bool:
        is_due = bool(self._queue) and self._queue[0][0] <= self._clock()
        return is_due and self._pause_s() <= 0

    def _run(self) -> None:
        while (waiting := self._next()) is not None:
            outcome, again = "", None
            try:
                outcome, again = self._handled(waiting)
            except Exception as error:  # a page's own fault must not end all others
                logger.exception("a page could not be handled", what=waiting.page.what)
                outcome, again = self._failed(waiting, PageFailed(repr(error)))
            with self._changed:
                self._is_busy = False
                if again is not None:
                    self._push(*again)
                if outcome:
                    self._count(outcome)
                self._changed.notify_all()

    def _next(self) -> Waiting | None:
        """The next page that is due, waited for; None once the desk is closed and nothing is."""
        with self._changed:
            while not self._is_sendable():
                if self._is_closing:
                    return None
                due_s = self._queue[0][0] - self._clock() if self._queue else 60.0
                self._changed.wait(max(due_s, self._pause_s(), 0.001))
            self._is_busy = True
            return heapq.heappop(self._queue)[2]

    def _pause_s(self) -> float:
        """How long nothing may be sent, because very much was sent within the last minute."""
        since_s = self._clock() - 60.0
        self._sent_s = [each for each in self._sent_s if each > since_s]
        if len(self._sent_s) < self._limits.sent_per_minute_max:
            return 0.0
        return self._sent_s[0] - since_s

    def _handled(self, waiting: Waiting) -> tuple[str, tuple[float, Waiting] | None]:
        """What became of the page, or when it is due again."""
        assert self._webhook is not None
        page = waiting.page
        if not waiting.is_claimed:
            claim = self._claim(page)
            if claim == "sent":
                return "repeated", None
            due_s = self._clock() + (self._limits.claim_wait_s if claim == "other" else 0.0)
            if claim == "other" and waiting.failures == 0:
                # Looked at once more after the wait; then it is sent, by whomever.
                return "", (due_s, waiting._replace(failures=1))
        self._sent_s.append(self._clock())
        try:
            self._webhook.send(page, now_ms())
        except PageFailed as error:
            return self._failed(waiting, error)
        self._note_sent(page)
        self._tidy()
        return "sent", None

    def _failed(
        self, waiting: Waiting, error: PageFailed
    ) -> tuple[str, tuple[float, Waiting] | None]:
        limits, now_s = self._limits, self._clock()
        logger.warning("a page was not taken", what=waiting.page.what, why=str(error))
        if now_s >= waiting.since_s + limits.give_up_s:
            logger.error("a page is given up", what=waiting.page.what, paged=True)
            return "failed", None
        wait_s = min(limits.retry_s * 2 ** min(waiting.failures, 20), limits.retry_s_max)
        again = waiting._replace(failures=waiting.failures + 1, is_claimed=True)
        return "", (now_s + max(wait_s, error.retry_after_s), again)

    def _claim(self, page: Page) -> str:
        """``ours``, ``other``'s, or already ``sent``; ours where the store cannot tell."""
        if self._store is None:
            return "ours"
        key = self._key(page)
        try:
            self._store.put_new(f"{key}.claim", page.process.encode())
        except ObjectExists:
            try:
                self._store.get(f"{key}.sent")
            except NoSuchObject:
                return "other"
            except StoreFailed as error:
                logger.warning("a page's claim cannot be read; it is sent", why=str(error))
                return "ours"
            return "sent"
        except StoreFailed as error:
            logger.warning("a page cannot be claimed; it is sent all the same", why=str(error))
        return "ours"

    def _note_sent(self, page: Page) -> None:
        if self._store is None:
            return
        try:
            self._store.put_new(f"{self._key(page)}.sent", page.process.encode())
        except ObjectExists:
            return
        except StoreFailed as error:
            logger.warning("that a page was sent cannot be noted", why=str(error))

    def _tidy(self) -> None:
        """Delete what is in the store of pages of long ago, and the oldest of too many."""
        limits, now_s = self._limits, self._clock()
        if self._store is None or now_s < self._tidied_s + limits.tidy_s:
            return
        self._tidied_s = now_s
        try:
            there = sorted(self._store.facts(self._prefix), key=lambda each: -each.written_at_ms)
            oldest_ms = now_ms() - 1_000 * limits.kept_s
            for number, each in enumerate(there):
                if number >= limits.kept_max or each.written_at_ms < oldest_ms:
                    self._store.delete(each.key)
        except StoreFailed as error:
            logger.warning("old pages cannot be deleted; they are looked at later", why=str(error))

    @property
    def _prefix(self) -> str:
        return f"pages/{self._cell}/"

    def _key(self, page: Page) -> str:
        return f"{self._prefix}{sha256(page.id.encode()).hexdigest()[:32]}"
