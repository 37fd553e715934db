"""Which addresses of Kafka answer: a real broker, one that takes connections only, and nobody."""

import asyncio
import socket

import pytest

from streams.kafka.answering import answering
from streams.supervise.ports import free_block

pytestmark = pytest.mark.integration


async def _asked(kafka: str) -> tuple[str, str, list[str]]:
    nobody = f"127.0.0.1:{free_block(1)}"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # Connections wait in its backlog.
        stopped = f"127.0.0.1:{silent.getsockname()[1]}"
        found = await answering(f"{stopped},{kafka},{nobody}")
        none = await answering(f"{stopped},{nobody}")
    return found, none, [stopped, nobody]


def test_only_brokers_that_answer_are_asked_and_all_where_none_does(kafka: str) -> None:
    found, none, others = asyncio.run(_asked(kafka))
    assert found == kafka
    assert none.split(",") == others
