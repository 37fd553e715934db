"""`flumina top`: what tasks and hosts use, the busiest first.

The one thing to know: it reads the topic `metrics`, so it shows what `flumina usage` has published,
however many look, and asks no host itself.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from aiokafka.errors import KafkaError
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from connectors.mesos.usage import CellUsage, HostUsage, TaskUsage
from streams.cli.common import DataDirOption, JsonOption, data_dir_of, running_here, settings_here
from streams.cli.quiet import speak_by_errors
from streams.cli.render import out, print_json, show, table
from streams.errors import OperatorError
from streams.settings import Settings
from streams.usage.main import TOPIC
from streams.usage.newest import Newest, newest_usage

REFRESH_S: Final = 1.0
ROWS_MAX: Final = 30
"""Of the live picture, which has to fit a screen; `--once` shows all."""
_MIB: Final = 1024 * 1024


def top(
    once: Annotated[bool, typer.Option("--once", help="Print it once, all of it.")] = False,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Show what tasks and hosts use, the busiest task first, until Ctrl-C.

    Figures are as old as FLUMINA_USAGE_INTERVAL_S (10 s) allows.

    Example: flumina top --once
    """
    speak_by_errors()
    settings = settings_here()
    bootstrap, prefix = _kafka(settings, data_dir)
    try:
        asyncio.run(
            _show(bootstrap, prefix + TOPIC, settings.usage_interval_s, once=once, as_json=as_json)
        )
    except (KafkaError, OSError) as error:
        raise OperatorError(
            f"The figures cannot be read from Kafka at {bootstrap}: {error}.",
            "Kafka is away, or the topic `metrics` was never made.",
            "See `flumina doctor`.",
        ) from error


def _kafka(settings: Settings, data_dir: Path | None) -> tuple[str, str]:
    """Kafka's address and the prefix of topics."""
    running = running_here(settings, data_dir)
    if running is not None:
        return running.kafka, running.topic_prefix
    if settings.kafka_brokers is None:
        raise OperatorError(
            f"Nothing runs on {data_dir_of(settings, data_dir)}.",
            "`flumina up` was not started there, and KAFKA_BROKERS is not set.",
            "Start it, or set KAFKA_BROKERS.",
        )
    return settings.kafka_brokers, settings.topic_prefix


async def _show(bootstrap: str, topic: str, interval_s: int, *, once: bool, as_json: bool) -> None:
    async with newest_usage(bootstrap, topic, interval_s) as newest:
        if as_json:
            print_json(
                {
                    "tasks": msgspec.to_builtins(newest.tasks()),
                    "hosts": msgspec.to_builtins(newest.hosts()),
                    "cells": msgspec.to_builtins(newest.cells()),
                }
            )
            return
        console = out()
        if once or not console.is_terminal:
            _print(console, newest)
            return
        with Live(_picture(newest), console=console, screen=True, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(REFRESH_S)
                await newest.refresh()
                live.update(_picture(newest), refresh=True)


def _print(console: Console, newest: Newest) -> None:
    if not newest.hosts() and not newest.tasks():
        console.print(
            "No figures of the last moments: nobody publishes them (`flumina usage`, which "
            "`flumina up` starts), or no host answers."
        )
        return
    for line in _cells(newest.cells()):
        console.print(line)
    show(console, _hosts(newest.hosts()))
    console.print()
    show(console, _tasks(newest.tasks()))


def _picture(newest: Newest) -> Group:
    tables = _hosts(newest.hosts()[:ROWS_MAX]), "", _tasks(newest.tasks()[:ROWS_MAX])
    return Group(*_cells(newest.cells()), *tables)


def _cells(usages: list[CellUsage]) -> list[str]:
    """One line for each cell: what its tasks may use, and what of it they do use."""
    return [
        f"cell {each.cell}: {each.tasks} tasks; of {_cpus(each.cpu_allocated_milli)} cpus "
        f"allocated {_cpus(each.cpu_used_milli)} used, of "
        f"{_mib(each.memory_allocated_bytes)} of memory {_mib(each.memory_used_bytes)}"
        for each in usages
    ]


def _tasks(usages: list[TaskUsage]) -> Table:
    columns = ("task", "host", "cpu#", "of#", "throttled#", "memory#", "of #", "disk#", "pids#")
    rows = [
        (
            each.task_id,
            each.host,
            _cpus(each.cpu_milli),
            _cpus(each.cpu_limit_milli),
            _share(each.cpu_throttled_periods_total, each.cpu_periods_total),
            _mib(each.memory_rss_bytes),
            _mib(each.memory_limit_bytes),
            _mib(each.disk_used_bytes),
            _text(each.processes),
        )
        for each in usages
    ]
    return table("", columns, rows)


def _hosts(usages: list[HostUsage]) -> Table:
    columns = ("host", "tasks#", "load#", "cpus#", "given#", "memory free#", "of#")
    rows = [
        (
            each.host,
            _text(each.tasks_running),
            _cpus(each.load_1min_milli),
            _cpus(each.cpus_milli),
            _cpus(each.allocated_cpus_milli),
            _mib(each.memory_free_bytes),
            _mib(each.memory_total_bytes),
        )
        for each in usages
    ]
    return table("", columns, rows)


def _text(value: int | None) -> str:
    return "-" if value is None else str(value)


def _cpus(milli: int | None) -> str:
    return "-" if milli is None else f"{milli / 1000:.2f}"


def _mib(count: int | None) -> str:
    return "-" if count is None else f"{count / _MIB:,.1f} MiB"


def _share(part: int | None, whole: int | None) -> str:
    return f"{100 * (part or 0) / whole:.0f} %" if whole else "-"
