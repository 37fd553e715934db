"""The task logs' retention: what has been kept for long enough is removed from the store.

The one thing to know: it reads names only, and removes whole tasks. When the store fails nothing
is lost by it but an hour.
"""

import asyncio
from typing import Final

import structlog

from connectors.ports import ObjectStore, StoreFailed
from connectors.tasklogs.limits import MIB, Retention
from connectors.tasklogs.retention import sweep
from streams.clock import now_ms
from streams.settings import Settings

logger = structlog.get_logger(__name__)

SWEEP_S: Final = 3_600.0


def retention_of(settings: Settings) -> Retention:
    """For how long, and how much, the settings have task logs kept."""
    return Retention(settings.task_log_days, settings.task_log_job_mib * MIB)


async def keep_task_logs(store: ObjectStore, settings: Settings) -> None:
    """Sweep now and every hour until cancelled."""
    retention = retention_of(settings)
    while True:
        try:
            swept = await asyncio.to_thread(sweep, store, settings.cell, retention, now_ms())
        except StoreFailed as error:
            logger.warning("task logs were not swept", why=str(error))
        else:
            if swept.tasks_removed:
                logger.info(
                    "task logs were removed from the store",
                    tasks=swept.tasks_removed,
                    bytes=swept.bytes_removed,
                    tasks_kept=swept.tasks_kept,
                )
        await asyncio.sleep(SWEEP_S)
