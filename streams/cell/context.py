"""What the parts of a running cell share: its fold, its writing hand, its names.

The one thing to know: there is one of these for each cell that a process follows, whether it
leads it or not.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from connectors.volumes.opening import Providers
from streams.cell.follower import Follower
from streams.cell.publisher import Publisher
from streams.cell.surroundings import PRODUCTION, Surroundings
from streams.cell.writer import CellLog
from streams.tracing.of_cell import CellTracing
from streams.upgrade.reader import Roll


@dataclass(frozen=True, slots=True)
class CellContext:
    """One cell in one process."""

    follower: Follower
    log: CellLog
    producer: AIOKafkaProducer
    publisher: Publisher
    bootstrap: str
    topic_prefix: str
    candidate: str
    build: str
    surroundings: Surroundings = PRODUCTION
    volumes: Providers | None = None
    """Who keeps the data of volumes; None: nobody, and no task that has some is launched."""
    cloud: str = ""
    """Who scales groups of hosts, see `connectors.cloud.opening`; empty: nobody."""
    healing: str = ""
    """Who runs scripts on hosts, see `connectors.healing.opening`; empty: nobody."""
    tracing: CellTracing | None = None
    """Who tells of traces; None: tracing is off."""

    readers: Callable[[], AbstractAsyncContextManager[Roll]] | None = None
    """Hears who reads the log; None: nobody but this build does, and it writes as it likes."""
    is_writing_at_once: bool = False
    """Whether an operator wants new kinds of records written whoever cannot read them."""

    def topic(self, name: str) -> str:
        """The name of a topic of the table in this Kafka."""
        return self.topic_prefix + name
