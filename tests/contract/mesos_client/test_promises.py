"""Every promise of ``promises.py``, kept by the real Mesos 1.11.0 and by the dev cluster."""

import asyncio

import pytest

from scheduler.model.resources import Need, holds_ports
from tests.contract.mesos_client.clusters import Cluster, RealMesos
from tests.contract.mesos_client.framework import Framework, a_task, subscribed
from tests.contract.mesos_client.promises import PROMISES, Promise

DEADLINE_S = 120.0
by_name = pytest.mark.parametrize("promise", PROMISES, ids=lambda each: each.__name__)


def keep(promise: Promise, cluster: Cluster) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await promise(cluster)

    asyncio.run(bounded())


@pytest.mark.integration
@pytest.mark.real_mesos
@by_name
def test_real_mesos_keeps(promise: Promise, real: RealMesos) -> None:
    keep(promise, real)


@pytest.mark.integration
@by_name
def test_dev_cluster_keeps(promise: Promise, dev: Cluster) -> None:
    keep(promise, dev)


@pytest.mark.integration
@pytest.mark.real_mesos
def test_a_task_spans_reserved_and_unreserved_resources(real: RealMesos) -> None:
    """A third agent reserves half of itself for our role; tasks need more than either half."""

    async def spans(cluster: Cluster) -> None:
        async with subscribed(Framework(cluster, role="flumina")) as it:
            offer = await it.offer(
                lambda each: (
                    holds_ports(each.resources.ports, (31009, 32009))
                    and not holds_ports(each.resources.ports, (31500,))
                )
            )
            assert offer.resources.cpu_milli == 4000
            assert offer.resources.memory_mib == 2048
            first = a_task("true", need=Need(2500, 1500, 10), ports=(31009, 32000))
            second = a_task("true", need=Need(1500, 548), ports=(32009,))
            await it.accept(offer, first, second)
            await it.update(first.task_id, "TASK_FINISHED")
            await it.update(second.task_id, "TASK_FINISHED")

    half = "mem(flumina):1024;mem:1024;ports(flumina):[31000-31009];ports:[32000-32009]"
    real.start_reserving("agent3", f"cpus(flumina):2;cpus:2;disk:1000;{half}")
    try:
        real.await_agent("agent3")
        keep(spans, real)
    finally:
        real.kill("agent3")
