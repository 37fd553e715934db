"""`flumina cell`: one worker of the cells, as `up` and production start it.

The one thing to know: it ends with code 3 when its leadership is over, and whoever keeps it running
starts it again at once; nothing of an old leadership can linger in memory.
"""

import asyncio
import sys
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry

from scheduler.model.policy import Policy, changed_policy
from streams.cell.main import CellProcess, options_of, run_until_signal
from streams.cell.seat import CellOptions
from streams.cli.common import (
    DataDirOption,
    PolicyOption,
    data_dir_of,
    policy_numbers,
    settings_here,
)
from streams.kafka.answering import answering
from streams.kafka.generations import ensure_generations
from streams.kafka.topic_admin import ensure_topics
from streams.logs import configure_logging
from streams.pages.metrics import PageMetrics
from streams.pages.opening import paging
from streams.probes import probed
from streams.settings import Settings


def cell(data_dir: DataDirOption = None, policy: PolicyOption = None) -> None:
    """Run one worker in the foreground: it leads the cells it is given, or stands by to lead.

    Wants KAFKA_BROKERS and MESOS_MASTER. Ends with code 3 when it leads no longer; whoever keeps
    it running starts it again at once.

    Example: KAFKA_BROKERS=kafka:9092 MESOS_MASTER=mesos:5050 flumina cell
    """
    settings = settings_here()
    options = msgspec.structs.replace(
        options_of(settings),
        data_dir=data_dir_of(settings, data_dir),
        policy=changed_policy(Policy(), policy_numbers(policy)),
    )
    configure_logging(options.candidate)
    sys.exit(asyncio.run(_run(options, settings)))


async def _run(options: CellOptions, settings: Settings) -> int:
    options = msgspec.structs.replace(options, bootstrap=await answering(options.bootstrap))
    await ensure_topics(options.bootstrap, settings)
    await ensure_generations(options.bootstrap, options.topic_prefix, settings.cells)
    process = CellProcess(options)
    async with probed(settings.probe_address, process.why_not_ready) as probes:
        with paging(settings, options.candidate, PageMetrics(CollectorRegistry())):
            ready = partial(probes.begun, f"ready {options.candidate}")
            return await run_until_signal(process, ready)
