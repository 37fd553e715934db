"""The API's metrics: every name in one place, listed in ``docs/metrics.md``.

The one thing to know: names and labels are part of the interface. No label has a value that a
caller chooses: paths are those of the table of routes, so nobody can fill a server's memory.
"""

from collections import Counter as Counted
from contextlib import AbstractContextManager
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.web.admission import Admission
from connectors.web.cell import Cell
from connectors.web.standing import standing_of
from projections.finding import kills_held, tasks_listed
from scheduler.model.autoscaling import ScalingState
from scheduler.model.volumes import VolumeState
from scheduler.model.webhooks import WebhookStanding

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)

RESOURCES: Final = ("cpu_milli", "memory_mib", "disk_mib", "network_mbps", "gpu_milli")
"""In the order of `scheduler.model.events.Amounts`."""


class Metrics:
    """The metrics of one API process."""

    def __init__(
        self, cell: Cell, admission: Admission, registry: CollectorRegistry | None = None
    ) -> None:
        self._registry = registry or CollectorRegistry()
        self._requests = Counter(
            "flumina_api_requests",
            "Requests answered.",
            ("method", "path", "status"),
            registry=self._registry,
        )
        self._request_seconds = Histogram(
            "flumina_api_request_seconds",
            "From a request's head to the end of its answer.",
            ("method", "path"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._published = Counter(
            "flumina_api_records_published",
            "Requests that were written to their topic.",
            ("topic",),
            registry=self._registry,
        )
        self._wait_seconds = Histogram(
            "flumina_api_fold_wait_seconds",
            "From a record's acknowledgement to the fold's having passed it, or to giving up.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._answers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        """What counts answers of a kind: to look it up by its labels takes three times as long."""
        self._registry.register(_FoldMetrics(cell))
        self._registry.register(_AdmissionMetrics(admission))

    def add(self, collector: Collector) -> None:
        """Show what this one collects, too."""
        self._registry.register(collector)

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count an answer; ``path`` is the route's template."""
        kind = (method, path, status)
        found = self._answers.get(kind)
        if found is None:
            count = self._requests.labels(method, path, str(status))
            found = self._answers[kind] = count, self._request_seconds.labels(method, path)
        count, took = found
        count.inc()
        took.observe(seconds)

    def published(self, topic: str) -> None:
        """Count a record that was written."""
        self._published.labels(topic).inc()

    def waiting(self) -> AbstractContextManager[object]:
        """Measure the wait inside the ``with``."""
        return self._wait_seconds.time()

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)

    def names(self) -> list[str]:
        """Every name, sorted, without the suffixes that Prometheus adds."""
        return sorted(each.name for each in self._registry.collect())


class _AdmissionMetrics(Collector):
    """What is asked of the cell and waits, asked when somebody scrapes."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def collect(self) -> list[Metric]:
        """The numbers as they are now."""
        admission = self._admission
        refused = CounterMetricFamily(
            "flumina_api_requests_turned_away",
            "Requests that were not taken: the cell is behind, the books are full, an actor's "
            "share is used up, or a rule of rate says so.",
            labels=("reason",),
        )
        for reason in ("behind", "full", "actor", "rate"):
            refused.add_metric((reason,), admission.refused[reason])
        return [
            GaugeMetricFamily(
                "flumina_api_requests_waiting",
                "Requests about jobs that were taken and that the fold has not passed.",
                admission.waiting(),
            ),
            GaugeMetricFamily(
                "flumina_api_behind_seconds",
                "For how long the oldest of them has waited; no more is taken above a limit.",
                admission.behind_ms() / 1_000,
            ),
            refused,
        ]


class _FoldMetrics(Collector):
    """What the fold says of its cell, asked when somebody scrapes."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def collect(self) -> list[Metric]:
        """The gauges as they are now."""
        standing, state = standing_of(self._cell), self._cell.view.machine.state
        silent_ms = standing.leader_silent_ms
        rows: list[tuple[str, str, float]] = [
            ("flumina_api_fold_offset", "Last folded offset of the cell log.", standing.offset),
            (
                "flumina_api_fold_lag_records",
                "Records of the cell log that were not looked at yet.",
                standing.lag_records,
            ),
            ("flumina_api_fold_halted", "1 while the fold is halted.", bool(standing.halt)),
            (
                "flumina_api_leader_silent_seconds",
                "Since the leader's last record; -1 where none was ever elected.",
                -1 if silent_ms is None else silent_ms / 1_000,
            ),
            ("flumina_cell_epoch", "Offset of the leader's election.", standing.epoch),
            ("flumina_cell_jobs_active", "Jobs that have not finished.", state.active_jobs),
            ("flumina_cell_tasks_waiting", "Tasks without a host.", state.queued_tasks),
            ("flumina_cell_tasks_known", "Tasks, ended ones included.", len(state.tasks)),
            ("flumina_cell_hosts_busy", "Hosts with a task of ours.", len(state.host_tasks)),
            ("flumina_cell_offers_held", "Offers that are ours to use.", len(state.offers)),
            ("flumina_cell_orphans", "Tasks without history in the log.", len(state.orphans)),
            (
                "flumina_cell_updates_without_news",
                "Updates of Mesos that moved nothing.",
                state.updates_without_news,
            ),
            (
                "flumina_cell_jobs_in_crash_loop",
                "Jobs whose tasks fail again and again.",
                sum(each.is_looping for each in state.crash_loops.values()),
            ),
            (
                "flumina_cell_jobs_late",
                "Jobs of which what they demand of time is at risk or missed.",
                sum(
                    each.completion != "met" or each.late_waiting > 0
                    for each in state.slas.values()
                ),
            ),
            ("flumina_cell_safe", "1 while nothing inferred is done.", state.safe is not None),
            (
                "flumina_cell_finding_tasks",
                "Tasks that wait for an operator's word.",
                tasks_listed(state),
            ),
            (
                "flumina_cell_kills_held",
                "Tasks that only the cell wants ended and that were not told to.",
                kills_held(state),
            ),
            (
                "flumina_cell_load_balancers",
                "Load balancers of services, counted once a service.",
                sum(map(len, state.load_balancers.values())),
            ),
        ]
        gauges = [GaugeMetricFamily(name, help_text, value) for name, help_text, value in rows]
        of_kinds = [self._capacity(), self._scaling(), self._webhooks()]
        return [*gauges, *self._health(), *of_kinds, *self._volumes()]

    def _volumes(self) -> list[Metric]:
        """How many volumes are in which state, and how many hold more than they may."""
        known = self._cell.view.state.volumes.values()
        family = GaugeMetricFamily("flumina_cell_volumes", "Volumes by state.", labels=("state",))
        states = Counted(each.state for each in known)
        for name in get_args(VolumeState):
            family.add_metric((name,), states[name])
        over = sum(each.is_over_quota for each in known)
        return [
            family,
            GaugeMetricFamily(
                "flumina_cell_volumes_over_quota", "Volumes that hold more than they may.", over
            ),
        ]

    def _health(self) -> list[Metric]:
        """How many hosts are away for their health, and how many runs heal some."""
        state = self._cell.view.state
        away = len(state.away_hosts)
        return [
            GaugeMetricFamily(
                "flumina_cell_hosts_away", "Hosts that get no tasks for their health.", away
            ),
            GaugeMetricFamily(
                "flumina_cell_healing_runs",
                "Runs of runbooks under way or waiting for approval.",
                len(state.healing_live),
            ),
        ]

    def _webhooks(self) -> Metric:
        """How many webhooks are in which standing."""
        family = GaugeMetricFamily(
            "flumina_cell_webhooks", "Webhooks by standing.", labels=("standing",)
        )
        known = self._cell.view.state.webhooks.values()
        standings = ["paused" if each.is_paused else each.standing or "new" for each in known]
        for name in ("new", *filter(None, get_args(WebhookStanding))):
            family.add_metric((name,), standings.count(name))
        return family

    def _scaling(self) -> Metric:
        """How many scaling policies are in which state."""
        family = GaugeMetricFamily(
            "flumina_cell_scaling_policies", "Scaling policies by state.", labels=("state",)
        )
        states = [each.state for each in self._cell.view.state.scaling_policies.values()]
        for name in get_args(ScalingState):
            family.add_metric((name,), states.count(name))
        return family

    def _capacity(self) -> Metric:
        """What the last round of placement found of capacity, in all and by use."""
        family = GaugeMetricFamily(
            "flumina_cell_capacity",
            "Capacity at the last round of placement, by kind and resource.",
            labels=("kind", "resource"),
        )
        last = self._cell.view.timeline.last_round
        troughs = last.troughs if last else None
        if troughs is not None:
            for kind in troughs.__struct_fields__:
                for resource, amount in zip(RESOURCES, getattr(troughs, kind), strict=True):
                    family.add_metric((kind, resource), amount)
        return family
