"""The history process: archives the cell log and every other topic, and watches their retention.

The one thing to know: nothing waits for it, and it may be killed at any moment: it goes on behind
what the store lists. While it is away Kafka keeps what it has not read, and the guard says for how
long that is safe.
"""

import asyncio
import contextlib
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from connectors.archive.archive import Archive
from connectors.cancelling import TaskGroup, end_all
from streams.access.metrics_page import MetricsPage
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.history.folding import rows_of_changes, rows_of_notes
from streams.history.historian import CellHistorian, CellPlace
from streams.history.limits import HistoryLimits
from streams.history.merging import merge_small
from streams.history.messages import MessageHistorian
from streams.history.metrics import HistoryMetrics
from streams.history.range_writer import Page, RangeWriter, page_to_log
from streams.history.starting import Starter
from streams.history.task_logs import keep_task_logs
from streams.kafka.retention import Standing, retention_faults, retentions_ms
from streams.kafka.topic_admin import differences_of_topics, ensure_topics
from streams.pages.metrics import PageMetrics
from streams.pages.opening import paging
from streams.probes import Probes
from streams.settings import Settings
from streams.snapshots.metrics import SnapshotMetrics
from streams.stopping import stop_event
from streams.store import store_of

logger = structlog.get_logger(__name__)

MERGE_S: Final = 600.0


class HistoryProcess:
    """Everything that the process does beside each other; `run` returns when it is cancelled."""

    def __init__(
        self,
        settings: Settings,
        limits: HistoryLimits | None = None,
        page: Page = page_to_log,
    ) -> None:
        assert settings.kafka_brokers is not None
        self._bootstrap = settings.kafka_brokers
        self._settings = settings
        self.limits = limits or HistoryLimits(range_age_ms=settings.archive_age_s * 1_000)
        self.metrics = HistoryMetrics()
        self.archive = Archive(store_of(settings))
        self._page = page
        self._paged: dict[str, str] = {}
        """What was paged last of each matter, so that each is said once."""
        writer = RangeWriter(self.archive, self.limits, self.metrics, page, version("flumina"))
        place = CellPlace(
            self._bootstrap, settings.topic_prefix + "cell", settings.partition, settings.cell
        )
        self.cell = CellHistorian(
            place,
            writer,
            Starter(
                self.archive,
                settings.cell,
                SnapshotMetrics(self.metrics.registry),
                page,
                version("flumina"),
            ),
            {"changes": rows_of_changes, "notes": rows_of_notes},
        )
        self.messages = MessageHistorian(
            self._bootstrap, settings.topic_prefix, settings.partition, writer
        )

    def why_not_ready(self) -> str:
        """Which topics wait too long for the archive; empty where none does."""
        late = self._paged.get("archive-behind", "")
        return f"records of {late} wait for the archive" if late else ""

    async def run(self) -> None:
        """Archive and watch until cancelled."""
        async with TaskGroup() as group:
            group.create_task(self.cell.run())
            group.create_task(self.messages.run())
            group.create_task(self._watch())
            group.create_task(self._guard())
            if self._settings.partition == 0:
                # One process for the whole archive: two would put the same ranges together.
                group.create_task(self._merge())
            group.create_task(keep_task_logs(self.archive.store, self._settings))

    async def _watch(self) -> None:
        """Measure how far behind the archive is, and page when it is too far."""
        while True:
            try:
                standings = await self.standings()
            except (KafkaError, OSError) as error:
                logger.warning("the topics' ends cannot be asked for", why=repr(error))
                await asyncio.sleep(self.limits.watch_ms / 1_000)
                continue
            late = [each for each in standings if each.lag_ms > self.limits.page_age_ms]
            oldest_s = max((each.lag_ms for each in late), default=0) // 1_000
            names = ", ".join(sorted({each.topic for each in late}))
            self._page_once(
                "archive-behind",
                f"Records of {names} wait for the archive since {oldest_s} s" if late else "",
                f"Records of {names} are not archived for more than "
                f"{self.limits.page_age_ms // 1_000} s (the oldest for {oldest_s} s). Kafka keeps "
                f"them for now. Look at the store {self.archive.store.url} and at this process.",
                key=names,
            )
            await asyncio.sleep(self.limits.watch_ms / 1_000)

    async def standings(self) -> list[Standing]:
        """What Kafka has of each partition and what the archive still needs, measured now."""
        at_ms = now_ms()
        ends = await self.cell.kafka.ends()
        place = self.cell.place
        records = self.cell.records
        lag, lag_ms = self.cell.lag(ends, at_ms)
        self._measure((place.topic, str(place.partition)), lag, lag_ms)
        needed = ends.begin if records is None else records.first_offset
        found = [Standing(place.topic, place.partition, ends.begin, needed, lag_ms)]
        for lane in self.messages.lanes.values():
            lag, lag_ms = lane.lag(at_ms)
            self._measure(lane.labels, lag, lag_ms)
            needed = lane.begin if lane.track is None else lane.track.first_offset
            archived = -1 if lane.track is None else lane.track.first_offset - 1
            self.metrics.archived_offset.labels(*lane.labels).set(archived)
            found.append(
                Standing(lane.place.topic, lane.place.partition, lane.begin, needed, lag_ms)
            )
        return found

    def _measure(self, labels: tuple[str, str], lag_records: int, lag_ms: int) -> None:
        self.metrics.lag_records.labels(*labels).set(lag_records)
        self.metrics.lag_seconds.labels(*labels).set(lag_ms / 1_000)

    def _page_once(self, what: str, summary: str, why: str, key: str) -> None:
        """Page when the matter is another one than last time; forget it when it is over."""
        if not summary:
            self._paged.pop(what, None)
        elif self._paged.get(what) != key:
            self._paged[what] = key
            self._page(what, why)

    async def _guard(self) -> None:
        """Look at the topics' retention now and every hour."""
        while True:
            try:
                faults = await self.look_at_retention()
            except (KafkaError, OSError, OperatorError) as error:
                logger.warning("the topics' retention cannot be looked at", why=repr(error))
                await asyncio.sleep(self.limits.watch_ms / 1_000)
                continue
            self.metrics.retention_faults.set(len(faults))
            text = "; ".join(faults)
            self._page_once(
                "retention",
                text,
                f"Kafka may drop what is still needed: {text}. Correct the topics with Kafka's "
                "tools; nothing was changed.",
                key=text,
            )
            await asyncio.sleep(self.limits.guard_interval_ms / 1_000)

    async def look_at_retention(self) -> list[str]:
        """What is wrong with how long topics are kept, as sentences."""
        standings = await self.standings()
        topics = sorted({each.topic for each in standings})
        kept_ms = await retentions_ms(self._bootstrap, topics)
        differences = await differences_of_topics(self._bootstrap, self._settings)
        return retention_faults(standings, kept_ms, differences)

    async def _merge(self) -> None:
        """Put small ranges together now and then."""
        while True:
            await asyncio.sleep(MERGE_S)
            try:
                await asyncio.to_thread(
                    merge_small, self.archive, self.limits, now_ms(), version("flumina")
                )
            except OSError as error:
                logger.warning("small ranges cannot be put together now", why=str(error))


async def run_history(
    settings: Settings, port: int, ready: Callable[[str], None], probes: Probes | None = None
) -> None:
    """Archive until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    if settings.kafka_brokers is None:
        raise OperatorError(
            "The history process needs a Kafka.",
            "KAFKA_BROKERS is not set; `flumina up` starts one and sets it.",
            "Set it to host:port, or use `flumina up`.",
        )
    try:
        await ensure_topics(settings.kafka_brokers, settings)
    except OperatorError as error:
        # A topic with another retention is where archiving is wanted most.
        page_to_log("topics-differ", str(error))
    process = HistoryProcess(settings)
    if probes is not None:
        probes.why_not_ready = process.why_not_ready
    page = MetricsPage(settings, port, process.metrics.registry)
    is_over = stop_event()
    desk = contextlib.ExitStack()
    desk.enter_context(paging(settings, "history", PageMetrics(process.metrics.registry)))
    running = asyncio.create_task(process.run())
    stopping = asyncio.create_task(is_over.wait())
    try:
        ready(page.url)
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        await end_all(running, stopping)
        await asyncio.to_thread(page.close)
        await asyncio.to_thread(desk.close)
