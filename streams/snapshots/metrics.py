"""The metrics of snapshots: their names, labels and meanings, all of them here.

The one thing to know: an age is measured when it is asked for, so it grows while nothing is taken,
and an alarm on it needs no other sign of life.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge


class SnapshotMetrics:
    """What a process that takes, loads or proves snapshots counts and measures."""

    def __init__(self, registry: CollectorRegistry) -> None:
        cell = ("cell",)
        self.taken = Counter(
            "flumina_snapshots_taken",
            "Snapshots that were written and read back.",
            cell,
            registry=registry,
        )
        self.failed = Counter(
            "flumina_snapshots_failed",
            "Snapshots that could not be taken, and why: store, bad (read back wrong).",
            ("cell", "why"),
            registry=registry,
        )
        self.bad = Counter(
            "flumina_snapshots_bad",
            "Snapshots that were passed over when one was loaded.",
            cell,
            registry=registry,
        )
        self.offset = Gauge(
            "flumina_snapshot_offset",
            "First record that the newest snapshot does not hold.",
            cell,
            registry=registry,
        )
        self.at_seconds = Gauge(
            "flumina_snapshot_taken_at_seconds",
            "When the newest snapshot was taken, in seconds since 1970; alarm on its age.",
            cell,
            registry=registry,
        )
        self.bytes_total = Gauge(
            "flumina_snapshot_bytes", "Bytes of the newest snapshot.", cell, registry=registry
        )
        self.pause_seconds = Gauge(
            "flumina_snapshot_pause_seconds",
            "How long the fold stood still for it.",
            cell,
            registry=registry,
        )
        self.seconds = Gauge(
            "flumina_snapshot_seconds",
            "From the copy to the snapshot's being read back.",
            cell,
            registry=registry,
        )
        self.restore_tests = Counter(
            "flumina_snapshot_restore_tests",
            "Restore tests, and how they ended: equal, different, or not possible.",
            ("cell", "outcome"),
            registry=registry,
        )
        self.restored_at_seconds = Gauge(
            "flumina_snapshot_restore_test_at_seconds",
            "When a restore test was last equal, in seconds since 1970.",
            cell,
            registry=registry,
        )
