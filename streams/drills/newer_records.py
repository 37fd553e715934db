"""The first record of a cell log that has a higher version than this build writes.

The one thing to know: it reads the two numbers that every version of a record has, `version` and
`at_ms`, and nothing else, as a tool must that is older than what it looks at.
"""

import asyncio

import msgspec

from scheduler.model.codec import RECORD_VERSION, digest_of
from streams.history.kafka_log import KafkaLog


class _Head(msgspec.Struct, frozen=True):
    version: int
    at_ms: int


class Newer(msgspec.Struct, frozen=True):
    """Where the first newer record stands."""

    topic: str
    partition: int
    offset: int
    version: int
    at_ms: int
    digest: str


_HEAD = msgspec.json.Decoder(_Head)


def first_newer(bootstrap: str, topic: str, first_offset: int) -> Newer | None:
    """The first record from this offset on that is of a higher version than ours; None yet."""
    return asyncio.run(_first_newer(bootstrap, topic, first_offset))


async def _first_newer(bootstrap: str, topic: str, first_offset: int) -> Newer | None:
    log = KafkaLog(bootstrap, topic, 0)
    try:
        async for batch in log.records(first_offset, (await log.ends()).end):
            for record in batch:
                head = _HEAD.decode(record.value)
                if head.version > RECORD_VERSION:
                    digest = digest_of(record.value)
                    return Newer(topic, 0, record.offset, head.version, head.at_ms, digest)
        return None
    finally:
        await log.close()
