"""The metrics of alerts and objectives: their names and labels, all of them here.

The one thing to know: they are of the api process, and alike in every one of a cell but for what
it sends itself.
"""

from collections import Counter as Counted
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from projections.alerts.measures import NO_LABELS
from projections.alerts.whole import Alerting
from projections.slo.objectives import SCOPE_KINDS
from projections.slo.report import report
from streams.pages.metrics import OUTCOMES

STATES: Final = ("pending", "firing")
_ONLY_CELL: Final = SCOPE_KINDS[:1]


class AlertMetrics:
    """What becomes of notices, by receiver."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.notices = Counter(
            "flumina_alert_notices",
            "Notices of alerts, by receiver and what became of them.",
            ("receiver", "outcome"),
            registry=registry,
        )
        self.waiting = Gauge(
            "flumina_alert_notices_waiting",
            "Notices that are to be sent.",
            ("receiver",),
            registry=registry,
        )
        self.faults = Counter(
            "flumina_alert_faults",
            "Records that could not be looked at, or a state that could not be kept.",
            registry=registry,
        )

    def of(self, receiver: str) -> "ReceiverMetrics":
        """Those of one receiver."""
        return ReceiverMetrics(self, receiver)


class ReceiverMetrics:
    """What becomes of the notices of one receiver, as a desk counts it."""

    def __init__(self, metrics: AlertMetrics, receiver: str) -> None:
        self._metrics, self._receiver = metrics, receiver
        for outcome in OUTCOMES:
            metrics.notices.labels(receiver, outcome)

    def counted(self, outcome: str) -> None:
        """Count one more notice of which this became."""
        self._metrics.notices.labels(self._receiver, outcome).inc()

    def wait(self, count: int) -> None:
        """So many notices are to be sent."""
        self._metrics.waiting.labels(self._receiver).set(count)


class AlertCollector(Collector):
    """Alerts, measures and objectives as they are, asked when somebody scrapes."""

    def __init__(self, alerting: Alerting) -> None:
        self._alerting = alerting

    def collect(self) -> Iterable[Metric]:
        """The gauges as they are now."""
        alerting = self._alerting
        counts = Counted((each.rule, each.state) for each in alerting.book.alerts.values())
        alerts = GaugeMetricFamily(
            "flumina_alerts", "Alerts by rule and state.", labels=("rule", "state")
        )
        for rule in alerting.rules.rules:
            for state in STATES:
                alerts.add_metric((rule.name, state), counts[(rule.name, state)])
        measures = GaugeMetricFamily(
            "flumina_alert_measure",
            "What rules of alerts look at, of measures without labels.",
            labels=("measure",),
        )
        values = alerting.last.values if alerting.last is not None else {}
        for name, series in values.items():
            if NO_LABELS in series:
                measures.add_metric((name,), series[NO_LABELS])
        silences = GaugeMetricFamily(
            "flumina_alert_silences", "Silences in force.", len(alerting.book.silences)
        )
        return [alerts, measures, silences, *self._slos()]

    def _slos(self) -> list[Metric]:
        left = GaugeMetricFamily(
            "flumina_slo_budget_left",
            "The part of thirty days' budget that is left; below 0 it is overdrawn.",
            labels=("slo",),
        )
        burn = GaugeMetricFamily(
            "flumina_slo_burn",
            "How fast a budget burns; 1 lasts exactly thirty days.",
            labels=("slo", "window"),
        )
        events = GaugeMetricFamily(
            "flumina_slo_events",
            "Events of thirty days.",
            labels=("slo", "kind"),
        )
        for each in report(self._alerting.slo, "", kinds=_ONLY_CELL).items:
            left.add_metric((each.slo,), each.budget_left_ppm / 1_000_000)
            events.add_metric((each.slo, "all"), each.total)
            events.add_metric((each.slo, "bad"), each.bad)
            for one in each.burns:
                slower = min(one.long_milli, one.short_milli)
                burn.add_metric((each.slo, one.name), slower / 1_000)
        return [left, burn, events]
