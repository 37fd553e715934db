"""Ingest on a topic that began anew: its generation tells, whatever its length."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from scheduler.model.foreign_records import encode_partition_began
from scheduler.model.ids import Generation
from streams.kafka.topic_admin import ensure_topics
from streams.settings import settings_of
from tests.support.world import World, batch_of

pytestmark = pytest.mark.integration


async def begin_anew(kafka: str, prefix: str) -> None:
    """Delete topic ``jobs`` and make it again, empty."""
    topic = f"{prefix}jobs"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
    await ensure_topics(kafka, settings_of({"FLUMINA_TOPIC_PREFIX": prefix}))


def test_a_topic_that_began_anew_is_copied_from_its_beginning(world: World) -> None:
    # The new incarnation is longer than what was copied of the old one, so that only its
    # generation can tell them apart.
    world.start_cell("cell-0")
    world.submit("old", batch_of(1, "true"))
    world.until(lambda: world.is_normal("old"), "a job of the old topic")
    world.kill_cell("cell-0")
    asyncio.run(begin_anew(world.kafka, world.prefix))
    world.publish("jobs", "", encode_partition_began(Generation("0badcafe")))
    for number in range(5):
        world.submit(f"new-{number}", batch_of(1, "true"))
    world.start_cell("cell-0")
    world.until(
        lambda: all(world.is_normal(f"new-{number}") for number in range(5)),
        "the jobs of the new topic",
    )
    mark = world.machine.state.watermarks["jobs", 0]
    assert (mark.generation, mark.offset) == ("0badcafe", 5)
    world.check_sound()
