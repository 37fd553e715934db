"""Which of Kafka's addresses answer, asked before a process begins.

The one thing to know: a broker that was stopped takes connections and never answers, so each client
of a process that begins would wait its whole patience at that address, one after another. A leader
that begins anew because a broker was stopped does so in a second when it knows whom not to ask.
"""

import asyncio
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.kafka.security import client_options, spoken_to_alike

ANSWER_WITHIN_MS: Final = 1_000


async def answering(bootstrap: str) -> str:
    """The addresses that answer within a second; all of them where none does.

    One address alone is not asked: there is nothing to choose. Clients learn of the other brokers
    from those that answer, and need the addresses for nothing later.
    """
    addresses = bootstrap.split(",")
    if len(addresses) == 1:
        return bootstrap
    answers = await asyncio.gather(
        *(_answers(spoken_to_alike(each, bootstrap)) for each in addresses)
    )
    found = [each for each, is_there in zip(addresses, answers, strict=True) if is_there]
    return spoken_to_alike(",".join(found or addresses), bootstrap)


async def _answers(address: str) -> bool:
    client = AIOKafkaClient(**client_options(address), request_timeout_ms=ANSWER_WITHIN_MS)
    try:
        await client.bootstrap()
    except KafkaError:
        return False
    finally:
        await client.close()
    return True
