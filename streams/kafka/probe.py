"""Asks a broker over the protocol whether it is there, and whether it is the right one.

A log line or an open port is not an answer: only a broker that serves metadata for itself, in the
expected cluster, counts as ready.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from connectors.cancelling import to_its_end
from streams.kafka.security import client_options

Result = TypeVar("Result")

POLL_S = 0.03
REQUEST_TIMEOUT_MS = 5_000


class ClusterView(NamedTuple):
    """A cluster as one of its brokers describes it."""

    cluster_id: str
    broker_ids: frozenset[int]


def in_own_loop(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The coroutine's result, whether or not the caller is inside a running event loop.

    An interrupted caller, say by Ctrl-C, cancels the coroutine.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine)
    try:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(loop.run_until_complete, task)
            try:
                return future.result()
            except BaseException:
                loop.call_soon_threadsafe(task.cancel)
                raise
    finally:
        loop.close()


async def describe(bootstrap: str) -> ClusterView:
    """The cluster behind this address; raises what aiokafka raises when there is none."""
    client = AIOKafkaAdminClient(
        **client_options(bootstrap),
        client_id="flumina-probe",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    try:
        await client.start()
        answer = await client.describe_cluster()
    finally:
        await to_its_end(client.close())
    return ClusterView(
        cluster_id=answer["cluster_id"],
        broker_ids=frozenset(broker["node_id"] for broker in answer["brokers"]),
    )


async def _accepts(host: str, port: int) -> bool:
    try:
        # A host that takes packets and answers none is given up by the kernel after two minutes.
        async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1_000):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def wait_until_ready(
    bootstrap: str, broker: int, timeout_s: float, has_ended: Callable[[], bool]
) -> ClusterView | None:
    """The cluster once this broker is one of it; None if the process ended before.

    Raises `TimeoutError` when neither happened in time.
    """
    host, _, port = bootstrap.rpartition(":")
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if has_ended():
            return None
        if await _accepts(host, int(port)):
            try:
                view = await describe(bootstrap)
            except (KafkaError, OSError):
                pass  # It listens before it serves; the next round asks again.
            else:
                if broker in view.broker_ids:
                    return view
        await asyncio.sleep(POLL_S)
    raise TimeoutError(f"no answer from {bootstrap} within {timeout_s:.0f} s")
