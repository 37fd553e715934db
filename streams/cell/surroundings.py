"""What a leader takes from its surroundings: readers of Kafka, chance, and its pace.

The one thing to know: the values here are those of production. The simulator hands over others, so
that the very same leader runs on a log in memory, from a seed, and as slowly as hours want it.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer

from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a leader says that time passes, and how long it may hear nothing of its own."""

    tick_s: float = 1.0
    silence_s_max: float = 5.0
    """Without its own tick read back for so long, a leader no longer knows whether it leads."""
    behind_s_max: float = 30.0
    """With the fold halted for so long, requests and offers are no longer copied: it would only
    have to fold them later. Commands are, for the way on is one of them."""


PACE = Pace()


def kafka_consumer(bootstrap: str, client_id: str) -> AIOKafkaConsumer:
    """A reader of one partition from an offset of its own: nothing is ever committed."""
    return AIOKafkaConsumer(
        **client_options(bootstrap),
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=4 * 1024 * 1024,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a leader reads, what it draws, and how fast it goes."""

    open_consumer: Callable[[str, str], Any] = kafka_consumer
    """A reader that is not started yet, by the brokers and the name of the client."""
    new_id: Callable[[], str] = _new_id
    draw: Callable[[], float] = random.random
    """A number from 0 to below 1."""
    pace: Pace = PACE


PRODUCTION = Surroundings()
