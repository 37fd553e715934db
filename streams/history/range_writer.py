"""Puts closed ranges into the archive, however long the store refuses.

The one thing to know: whoever reads Kafka waits here, so nothing more is read while nothing can be
kept; Kafka keeps it, the lag grows, and its age pages.
"""

import asyncio
from collections.abc import Callable

import structlog

from connectors.archive.archive import Archive, DamagedRange, NewRange, RangeDiffers
from connectors.archive.ranges import Manifest
from connectors.ports import StoreFailed
from streams.clock import now_ms
from streams.history.limits import HistoryLimits
from streams.history.metrics import HistoryMetrics
from streams.history.tracks import Made, Track

logger = structlog.get_logger(__name__)

Page = Callable[[str, str], None]
"""Tells an operator: what it is (a word that stays the same), and why, in sentences."""


def page_to_log(what: str, why: str) -> None:
    """Write a page to the log, where nobody else sends it."""
    logger.critical(what, page=True, why=why)


class ArchivingStopped(Exception):
    """The archive has something else in the place of a range; an operator has been paged."""


class RangeWriter:
    """The one hand that writes to the archive."""

    def __init__(
        self,
        archive: Archive,
        limits: HistoryLimits,
        metrics: HistoryMetrics,
        page: Page,
        build: str,
    ) -> None:
        self.archive = archive
        self.limits = limits
        self.metrics = metrics
        self.page = page
        self.build = build

    def made(self) -> Made:
        """What manifests say of who makes a range now."""
        return Made(now_ms(), self.build)

    async def close(self, track: Track) -> Manifest:
        """The manifest of the track's open range, which is archived and begun anew."""
        manifest = await self.put(track.range(self.made()))
        track.archived()
        return manifest

    async def put(self, new: NewRange) -> Manifest:
        """The manifest of this range, once it is archived.

        Raises `ArchivingStopped` where something else stands in its place.
        """
        wait_ms = self.limits.retry_ms
        while True:
            try:
                manifest = await asyncio.to_thread(self.archive.put, new)
            except StoreFailed as error:
                self.metrics.store_failing.set(1)
                logger.warning("a range cannot be archived; trying again", why=str(error))
                await asyncio.sleep(wait_ms / 1_000)
                wait_ms = min(2 * wait_ms, self.limits.retry_ms_max)
                continue
            except RangeDiffers as error:
                if new.series.kind != "notes":
                    raise self._stopped(error) from error
                # Where a note's cause lies before the snapshot at which a fold began, it is not
                # told; so of two historians' notes either will do.
                return await asyncio.to_thread(self.archive.manifest, new.series, new.span)
            except DamagedRange as error:
                raise self._stopped(error) from error
            self.metrics.store_failing.set(0)
            self.metrics.ranges.labels(manifest.kind).inc()
            self.metrics.bytes.labels(manifest.kind).inc(manifest.file_bytes)
            return manifest

    def _stopped(self, error: Exception) -> ArchivingStopped:
        self.page("archive-differs", str(error))
        return ArchivingStopped(str(error))
