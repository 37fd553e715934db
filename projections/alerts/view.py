"""Alerts, rules and measures as the API shows them.

The one thing to know: what fires stands first, then what waits, then what was over lately.
"""

from typing import Any, Final

from projections.alerts.book import Alert, Silence, filled
from projections.alerts.measures import MEASURES, Labels, shown, shown_value
from projections.alerts.rules import AlertRule
from projections.alerts.whole import Alerting

_ORDER: Final = {"firing": 0, "pending": 1, "resolved": 2}


def alerts_json(alerting: Alerting, cell: str) -> dict[str, Any]:
    """All alerts and silences, and when they were looked at last."""
    book = alerting.book
    rules = {each.name: each for each in alerting.rules.rules}
    alerts = sorted(book.alerts.values(), key=lambda each: (_ORDER[each.state], each.key))
    last = alerting.last
    return {
        "cell": cell,
        "atMs": last.at_ms if last is not None else 0,
        "items": [
            alert_json(each, rules.get(each.rule)) for each in (*alerts, *reversed(book.resolved))
        ],
        "silences": [silence_json(each) for each in book.silences.values()],
        "dropped": book.dropped,
    }


def alert_json(alert: Alert, rule: AlertRule | None) -> dict[str, Any]:
    """One alert; ``rule`` is None where it is no more."""
    return {
        "key": alert.key,
        "rule": alert.rule,
        "state": alert.state,
        "severity": alert.severity,
        "labels": _named(alert.labels),
        "value": shown_value(alert.value, rule.unit) if rule else str(alert.value),
        "worst": shown_value(alert.worst, rule.unit) if rule else str(alert.worst),
        "members": alert.members,
        "condition": rule.condition if rule else "",
        "summary": filled(rule.summary, alert.labels) if rule else "",
        "note": alert.note,
        "runbook": rule.runbook if rule else "",
        "sinceMs": alert.since_ms,
        "firedMs": alert.fired_ms,
        "resolvedMs": alert.resolved_ms,
        "told": alert.told,
        "silencedBy": alert.silenced_by,
        "acknowledgedBy": alert.acknowledged_by,
        "acknowledgedMs": alert.acknowledged_ms,
        "acknowledgedWhy": alert.acknowledged_why,
        "isFlapping": alert.is_flapping,
    }


def silence_json(silence: Silence) -> dict[str, Any]:
    """One silence."""
    return {
        "name": silence.name,
        "matches": _named(silence.matches),
        "sinceMs": silence.since_ms,
        "untilMs": silence.until_ms,
        "actor": silence.actor,
        "why": silence.why,
    }


def rules_json(alerting: Alerting) -> dict[str, Any]:
    """The rules in force; receivers by name only, for a URL may hold a secret."""
    return {
        "rules": [
            {
                "name": each.name,
                "condition": each.condition,
                "clear": shown(each.clear, each.unit),
                "severity": each.severity,
                "where": _named(each.where),
                "groupBy": None if each.group_by is None else list(each.group_by),
                "receivers": list(each.receivers),
                "summary": each.summary,
                "runbook": each.runbook,
            }
            for each in alerting.rules.rules
        ],
        "receivers": [{"name": each.name, "kind": each.kind} for each in alerting.rules.receivers],
    }


def measures_json(alerting: Alerting) -> dict[str, Any]:
    """Every measure with its meaning, and its values at the last look."""
    last = alerting.last
    return {
        "atMs": last.at_ms if last is not None else 0,
        "items": [
            {
                "name": each.name,
                "unit": each.unit,
                "meaning": each.meaning,
                "labels": list(each.labels),
                "source": each.source,
                "values": [
                    {
                        "labels": _named(labels),
                        "value": value,
                        "shown": shown_value(value, each.unit),
                    }
                    for labels, value in (last.values.get(each.name, {}) if last else {}).items()
                ],
            }
            for each in MEASURES.values()
        ],
    }


def _named(labels: Labels) -> dict[str, str]:
    return dict(labels)
