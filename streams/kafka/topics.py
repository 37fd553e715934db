"""The one table of topics, and what it makes of them for a given number of cells.

The one thing to know: partition n of a topic that belongs to cells is cell n's. Creating and
checking is in `topic_admin.py`; nothing else makes a topic.
"""

from typing import NamedTuple

DAY_MS = 24 * 60 * 60 * 1000
FOREVER_MS = -1
# Twice the largest record that a writer of ours may make (512 KiB), so that the framing of a
# batch never decides; foreign producers may come up to it.
RECORD_BYTES_MAX = 1024 * 1024
PER_CELL = None
METRICS_PARTITIONS = 4
FEDERATED_PARTITIONS = 4


class Topic(NamedTuple):
    """One row of the table; `partitions` is a number, or `PER_CELL`."""

    name: str
    holds: str
    key: str
    partitions: int | None
    retention_ms: int


TOPICS = (
    Topic(
        "cell",
        "the cell log, the one truth: events, proposals and their outcomes",
        "none; the partition is the cell",
        PER_CELL,
        FOREVER_MS,
    ),
    Topic("jobs", "submissions by producers and the REST API", "job id", PER_CELL, 7 * DAY_MS),
    Topic("commands", "what operators order, with actor and reason", "actor", PER_CELL, 7 * DAY_MS),
    Topic(
        "mesos",
        "what the Mesos master said, in the order of its stream",
        "none; the partition is the cell",
        PER_CELL,
        7 * DAY_MS,
    ),
    Topic("hosts", "what cloud groups say of hosts", "host id", PER_CELL, 7 * DAY_MS),
    Topic("verdicts", "what health has found about hosts", "host id", PER_CELL, 7 * DAY_MS),
    Topic("host-logs", "log lines of hosts", "host id", 12, 3 * DAY_MS),
    Topic(
        "leaders",
        "no records; who is assigned partition n may try to lead cell n",
        "none",
        PER_CELL,
        7 * DAY_MS,
    ),
    Topic(
        "readers",
        "which versions of records each process that folds a cell can read; leaders wait for them",
        "the process",
        PER_CELL,
        DAY_MS,
    ),
    Topic(
        "job-events",
        "what became of jobs and tasks, for producers; the answer to every record of jobs",
        "job id",
        PER_CELL,
        7 * DAY_MS,
    ),
    Topic(
        "federated-jobs",
        "submissions whose cell is still to be found: by header, by route, else hashed",
        "job id",
        FEDERATED_PARTITIONS,
        7 * DAY_MS,
    ),
    Topic(
        "federation",
        "which cells there are, the routes to them, and every step of an evacuation",
        "none; one partition orders all",
        1,
        FOREVER_MS,
    ),
    Topic(
        "queries",
        "queries that are saved by name, and streams that run for ever, with who said so",
        "name",
        1,
        FOREVER_MS,
    ),
    Topic(
        "metrics",
        "what tasks and hosts use, sampled; nothing is decided by it",
        "task id or host id",
        METRICS_PARTITIONS,
        DAY_MS,
    ),
    Topic(
        "dead-letters",
        "host-log records that could not be read, with their bytes",
        "source topic and partition",
        1,
        30 * DAY_MS,
    ),
)


class TopicPlan(NamedTuple):
    """A topic as it has to be in a cluster, exactly."""

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]


def replication_factor_for(brokers: int, wanted: int | None) -> int:
    """How many copies of each partition: what was wanted, or else as many as keep a write safe."""
    if wanted is not None:
        return wanted
    return 3 if brokers >= 3 else 1


def planned_topics(cells: int, prefix: str, replication_factor: int) -> list[TopicPlan]:
    """All topics of the table as they have to be, names with their prefix."""
    return [
        TopicPlan(
            name=prefix + topic.name,
            partitions=cells if topic.partitions is PER_CELL else topic.partitions,
            replication_factor=replication_factor,
            config={
                # Never compacted: a fold needs every record in its place.
                "cleanup.policy": "delete",
                "retention.ms": str(topic.retention_ms),
                "retention.bytes": "-1",
                "max.message.bytes": str(RECORD_BYTES_MAX),
                # Time is in the record (`at_ms`); Kafka's stamp is the producer's, unchanged.
                "message.timestamp.type": "CreateTime",
                "compression.type": "producer",
                "min.insync.replicas": "2" if replication_factor >= 3 else "1",
                "unclean.leader.election.enable": "false",
            },
        )
        for topic in TOPICS
    ]
