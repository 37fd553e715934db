"""What agents tell of usage, read by our own poller: alike on the dev cluster and the real one."""

import asyncio
from collections.abc import Callable

import pytest

from connectors.mesos.usage import HostUsage, TaskUsage, Usage
from streams.supervise.ports import free_block
from streams.usage.poller import Poller, PollError
from tests.contract.mesos_master.master_client import Framework, scalars

pytestmark = pytest.mark.integration

LABELS = {"flumina.cell": "main", "flumina.job": "busy", "flumina.index": "7", "flumina.image": "x"}


def rounds(port: int, until: Callable[[list[Usage]], bool]) -> list[Usage]:
    """The figures of the first round for which the condition holds."""
    found: list[Usage] = []

    async def ask() -> None:
        # The first is nobody's master: any of them leads to the one that leads.
        poller = Poller([f"127.0.0.1:{free_block(1)}", f"127.0.0.1:{port}"], ["main"])

        async def is_there() -> bool:
            found[:] = await poller.round()
            assert not poller.failed
            return until(found)

        try:
            async with asyncio.timeout(30):
                while not await is_there():
                    await asyncio.sleep(0.3)
        finally:
            await poller.close()

    asyncio.run(ask())
    return found


def test_usage_of_a_busy_task(port: int) -> None:
    labels = {"labels": [{"key": key, "value": value} for key, value in LABELS.items()]}
    with Framework(port) as framework:
        framework.run("busy-7", "while :; do :; done", labels=labels, resources=scalars(0.5, 64))
        framework.run("foreign", "sleep 600")
        usages = rounds(
            port,
            lambda found: any(isinstance(u, TaskUsage) and (u.cpu_milli or 0) > 50 for u in found),
        )
    (task,) = [each for each in usages if isinstance(each, TaskUsage)]
    hosts = [each for each in usages if isinstance(each, HostUsage)]
    assert (task.job_id, task.task_id, task.index, task.image) == ("busy", "busy-7", 7, "x")
    assert task.host_id in {each.host_id for each in hosts}
    assert (task.cpu_milli or 0) <= 1_200
    # Mesos adds a tenth of a cpu and 32 MiB for its own executor.
    assert task.cpu_limit_milli in {500, 600}
    assert task.memory_limit_bytes in {64 << 20, 96 << 20}
    assert (task.memory_rss_bytes or 0) > 0
    assert len(hosts) == 2
    assert all((each.cpus_milli or 0) >= 1_000 for each in hosts)
    assert all((each.memory_total_bytes or 0) > (each.memory_free_bytes or 0) > 0 for each in hosts)
    assert sum(each.tasks_running or 0 for each in hosts) == 2


def test_no_master_at_all() -> None:
    async def ask() -> None:
        poller = Poller([f"127.0.0.1:{free_block(1)}"], ["main"])
        try:
            with pytest.raises(PollError, match="cannot be read"):
                await poller.round()
        finally:
            await poller.close()

    asyncio.run(ask())
