"""Rules of alerts: a measure, a threshold, for how long, who is told; read and checked.

The one thing to know: a rule says when an alert begins and when it is over, and the two may differ
(``clear``), so that a value that sways around its threshold makes one alert and not a hundred.
Rules are not in the log: they decide nothing about the cell.
"""

import re
from typing import Any, Final, Literal, get_args

import msgspec

from projections.alerts.measures import MEASURES, Labels, Measure, Unit, shown
from projections.slo.objectives import Objective, Objectives
from scheduler.model.foreign_webhooks import SECRET_CHECK, url_check
from scheduler.model.reading.checks import pattern_check, words_check
from scheduler.model.reading.faults import Faults, nearest_name, shown_text
from scheduler.model.reading.fields import Fields

RULES_MAX: Final = 200
RECEIVERS_MAX: Final = 20
LABELS_MAX: Final = 8
TEXT_BYTES_MAX: Final = 1_000
DAY_MS: Final = 86_400_000
Severity = Literal["page", "warning"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
ReceiverKind = Literal["webhook", "sns", "log"]
RECEIVER_KINDS: Final[tuple[ReceiverKind, ...]] = get_args(ReceiverKind)

_NAME: Final = pattern_check("[a-z0-9][a-z0-9-]{0,62}", 63, "queue-deep")
_TOPIC: Final = pattern_check(
    "arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256}",
    400,
    "arn:aws:sns:eu-west-1:123456789012:alerts",
)
_TEXT: Final = words_check(TEXT_BYTES_MAX)
_SPAN: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)", re.ASCII)
_SPAN_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS}
_PERCENT: Final = re.compile(r"(-?[0-9]{1,4}(?:\.[0-9]{1,4})?)\s?%", re.ASCII)
VALUE_MAX: Final = 10**15


class Receiver(msgspec.Struct, frozen=True):
    """Who is told."""

    name: str
    kind: ReceiverKind
    target: str = ""
    """A URL, or a topic's name in AWS."""
    secret: str = ""


class AlertRule(msgspec.Struct, frozen=True):
    """When somebody is told of what."""

    name: str
    measure: str
    is_above: bool
    """An alert begins above the threshold; else below it."""
    threshold: int
    clear: int
    """It is over only at this value or beyond."""
    summary: str
    severity: Severity = "warning"
    for_ms: int = 0
    """Only what lasts so long is an alert."""
    clear_for_ms: int = 0
    """Only what is well for so long is over."""
    repeat_ms: int = 4 * 3_600_000
    """While it goes on and nobody looks it is told again; 0: never."""
    where: Labels = ()
    group_by: tuple[str, ...] | None = None
    """Labels that tell alerts apart; None: all of the measure's."""
    receivers: tuple[str, ...] = ()
    """Empty: all that there are."""
    runbook: str = ""

    @property
    def unit(self) -> Unit:
        """Of its values."""
        return MEASURES[self.measure].unit

    @property
    def condition(self) -> str:
        """When an alert begins, in words."""
        word = "above" if self.is_above else "below"
        span = f" for {self.for_ms // 1_000} s" if self.for_ms else ""
        return f"{self.measure} {word} {shown(self.threshold, self.unit)}{span}"


class RuleBook(msgspec.Struct, frozen=True):
    """All that a file says."""

    rules: tuple[AlertRule, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    objectives: Objectives = Objectives()
    has_delivered: bool = True
    """The delivered rules hold beside the file's own; those of the same name are replaced."""
    disabled: tuple[str, ...] = ()


def read_alert_rules(document: object, faults: Faults) -> RuleBook:
    """What a document says; it counts only if no fault was found."""
    fields = Fields(document, "", faults)
    fields.whole("version", 1, 1)
    receivers = tuple(_receiver(each) for each in fields.objects("receivers", RECEIVERS_MAX))
    names = tuple(each.name for each in receivers)
    rules, disabled = [], []
    for each in fields.objects("rules", RULES_MAX):
        rule = _rule(each, names)
        if rule is None:
            disabled.append(each.text("name", _NAME))
        else:
            rules.append(rule)
    _find_twice("receivers", names, faults)
    _find_twice("rules", tuple(each.name for each in rules), faults)
    inner = fields.inner_if_given("objectives")
    objectives = Objectives() if inner is None else _objectives(inner)
    has_delivered = fields.truth("delivered", default=True)
    fields.close()
    return RuleBook(tuple(rules), receivers, objectives, has_delivered, tuple(disabled))


def joined(own: RuleBook, delivered: RuleBook) -> RuleBook:
    """A file's own rules, and the delivered ones that it does not replace or turn off."""
    if not own.has_delivered:
        return own
    gone = {*own.disabled, *(each.name for each in own.rules)}
    rules = (*own.rules, *(each for each in delivered.rules if each.name not in gone))
    receivers = own.receivers or delivered.receivers
    return msgspec.structs.replace(own, rules=rules[:RULES_MAX], receivers=receivers)


def _find_twice(where: str, names: tuple[str, ...], faults: Faults) -> None:
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if first.setdefault(name, place) != place:
            text = f"is {shown_text(name)}, also that of {where}[{first[name]}]"
            faults.add(f"{where}[{place}].name", text, "give it another one")


def _receiver(fields: Fields) -> Receiver:
    name = fields.text("name", _NAME)
    kind = _chosen(fields, "kind", RECEIVER_KINDS)
    target, secret = "", ""
    if kind == "webhook":
        target = fields.text("url", url_check)
        secret = fields.text("secret", SECRET_CHECK, "")
    elif kind == "sns":
        target = fields.text("topic", _TOPIC)
    fields.close()
    return Receiver(name, "log" if kind is None else kind, target, secret)


def _rule(fields: Fields, receivers: tuple[str, ...]) -> AlertRule | None:
    """The rule; None where the file only turns off one of that name."""
    name = fields.text("name", _NAME)
    if fields.truth("disabled", default=False):
        fields.close()
        return None
    measure = _measure(fields)
    threshold, clear, is_above = _thresholds(fields, measure)
    told = fields.texts("receivers", _NAME, RECEIVERS_MAX, 4_096)
    for each in told:
        if each not in receivers and each != "pager":
            fields.fault("receivers", f"names {shown_text(each)}", nearest_name(each, receivers))
    rule = AlertRule(
        name=name,
        measure=measure.name,
        is_above=is_above,
        threshold=threshold,
        clear=clear,
        summary=fields.text("summary", _TEXT),
        severity=_chosen(fields, "severity", SEVERITIES) or "warning",
        for_ms=_span(fields, "for", 0),
        clear_for_ms=_span(fields, "clearFor", 0),
        repeat_ms=_span(fields, "repeat", 4 * 3_600_000),
        where=_where(fields, measure),
        group_by=_group_by(fields, measure),
        receivers=told,
        runbook=fields.text("runbook", _TEXT, ""),
    )
    fields.close()
    return rule


def _measure(fields: Fields) -> Measure:
    name = fields.text("measure", _measure_complaint)
    return MEASURES.get(name, MEASURES["tasks_queued"])


def _measure_complaint(name: str) -> tuple[str, str] | None:
    if name in MEASURES:
        return None
    return f"is {shown_text(name)}, no measure", nearest_name(name, MEASURES)


def _thresholds(fields: Fields, measure: Measure) -> tuple[int, int, bool]:
    """Where an alert begins, where it is over, and on which side it begins."""
    is_above = fields.has("above")
    if is_above == fields.has("below"):
        text = "names above and below" if is_above else "names neither above nor below"
        fields.fault("measure", text, "name one of them")
        fields.raw("above"), fields.raw("below"), fields.raw("clear")
        return 0, 0, True
    word = "above" if is_above else "below"
    threshold = _value(fields, word, measure.unit)
    if not fields.has("clear"):
        return threshold, threshold, is_above
    clear = _value(fields, "clear", measure.unit)
    if (clear > threshold) if is_above else (clear < threshold):
        side = "above" if is_above else "below"
        fields.fault("clear", f"lies {side} the threshold", "an alert would end as it begins")
    return threshold, clear, is_above


def _value(fields: Fields, name: str, unit: Unit) -> int:
    raw = fields.raw(name)
    found: int | None = None
    hint = "give a whole number"
    if unit == "ms":
        found, hint = _span_ms(raw), "give a span: 90s, 10m, 2h"
    elif unit == "ppm":
        match = _PERCENT.fullmatch(raw) if isinstance(raw, str) else None
        found, hint = round(float(match[1]) * 10_000) if match else None, "give a share: 20%"
    elif unit == "milli":
        hint = "give a number: 14.4"
        if isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) < VALUE_MAX:
            found = round(raw * 1_000)
    elif isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < VALUE_MAX:
        found = raw
    if found is None:
        fields.fault(name, f"is {shown_text(str(raw))}, in another unit than the measure's", hint)
        return 0
    return found


def _span_ms(raw: object) -> int | None:
    found = _SPAN.fullmatch(raw) if isinstance(raw, str) else None
    return int(found[1]) * _SPAN_MS[found[2]] if found else 0 if raw == 0 else None


def _span(fields: Fields, name: str, default: int) -> int:
    if not fields.has(name):
        return default
    found = _span_ms(fields.raw(name))
    if found is None or found > 30 * DAY_MS:
        text = f"is {shown_text(str(fields.raw(name)))}, no span"
        fields.fault(name, text, "give one up to 30d: 90s, 10m, 2h")
        return default
    return found


def _where(fields: Fields, measure: Measure) -> Labels:
    found = fields.pairs("where", _TEXT, _TEXT, count_max=LABELS_MAX, bytes_max=2_048)
    for name, _ in found:
        if name not in measure.labels:
            fields.fault_below("where", name, "is no label of it", _labels_of(measure))
    return found


def _group_by(fields: Fields, measure: Measure) -> tuple[str, ...] | None:
    if not fields.has("groupBy"):
        return None
    found = fields.texts("groupBy", _TEXT, LABELS_MAX, 1_024)
    for name in found:
        if name not in measure.labels:
            fields.fault("groupBy", f"names {shown_text(name)}", _labels_of(measure))
    return tuple(sorted(set(found)))


def _labels_of(measure: Measure) -> str:
    return f"{measure.name} has {', '.join(measure.labels) or 'none'}"


def _objectives(fields: Fields) -> Objectives:
    usual = Objectives()
    found = Objectives(
        availability=_objective(fields, "availability", usual.availability),
        crashing=_objective(fields, "crashing", usual.crashing),
        start_latency=_objective(fields, "startLatency", usual.start_latency),
    )
    fields.close()
    return found


def _objective(fields: Fields, name: str, usual: Objective) -> Objective:
    inner = fields.inner_if_given(name)
    if inner is None:
        return usual
    target_ppm = _value(inner, "target", "ppm") if inner.has("target") else usual.target_ppm
    if not 0 < target_ppm < 1_000_000:
        inner.fault("target", "leaves no budget", "give a share below 100%, such as 99.9%")
        target_ppm = usual.target_ppm
    within_ms = usual.within_ms
    if usual.within_ms:
        within_ms = _span(inner, "within", usual.within_ms)
        if not within_ms:
            inner.fault("within", "is nothing", "give a span such as 60s")
            within_ms = usual.within_ms
    inner.close()
    return Objective(target_ppm, within_ms)


def _chosen(fields: Fields, name: str, known: tuple[Any, ...]) -> Any:  # noqa: ANN401 - one of them
    def complaint(word: str) -> tuple[str, str] | None:
        return None if word in known else (f"is {shown_text(word)}", nearest_name(word, known))

    word = fields.text(name, complaint, "" if name == "severity" else None)
    return word if word in known else None
