"""The book of alerts: what waits, fires, is silent, and was told; pure, in the log's own time.

The one thing to know: whether something is to be told is decided here, once, and written down as a
`Notice` with a name that follows from rule, labels and time. So whoever folds the same log names
the same notices, and who sends them can tell which were sent before.

| from | to | when |
| --- | --- | --- |
| - | pending | beyond the threshold |
| pending | - | not beyond it any more |
| pending | firing | beyond it for ``for``: told, unless silenced |
| firing | firing | not at ``clear`` yet: told again each ``repeat``, unless somebody looks at it |
| firing | resolved | at ``clear`` for ``clearFor``, or a quarter of an hour where it flaps |

That it is over is told where its firing was.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from projections.alerts.measures import Labels, Sample, shown_value
from projections.alerts.rules import AlertRule, Severity
from scheduler.model.alerts import AlertAcknowledged, AlertsSilenced, AlertsUnsilenced

ALERTS_MAX: Final = 1_000
SILENCES_MAX: Final = 200
NOTICES_MAX: Final = 500
RESOLVED_MAX: Final = 200
RESOLVED_MS: Final = 86_400_000
FLAPS_MAX: Final = 4
"""So often within an hour an alert may begin; from then on it has to be well for longer."""
FLAP_MS: Final = 3_600_000
CALM_MS: Final = 900_000
AlertState = Literal["pending", "firing", "resolved"]


class Alert(msgspec.Struct):
    """One alert of a rule, for one set of labels."""

    key: str
    rule: str
    labels: Labels
    severity: Severity
    since_ms: int
    """When it was seen first."""
    state: AlertState = "pending"
    fired_ms: int = 0
    well_since_ms: int = 0
    """From when on the value is at ``clear``; 0 while it is not."""
    resolved_ms: int = 0
    value: int = 0
    worst: int = 0
    members: int = 1
    """How many series it stands for, where rules group them."""
    note: str = ""
    told: int = 0
    """How often its firing was told."""
    silenced_by: str = ""
    acknowledged_by: str = ""
    acknowledged_ms: int = 0
    acknowledged_why: str = ""
    is_flapping: bool = False


class Silence(msgspec.Struct, frozen=True):
    """Alerts that match are not told."""

    name: str
    matches: Labels
    since_ms: int
    until_ms: int
    actor: str
    why: str


class Notice(msgspec.Struct, frozen=True):
    """Something that receivers are to be told, once."""

    id: str
    state: Literal["firing", "resolved"]
    key: str
    rule: str
    labels: Labels
    severity: Severity
    at_ms: int
    fired_ms: int
    condition: str
    value: str
    summary: str
    note: str
    runbook: str
    receivers: tuple[str, ...]
    offset: int
    number: int = 1
    """Which time its firing is told."""
    members: int = 1


class KeptAlerts(msgspec.Struct, frozen=True):
    """What a book has to remember."""

    alerts: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    silences: tuple[Silence, ...] = ()
    notices: tuple[Notice, ...] = ()
    begins: dict[str, tuple[int, ...]] = {}
    dropped: int = 0


class AlertBook:
    """All alerts of a cell."""

    def __init__(self, kept: KeptAlerts | None = None) -> None:
        found = kept or KeptAlerts()
        self.alerts: dict[str, Alert] = {each.key: each for each in found.alerts}
        self.resolved: deque[Alert] = deque(found.resolved, RESOLVED_MAX)
        self.silences: dict[str, Silence] = {each.name: each for each in found.silences}
        self.notices: deque[Notice] = deque(found.notices, NOTICES_MAX)
        self.dropped = found.dropped
        """Alerts that found no room."""
        self._begins = dict(found.begins)
        """When alerts began within the last hour, by key."""

    def kept(self) -> KeptAlerts:
        """What another process needs to go on from here."""
        return KeptAlerts(
            tuple(self.alerts.values()),
            tuple(self.resolved),
            tuple(self.silences.values()),
            tuple(self.notices),
            dict(self._begins),
            self.dropped,
        )

    def heard(self, body: object, at_ms: int) -> None:
        """Obey what an operator says about alerts."""
        match body:
            case AlertsSilenced():
                until_ms = at_ms + body.for_s * 1_000
                silence = Silence(body.name, body.matches, at_ms, until_ms, body.actor, body.why)
                self.silences.pop(body.name, None)
                self.silences[body.name] = silence
                if len(self.silences) > SILENCES_MAX:
                    del self.silences[next(iter(self.silences))]
            case AlertsUnsilenced():
                self.silences.pop(body.name, None)
            case AlertAcknowledged():
                known = self.alerts.get(body.key)
                if known is not None and known.state == "firing":
                    known.acknowledged_by, known.acknowledged_ms = body.actor, at_ms
                    known.acknowledged_why = body.why
            case _:
                pass

    def evaluate(self, rules: Sequence[AlertRule], sample: Sample) -> None:
        """Hold every rule against a sample."""
        at_ms = sample.at_ms
        for name in [each.name for each in self.silences.values() if each.until_ms <= at_ms]:
            del self.silences[name]
        seen: set[str] = set()
        for rule in rules:
            for key, found in _groups(rule, sample).items():
                seen.add(key)
                self._look(rule, key, found, sample)
        by_name = {each.name: each for each in rules}
        for key in [each for each in self.alerts if each not in seen]:
            # Its series is gone, or its rule: there is nothing any more to alert of.
            alert = self.alerts[key]
            self._well(alert, by_name.get(alert.rule), sample)
        while self.resolved and self.resolved[0].resolved_ms < at_ms - RESOLVED_MS:
            self.resolved.popleft()
        self._forget_begins(at_ms)

    def _look(self, rule: AlertRule, key: str, found: "_Group", sample: Sample) -> None:
        at_ms, alert = sample.at_ms, self.alerts.get(key)
        if _is_beyond(rule, found.value, rule.threshold):
            if alert is None:
                if len(self.alerts) >= ALERTS_MAX:
                    self.dropped += 1
                    return
                alert = Alert(key, rule.name, found.labels, rule.severity, at_ms)
                alert.worst = found.value
                self.alerts[key] = alert
            self._take(alert, rule, found)
            alert.well_since_ms = 0
            if alert.state == "pending" and at_ms >= alert.since_ms + rule.for_ms:
                self._fire(alert, at_ms)
        elif alert is not None:
            self._take(alert, rule, found)
            if alert.state == "pending" or not _is_beyond(rule, found.value, rule.clear):
                self._well(alert, rule, sample)
            else:
                alert.well_since_ms = 0
        if alert is not None and alert.state == "firing":
            self._tell(alert, rule, sample)

    def _take(self, alert: Alert, rule: AlertRule, found: "_Group") -> None:
        worst = max if rule.is_above else min
        alert.value, alert.worst = found.value, worst(alert.worst, found.value)
        alert.members, alert.note = found.members, found.note
        alert.severity = rule.severity

    def _fire(self, alert: Alert, at_ms: int) -> None:
        alert.state, alert.fired_ms = "firing", at_ms
        begins = (*self._begins.get(alert.key, ()), at_ms)[-FLAPS_MAX:]
        self._begins[alert.key] = begins
        alert.is_flapping = len(begins) == FLAPS_MAX and begins[0] > at_ms - FLAP_MS

    def _tell(self, alert: Alert, rule: AlertRule, sample: Sample) -> None:
        """Have a firing alert told, if it is time, and nobody has said otherwise."""
        at_ms = sample.at_ms
        alert.silenced_by = self._silenced_by(alert)
        if alert.silenced_by:
            return
        number = 1
        if alert.told:
            if alert.acknowledged_by or not rule.repeat_ms:
                return
            number = (at_ms - alert.fired_ms) // rule.repeat_ms + 1
            if number <= alert.told:
                return
        alert.told = max(number, alert.told)
        self.notices.append(_notice(alert, rule, sample, "firing", number))

    def _well(self, alert: Alert, rule: AlertRule | None, sample: Sample) -> None:
        """The condition of an alert does not hold now."""
        at_ms = sample.at_ms
        if alert.state == "pending":
            del self.alerts[alert.key]
            return
        alert.well_since_ms = alert.well_since_ms or at_ms
        wait_ms = 0 if rule is None else rule.clear_for_ms
        if alert.is_flapping and rule is not None:
            wait_ms = max(wait_ms, CALM_MS)
        if at_ms < alert.well_since_ms + wait_ms:
            return
        alert.state, alert.resolved_ms = "resolved", at_ms
        del self.alerts[alert.key]
        self.resolved.append(alert)
        if alert.told:
            self.notices.append(_notice(alert, rule, sample, "resolved", 1))

    def _silenced_by(self, alert: Alert) -> str:
        facts = {"rule": alert.rule, "severity": alert.severity, **dict(alert.labels)}
        for each in self.silences.values():
            if all(facts.get(name) == value for name, value in each.matches):
                return each.name
        return ""

    def _forget_begins(self, at_ms: int) -> None:
        for key in [each for each, when in self._begins.items() if when[-1] < at_ms - FLAP_MS]:
            del self._begins[key]


class _Group(msgspec.Struct):
    """The series of a rule that make one alert."""

    labels: Labels
    value: int
    members: int
    note: str


def _groups(rule: AlertRule, sample: Sample) -> dict[str, _Group]:
    """By key: the worst value of each group of a rule's series."""
    found: dict[str, _Group] = {}
    worst = max if rule.is_above else min
    for labels, value in sample.values.get(rule.measure, {}).items():
        if any(each not in labels for each in rule.where):
            continue
        kept = labels
        if rule.group_by is not None:
            kept = tuple(each for each in labels if each[0] in rule.group_by)
        key = key_of(rule.name, kept)
        known, note = found.get(key), sample.notes.get((rule.measure, labels), "")
        is_in = _is_beyond(rule, value, rule.threshold)
        if known is None:
            found[key] = _Group(kept, value, int(is_in), note)
            continue
        if worst(value, known.value) == value:
            known.note = note or known.note
        known.value = worst(value, known.value)
        known.members += is_in
    return found


def key_of(rule: str, labels: Iterable[tuple[str, str]]) -> str:
    """The name of an alert, the same wherever and whenever it is seen."""
    inside = ",".join(f"{name}={value}" for name, value in labels)
    return f"{rule}{{{inside}}}" if inside else rule


def _is_beyond(rule: AlertRule, value: int, limit: int) -> bool:
    return value > limit if rule.is_above else value < limit


def _notice(
    alert: Alert,
    rule: AlertRule | None,
    sample: Sample,
    state: Literal["firing", "resolved"],
    number: int,
) -> Notice:
    told = f"{state}-{number}" if number > 1 else state
    return Notice(
        id=f"{alert.key}|{alert.fired_ms}|{told}",
        state=state,
        key=alert.key,
        rule=alert.rule,
        labels=alert.labels,
        severity=alert.severity,
        at_ms=sample.at_ms,
        fired_ms=alert.fired_ms,
        condition=rule.condition if rule else "",
        value=shown_value(alert.value, rule.unit) if rule else "",
        summary=filled(rule.summary, alert.labels) if rule else "its rule is no more",
        note=alert.note,
        runbook=rule.runbook if rule else "",
        receivers=rule.receivers if rule else (),
        offset=sample.offset,
        number=number,
        members=alert.members,
    )


def filled(text: str, labels: Iterable[tuple[str, str]]) -> str:
    """A summary with the values of labels in the places of their names: ``{topic}``."""
    values: Mapping[str, str] = dict(labels)
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text
