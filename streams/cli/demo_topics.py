"""Takes away the topics of a demo that ran on somebody else's Kafka.

The one thing to know: this is the only place that deletes topics, and it refuses every prefix that
is not a demo's own.
"""

import re
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from connectors.cancelling import to_its_end
from streams.kafka.security import client_options

PREFIX: Final = "demo-"
"""What the prefix of a demo's topics begins with, before its random digits."""
REQUEST_TIMEOUT_MS: Final = 15_000


async def delete_topics(bootstrap: str, prefix: str) -> None:
    """Delete every topic whose name begins with this prefix of a demo."""
    assert re.search(rf"{PREFIX}[0-9a-f]{{8}}\.$", prefix), f"{prefix!r} is no demo's prefix"
    client = AIOKafkaAdminClient(
        **client_options(bootstrap),
        client_id="flumina-demo",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    await client.start()
    try:
        names = [name for name in await client.list_topics() if name.startswith(prefix)]
        await client.delete_topics(names)
    finally:
        await to_its_end(client.close())
