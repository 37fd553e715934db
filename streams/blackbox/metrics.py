"""The metrics of the black-box prober: their names and labels, all of them here.

The one thing to know: they are what a user of the cell would have measured, the way from a
submission to the task's output included.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.blackbox.judging import STANDINGS, Standing
from streams.blackbox.probing import STEPS, Round


class BlackboxMetrics:
    """What the rounds measured."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.up = Gauge(
            "flumina_blackbox_up",
            "1 if the last round was good.",
            registry=self.registry,
        )
        self.rounds = Counter(
            "flumina_blackbox_rounds",
            "Rounds, by how they went.",
            ("standing",),
            registry=self.registry,
        )
        self.failures = Counter(
            "flumina_blackbox_step_failures",
            "Rounds that ended at a step.",
            ("step",),
            registry=self.registry,
        )
        self.step_seconds = Histogram(
            "flumina_blackbox_step_seconds",
            "How long steps took that were done.",
            ("step",),
            buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
            registry=self.registry,
        )
        self.last_good = Gauge(
            "flumina_blackbox_last_good_at_seconds",
            "When a round was good last, in seconds since 1970; 0 before the first.",
            registry=self.registry,
        )
        for standing in STANDINGS:
            self.rounds.labels(standing)
        for step in STEPS:
            self.failures.labels(step)

    def took(self, found: Round, standing: Standing, at_ms: int) -> None:
        """Count one round."""
        self.rounds.labels(standing).inc()
        self.up.set(standing == "good")
        if found.failed_step:
            self.failures.labels(found.failed_step).inc()
        for each in found.steps:
            self.step_seconds.labels(each.name).observe(each.seconds)
        if standing == "good":
            self.last_good.set(at_ms / 1_000)
