"""The one file of metrics' names: every name that a process shows, with its kind and its labels.

The one thing to know: names and labels are part of the interface, and this file is what they are
checked against: the code that shows them, `docs/metrics.md` that explains them, and the pages that
real processes serve (`tests/architecture/test_metric_names.py` and tests of processes). A metric of
a stream with `--to metric` begins with `STREAM_PREFIX` and is its owner's.
"""

from typing import Final, Literal, NamedTuple

PREFIX: Final = "flumina_"
STREAM_PREFIX: Final = "flumina_stream_"
UNITS: Final = ("seconds", "bytes", "records", "offset")
"""Units that a name ends with; one without counts what it is named after."""


class Metric(NamedTuple):
    """A metric; counters get `_total` by Prometheus' format."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()


LABELS: Final[dict[str, str]] = {
    "cell": "cells that a process serves",
    "code": "a fixed list",
    "group": "groups of hosts of a cloud",
    "kind": "a fixed list",
    "measure": "a fixed list",
    "method": "a fixed list",
    "outcome": "a fixed list",
    "partition": "partitions of the table of topics",
    "path": "the table of routes",
    "reason": "a fixed list",
    "receiver": "receivers of the rules, at most 20",
    "resource": "a fixed list",
    "result": "a fixed list",
    "rule": "rules of alerts, at most 200",
    "series": "a fixed list",
    "slo": "three",
    "standing": "a fixed list",
    "state": "a fixed list",
    "status": "statuses of HTTP",
    "step": "a fixed list",
    "stream": "a fixed list, or streams that somebody keeps",
    "topic": "the table of topics",
    "why": "a fixed list",
    "window": "three",
}
"""Every label, and what bounds its values: never what a caller may choose freely."""

NAMES: Final = (
    Metric("flumina_access_refused", "counter", ("code",)),
    Metric("flumina_alert_faults", "counter"),
    Metric("flumina_alert_measure", "gauge", ("measure",)),
    Metric("flumina_alert_notices", "counter", ("receiver", "outcome")),
    Metric("flumina_alert_notices_waiting", "gauge", ("receiver",)),
    Metric("flumina_alert_silences", "gauge"),
    Metric("flumina_alerts", "gauge", ("rule", "state")),
    Metric("flumina_api_behind_seconds", "gauge"),
    Metric("flumina_api_collector_longest_seconds", "gauge"),
    Metric("flumina_api_collector_looks", "counter"),
    Metric("flumina_api_collector_seconds", "counter"),
    Metric("flumina_api_fold_halted", "gauge"),
    Metric("flumina_api_fold_lag_records", "gauge"),
    Metric("flumina_api_fold_offset", "gauge"),
    Metric("flumina_api_fold_wait_seconds", "histogram"),
    Metric("flumina_api_leader_silent_seconds", "gauge"),
    Metric("flumina_api_records_published", "counter", ("topic",)),
    Metric("flumina_api_request_seconds", "histogram", ("method", "path")),
    Metric("flumina_api_requests", "counter", ("method", "path", "status")),
    Metric("flumina_api_requests_turned_away", "counter", ("reason",)),
    Metric("flumina_api_requests_waiting", "gauge"),
    Metric("flumina_api_stream_events", "counter", ("stream",)),
    Metric("flumina_api_stream_events_kept", "gauge", ("stream",)),
    Metric("flumina_api_stream_records_failed", "counter"),
    Metric("flumina_api_streams_ended", "counter", ("reason",)),
    Metric("flumina_api_streams_open", "gauge", ("stream",)),
    Metric("flumina_api_streams_refused", "counter"),
    Metric("flumina_blackbox_last_good_at_seconds", "gauge"),
    Metric("flumina_blackbox_rounds", "counter", ("standing",)),
    Metric("flumina_blackbox_step_failures", "counter", ("step",)),
    Metric("flumina_blackbox_step_seconds", "histogram", ("step",)),
    Metric("flumina_blackbox_up", "gauge"),
    Metric("flumina_cell_capacity", "gauge", ("kind", "resource")),
    Metric("flumina_cell_epoch", "gauge"),
    Metric("flumina_cell_finding_tasks", "gauge"),
    Metric("flumina_cell_healing_runs", "gauge"),
    Metric("flumina_cell_hosts_away", "gauge"),
    Metric("flumina_cell_hosts_busy", "gauge"),
    Metric("flumina_cell_jobs_active", "gauge"),
    Metric("flumina_cell_jobs_in_crash_loop", "gauge"),
    Metric("flumina_cell_jobs_late", "gauge"),
    Metric("flumina_cell_kills_held", "gauge"),
    Metric("flumina_cell_load_balancers", "gauge"),
    Metric("flumina_cell_offers_held", "gauge"),
    Metric("flumina_cell_orphans", "gauge"),
    Metric("flumina_cell_safe", "gauge"),
    Metric("flumina_cell_scaling_policies", "gauge", ("state",)),
    Metric("flumina_cell_tasks_known", "gauge"),
    Metric("flumina_cell_tasks_waiting", "gauge"),
    Metric("flumina_cell_updates_without_news", "gauge"),
    Metric("flumina_cell_volumes", "gauge", ("state",)),
    Metric("flumina_cell_volumes_over_quota", "gauge"),
    Metric("flumina_cell_webhooks", "gauge", ("standing",)),
    Metric("flumina_fleet_failures", "counter"),
    Metric("flumina_fleet_instances", "gauge", ("group",)),
    Metric("flumina_fleet_looked_at_seconds", "gauge"),
    Metric("flumina_fleet_looks", "counter"),
    Metric("flumina_fleet_notices", "counter"),
    Metric("flumina_fleet_reports", "counter"),
    Metric("flumina_health_dead_letters", "counter"),
    Metric("flumina_health_kept_at_seconds", "gauge"),
    Metric("flumina_health_lag_records", "gauge", ("partition",)),
    Metric("flumina_health_lines", "counter"),
    Metric("flumina_health_lost_records", "counter"),
    Metric("flumina_health_records", "counter"),
    Metric("flumina_health_verdicts", "counter", ("standing",)),
    Metric("flumina_history_archived_bytes", "counter", ("kind",)),
    Metric("flumina_history_archived_offset", "gauge", ("topic", "partition")),
    Metric("flumina_history_derived_offset", "gauge", ("series",)),
    Metric("flumina_history_fold_halted", "gauge"),
    Metric("flumina_history_lag_records", "gauge", ("topic", "partition")),
    Metric("flumina_history_lag_seconds", "gauge", ("topic", "partition")),
    Metric("flumina_history_lost_records", "counter", ("topic", "partition")),
    Metric("flumina_history_ranges", "counter", ("kind",)),
    Metric("flumina_history_retention_faults", "gauge"),
    Metric("flumina_history_store_failing", "gauge"),
    Metric("flumina_pages", "counter", ("outcome",)),
    Metric("flumina_pages_waiting", "gauge"),
    Metric("flumina_query_begun", "counter"),
    Metric("flumina_query_dropped_events", "counter"),
    Metric("flumina_query_held_events", "gauge"),
    Metric("flumina_query_passed_requests", "counter", ("result",)),
    Metric("flumina_query_readers", "gauge", ("state",)),
    Metric("flumina_query_records", "counter", ("topic",)),
    Metric("flumina_query_refused", "counter"),
    Metric("flumina_query_rows", "counter"),
    Metric("flumina_query_stream_restarts", "counter", ("stream",)),
    Metric("flumina_query_stream_rows", "counter", ("stream",)),
    Metric("flumina_query_streams", "gauge", ("state",)),
    Metric("flumina_query_unreadable_records", "counter", ("topic",)),
    Metric("flumina_slo_budget_left", "gauge", ("slo",)),
    Metric("flumina_slo_burn", "gauge", ("slo", "window")),
    Metric("flumina_slo_events", "gauge", ("slo", "kind")),
    Metric("flumina_snapshot_bytes", "gauge", ("cell",)),
    Metric("flumina_snapshot_offset", "gauge", ("cell",)),
    Metric("flumina_snapshot_pause_seconds", "gauge", ("cell",)),
    Metric("flumina_snapshot_restore_test_at_seconds", "gauge", ("cell",)),
    Metric("flumina_snapshot_restore_tests", "counter", ("cell", "outcome")),
    Metric("flumina_snapshot_seconds", "gauge", ("cell",)),
    Metric("flumina_snapshot_taken_at_seconds", "gauge", ("cell",)),
    Metric("flumina_snapshots_bad", "counter", ("cell",)),
    Metric("flumina_snapshots_failed", "counter", ("cell", "why")),
    Metric("flumina_snapshots_taken", "counter", ("cell",)),
    Metric("flumina_trace_spans", "counter", ("outcome",)),
)
"""In the order of the alphabet."""
