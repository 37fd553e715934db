"""The table of topics, and what it plans for a number of cells and copies."""

from streams.kafka.topics import (
    FOREVER_MS,
    PER_CELL,
    RECORD_BYTES_MAX,
    TOPICS,
    planned_topics,
    replication_factor_for,
)


def test_the_cell_log_is_kept_for_ever_and_never_compacted() -> None:
    (cell,) = (plan for plan in planned_topics(5, "", 3) if plan.name == "cell")
    assert cell.partitions == 5
    assert cell.config["retention.ms"] == str(FOREVER_MS) == "-1"
    assert cell.config["retention.bytes"] == "-1"
    assert cell.config["cleanup.policy"] == "delete"
    assert cell.config["max.message.bytes"] == str(RECORD_BYTES_MAX)


def test_what_belongs_to_cells_has_a_partition_for_each() -> None:
    planned = {plan.name: plan.partitions for plan in planned_topics(7, "", 1)}
    for topic in TOPICS:
        assert planned[topic.name] == (7 if topic.partitions is PER_CELL else topic.partitions)
    assert {"cell", "jobs", "commands", "mesos", "hosts", "verdicts", "leaders"} <= {
        name for name, partitions in planned.items() if partitions == 7
    }


def test_names_carry_the_prefix_and_are_unique() -> None:
    names = [plan.name for plan in planned_topics(1, "test.", 1)]
    assert all(name.startswith("test.") for name in names)
    assert len(set(names)) == len(names) == len(TOPICS)


def test_no_record_is_lost_to_a_single_broker_where_there_are_three() -> None:
    assert replication_factor_for(brokers=1, wanted=None) == 1
    assert replication_factor_for(brokers=2, wanted=None) == 1
    assert replication_factor_for(brokers=3, wanted=None) == 3
    assert replication_factor_for(brokers=5, wanted=2) == 2
    for copies, acknowledged in ((1, "1"), (2, "1"), (3, "2"), (5, "2")):
        for plan in planned_topics(1, "", copies):
            assert plan.replication_factor == copies
            assert plan.config["min.insync.replicas"] == acknowledged
            assert plan.config["unclean.leader.election.enable"] == "false"
