"""Jobs published without pause from a thread, and which of them Kafka has acknowledged.

The one thing to know: what was acknowledged may not be lost; what was not may be there or not.
"""

import asyncio
import threading
from types import TracebackType
from typing import Any, Self

from aiokafka.errors import KafkaError

from scheduler.model.foreign_records import encode_submit
from scheduler.model.ids import JobId
from streams.cell.writer import our_producer
from tests.processes import wait_until
from tests.support.world import batch_of, service_of

SEND_S_MAX = 120.0
"""An idempotent producer tries on; this only keeps a test from hanging."""


class Load:
    """Submits one job after the other, from entering the block to leaving it."""

    def __init__(self, kafka: str, prefix: str, name: str, every_s: float = 0.1) -> None:
        self.acknowledged: list[str] = []
        """The jobs whose record is on all in-sync replicas, in order."""
        self.faults: list[str] = []
        """What the producer reported; each job named there was tried once and given up."""
        self._kafka = kafka
        self._topic = f"{prefix}jobs"
        self._name = name
        self._every_s = every_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._submit()), daemon=True)

    async def _submit(self) -> None:
        number = 0
        while not self._is_over.is_set():
            producer = our_producer(self._kafka, self._name)
            try:
                await producer.start()
                while not self._is_over.is_set():
                    number += 1
                    job_id = f"{self._name}-{number}"
                    value = encode_submit(JobId(job_id), _job(number), "load")
                    async with asyncio.timeout(SEND_S_MAX):
                        await producer.send_and_wait(
                            self._topic, value, key=job_id.encode(), partition=0
                        )
                    self.acknowledged.append(job_id)
                    await asyncio.sleep(self._every_s)
            except (KafkaError, OSError, TimeoutError) as error:
                self.faults.append(f"{self._name}-{number}: {error!r}")
            finally:
                await producer.stop()

    def until_more(self, count: int, timeout_s: float) -> None:
        """Return when so many more records are acknowledged than there are now."""
        wanted = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= wanted, f"{count} more records", timeout_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join(SEND_S_MAX + 10)


def _job(number: int) -> dict[str, Any]:
    """Mostly jobs that want nothing yet, for they are about records; some with a task."""
    return batch_of(1, "true") if number % 20 == 0 else service_of(0, "true")
