"""The first record of each inbound partition: which generation of it this is.

The one thing to know: offsets begin at 0 again on another Kafka. The generation is what tells the
fold that record 17 of today is not the record 17 that it has taken before.
"""

import uuid

from aiokafka import AIOKafkaConsumer, TopicPartition

from scheduler.model.codec import encode_mesos
from scheduler.model.inbound import PartitionBegan
from streams.cell.writer import our_producer
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options

INBOUND = ("jobs", "commands", "mesos", "hosts", "verdicts")


async def ensure_generations(bootstrap: str, topic_prefix: str, partitions: int) -> None:
    """Begin every inbound partition that is empty; of two beginners the first record counts."""
    places = [
        TopicPartition(topic_prefix + name, number)
        for name in INBOUND
        for number in range(partitions)
    ]
    consumer = AIOKafkaConsumer(**client_options(bootstrap), request_timeout_ms=REQUEST_TIMEOUT_MS)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    empty = [place for place in places if ends[place] == 0]
    if not empty:
        return  # As at every start but the first.
    producer = our_producer(bootstrap, "flumina-generations")
    await producer.start()
    try:
        for place in empty:
            began = PartitionBegan(generation=uuid.uuid4().hex[:8])
            await producer.send_and_wait(
                place.topic, encode_mesos(began), partition=place.partition
            )
    finally:
        await producer.stop()
