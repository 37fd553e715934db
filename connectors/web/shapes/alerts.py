"""Shapes of alerts, silences, rules and measures.

The one thing to know: values are shown with their units, as thresholds of rules are written.
"""

from typing import Annotated, Literal

import msgspec

from connectors.web.shapes.base import AtMs, Shape, Texts

SilenceName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
Why = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class Alert(Shape, frozen=True, omit_defaults=False):
    """An alert that waits, fires, or was over lately."""

    key: str
    rule: str
    state: Literal["pending", "firing", "resolved"]
    severity: Literal["page", "warning"]
    labels: Texts
    value: str
    worst: str
    members: int
    condition: str
    summary: str
    note: str
    runbook: str
    since_ms: AtMs
    fired_ms: AtMs
    resolved_ms: AtMs
    told: int
    silenced_by: str
    acknowledged_by: str
    acknowledged_ms: AtMs
    acknowledged_why: str
    is_flapping: bool


class Silence(Shape, frozen=True, omit_defaults=False):
    """Alerts that match are not told until then."""

    name: str
    matches: Texts
    since_ms: AtMs
    until_ms: AtMs
    actor: str
    why: str


class Alerts(Shape, frozen=True, omit_defaults=False):
    """All of them, at the last look."""

    cell: str
    at_ms: AtMs
    items: tuple[Alert, ...]
    silences: tuple[Silence, ...]
    dropped: int
    """Alerts that found no room."""


class AlertRule(Shape, frozen=True, omit_defaults=False):
    """A rule in force."""

    name: str
    condition: str
    clear: str
    severity: Literal["page", "warning"]
    where: Texts
    group_by: tuple[str, ...] | None
    receivers: tuple[str, ...]
    summary: str
    runbook: str


class AlertReceiver(Shape, frozen=True, omit_defaults=False):
    """Who is told; where is not shown, for a URL may hold a secret."""

    name: str
    kind: Literal["webhook", "sns", "log"]


class AlertRules(Shape, frozen=True, omit_defaults=False):
    """All rules and receivers."""

    rules: tuple[AlertRule, ...]
    receivers: tuple[AlertReceiver, ...]


class MeasureValue(Shape, frozen=True, omit_defaults=False):
    """One value of a measure."""

    labels: Texts
    value: int
    shown: str


class MeasureShown(Shape, frozen=True, omit_defaults=False):
    """A measure that rules may name."""

    name: str
    unit: Literal["count", "ms", "ppm", "milli", "truth"]
    meaning: str
    labels: tuple[str, ...]
    source: Literal["log", "process"]
    values: tuple[MeasureValue, ...]


class Measures(Shape, frozen=True, omit_defaults=False):
    """All measures, at the last look."""

    at_ms: AtMs
    items: tuple[MeasureShown, ...]


class SilenceBody(Shape, frozen=True):
    """Which alerts are not to be told, and for how long."""

    matches: Texts
    for_s: Annotated[int, msgspec.Meta(ge=1, le=2_592_000)]
    why: Why


class AcknowledgeBody(Shape, frozen=True):
    """Which alert somebody looks at."""

    key: str
    why: Why
