"""The metrics of the archiving process: their names, labels and meanings, all of them here.

The one thing to know: a lag in seconds is the age of the oldest record that is not archived, by
when it was read or, where Kafka could not be read, by when it was first missed.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class HistoryMetrics:
    """What an archiving process counts and measures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        place = ("topic", "partition")
        self.archived_offset = Gauge(
            "flumina_history_archived_offset",
            "Last offset that is archived; -1 where nothing is.",
            place,
            registry=self.registry,
        )
        self.lag_records = Gauge(
            "flumina_history_lag_records",
            "Records that Kafka has and the archive has not.",
            place,
            registry=self.registry,
        )
        self.lag_seconds = Gauge(
            "flumina_history_lag_seconds",
            "Age of the oldest record that is not archived.",
            place,
            registry=self.registry,
        )
        self.derived_offset = Gauge(
            "flumina_history_derived_offset",
            "Last offset of the cell log whose changes are archived.",
            ("series",),
            registry=self.registry,
        )
        self.ranges = Counter(
            "flumina_history_ranges",
            "Ranges that were archived.",
            ("kind",),
            registry=self.registry,
        )
        self.bytes = Counter(
            "flumina_history_archived_bytes",
            "Bytes of the files that were archived.",
            ("kind",),
            registry=self.registry,
        )
        self.lost_records = Counter(
            "flumina_history_lost_records",
            "Records that Kafka dropped before they were archived.",
            place,
            registry=self.registry,
        )
        self.store_failing = Gauge(
            "flumina_history_store_failing",
            "1 while the store refuses what is to be archived.",
            registry=self.registry,
        )
        self.fold_halted = Gauge(
            "flumina_history_fold_halted",
            "1 while this process' fold is halted.",
            registry=self.registry,
        )
        self.retention_faults = Gauge(
            "flumina_history_retention_faults",
            "What the last look at the topics' retention found.",
            registry=self.registry,
        )

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self.registry)

    def names(self) -> list[str]:
        """Every name, sorted, without the suffixes that Prometheus adds."""
        return sorted(each.name for each in self.registry.collect())
