"""The black-box prober as a process: rounds at intervals, metrics, and a pager of its own.

The one thing to know: it stands outside the stack. It has no Kafka, no store and no file of the
cell, so it goes on when any of them, or all, are gone; and it pages without any of them.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from connectors.pager.client import Webhook
from streams.access.metrics_page import MetricsPage
from streams.blackbox.judging import Judge, Limits
from streams.blackbox.metrics import BlackboxMetrics
from streams.blackbox.probing import Probing, Round
from streams.clock import now_ms
from streams.pages.desk import Desk
from streams.pages.metrics import PageMetrics
from streams.settings import settings_of
from streams.stopping import stop_event

logger = structlog.get_logger(__name__)

BIND: Final = "127.0.0.1"
INTERVAL_S: Final = 60.0
HASTE_S: Final = 10.0
"""Behind a bad round, so that a page does not wait for two whole intervals."""
STEP_S_MAX: Final = 30.0


class BlackboxOptions(msgspec.Struct, frozen=True):
    """What is tried, how often, and who is told."""

    api: str
    cell: str = ""
    page_url: str | None = None
    page_secret: str = ""
    interval_s: float = INTERVAL_S
    step_s_max: float = STEP_S_MAX
    limits: Limits = Limits()
    capacity_group: str = "DEFAULT"
    port: int = 0
    bind: str = BIND


def probe_once(options: BlackboxOptions) -> tuple[Round, str]:
    """One round, and what it says by itself."""
    found = Probing(options.api, options.step_s_max, options.capacity_group).round()
    return found, Judge(options.api, options.cell, options.limits).standing_of(found)


async def run_blackbox(options: BlackboxOptions, ready: Callable[[str], None]) -> None:
    """Probe until SIGTERM or SIGINT."""
    metrics = BlackboxMetrics()
    webhook = Webhook(options.page_url, options.page_secret) if options.page_url else None
    desk = Desk(options.cell, webhook, None, PageMetrics(metrics.registry))
    page_of_metrics = MetricsPage(
        settings_of(os.environ), options.port, metrics.registry, options.bind
    )
    stop = stop_event()
    probing = Probing(options.api, options.step_s_max, options.capacity_group)
    judge = Judge(options.api, options.cell, options.limits)
    ready(page_of_metrics.url)
    try:
        while not stop.is_set():
            found = await asyncio.to_thread(probing.round)
            at_ms = now_ms()
            standing = judge.standing_of(found)
            metrics.took(found, standing, at_ms)
            page = judge.judged(found, at_ms)
            if standing != "good":
                logger.warning(
                    "a round was not good", standing=standing, step=found.failed_step, why=found.why
                )
            if page is not None:
                logger.critical("paged", what=page.what, why=page.why)
                desk.put(page)
            is_well = standing == "good" and not judge.is_told
            pause_s = options.interval_s if is_well else min(HASTE_S, options.interval_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
    finally:
        await asyncio.to_thread(page_of_metrics.close)
        await asyncio.to_thread(desk.close)
