"""A leader that is none: it begins a cell in a real Kafka, is elected, ticks, and is gone.

For tests of what reads a log: they need one that is sound and has a leader, and no scheduler.
"""

from scheduler.machine import FOLD_VERSION
from scheduler.model.events import CellCreated, FoldVersion, LeaderElected, PolicySet, Tick
from scheduler.model.ids import CellName, CellUuid, Generation
from scheduler.model.policy import Policy
from streams.cell.writer import CellLog, our_producer
from streams.kafka.topic_admin import ensure_topics
from streams.settings import settings_of


async def lead_once(bootstrap: str, ticks: int = 1) -> int:
    """Begin a cell that has none, elect a stand-in, let it tick; the offset of its last tick."""
    await ensure_topics(bootstrap, settings_of({}))
    producer = our_producer(bootstrap, "stand-in")
    await producer.start()
    try:
        log = CellLog(producer, "cell", 0, "stand-in")
        created = CellCreated(CellName("test"), CellUuid("u" * 32), Generation("0a0b0c0d"))
        policy = PolicySet(version=1, policy=Policy())
        await log.append(-1, [created, FoldVersion(version=FOLD_VERSION), policy])
        epoch = await log.append(-1, [LeaderElected(candidate="stand-in", incarnation="i")])
        return [await log.append(epoch, [Tick()]) for _ in range(ticks)][-1]
    finally:
        await producer.stop()
