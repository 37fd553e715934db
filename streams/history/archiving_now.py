"""Archives everything that Kafka has at this moment, once, and returns.

The one thing to know: it may run beside the history process. Ranges that both write are the same,
or overlap, and either harms nobody.
"""

import asyncio
from contextlib import suppress

import msgspec

from streams.errors import OperatorError
from streams.history.limits import HistoryLimits
from streams.history.main import HistoryProcess
from streams.settings import Settings

POLL_S = 0.1
RANGE_AGE_MS = 500
"""Nothing is waited for, and yet a long log does not end as a thousand small files."""


class ArchivedNow(msgspec.Struct, frozen=True):
    """Up to where everything is archived."""

    generation: str
    cell_end: int
    topics: dict[str, int]
    """By ``topic[partition]``, of those that have records."""


async def archive_now(settings: Settings, timeout_s: float) -> ArchivedNow:
    """What is archived, when all that Kafka had at the start is; raises `OperatorError` else."""
    pages: list[str] = []
    process = HistoryProcess(
        settings, HistoryLimits(range_age_ms=RANGE_AGE_MS), lambda _, why: pages.append(why)
    )
    running = asyncio.create_task(process.run())
    try:
        async with asyncio.timeout(timeout_s):
            return await _until_archived(process, running)
    except TimeoutError as error:
        raise OperatorError(
            f"Not all of it was archived within {timeout_s:.0f} s.",
            pages[-1] if pages else "The store is slow, or there is much to archive.",
            "What was archived stays; try again with a longer --timeout.",
        ) from error
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _until_archived(process: HistoryProcess, running: asyncio.Task[None]) -> ArchivedNow:
    end = (await process.cell.kafka.ends()).end
    lanes = process.messages.lanes.values()
    while not (
        process.cell.is_archived_to(end)
        and process.messages.has_looked
        and all(each.lag(0)[0] == 0 for each in lanes)
    ):
        if running.done():
            running.result()
        await asyncio.sleep(POLL_S)
    records = process.cell.records
    return ArchivedNow(
        generation=records.series.generation if records else "",
        cell_end=end,
        topics={
            f"{each.place.topic}[{each.place.partition}]": each.track.first_offset
            for each in lanes
            if each.track is not None
        },
    )
