"""Rules of health: a pattern, what it makes of a host, and how often in how long; read and checked.

The one thing to know: a pattern means what RE2 makes of it, over the bytes of one line. It is a
user's, so neither Python's `re` nor any engine that backtracks ever sees it. Only a rule can find
a host sick; odd lines by themselves make it suspect at most.
"""

import re
from typing import Any, Final

import msgspec
import re2

from scheduler.model.health import HostStanding
from scheduler.model.reading.checks import pattern_check, words_check
from scheduler.model.reading.faults import Faults, nearest_name, shown_text
from scheduler.model.reading.fields import Fields

RULES_MAX: Final = 5_000
PATTERN_BYTES_MAX: Final = 1_000
PATTERN_MEMORY_BYTES: Final = 1 << 20
"""What RE2 may use for one pattern; such as ``(a{1,1000}){1,1000}`` do not fit."""
NOTE_BYTES_MAX: Final = 400
WINDOW_MS: Final = 600_000
WINDOW_MS_MAX: Final = 24 * 60 * 60 * 1_000
COUNT_MAX: Final = 1_000_000
STANDINGS: Final[tuple[HostStanding, ...]] = ("sick", "suspect", "well")
_ID_CHECK: Final = pattern_check("[a-z0-9][a-z0-9-]*", 63, "disk-io-error")
_NOTE_CHECK: Final = words_check(NOTE_BYTES_MAX)
_SPAN: Final = re.compile("([0-9]{1,6})(s|m|h)", re.ASCII)
_SPAN_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000}


class Rule(msgspec.Struct, frozen=True):
    """Lines that match count `weight` each; as many as `threshold` within `window_ms` speak."""

    rule_id: str
    pattern: str
    standing: HostStanding
    weight: int = 1
    threshold: int = 1
    window_ms: int = WINDOW_MS
    note: str = ""


class OddLines(msgspec.Struct, frozen=True):
    """When lines that sound bad, and lines never seen before, make a host suspect."""

    alerts: int = 100
    """So many alerts of a host within the window; 0 is never."""
    new_alerts: int = 3
    """So many templates never seen before on any host, which sound bad; 0 is never."""
    window_ms: int = WINDOW_MS
    warm_up_lines: int = 10_000
    """Before so many lines everything is new, which means nothing."""


class RuleSet(msgspec.Struct, frozen=True):
    """All rules of a file, in its order."""

    rules: tuple[Rule, ...] = ()
    odd_lines: OddLines = OddLines()


def read_rules(document: object, faults: Faults) -> RuleSet:
    """The rules that a document names; they count only if no fault was found."""
    fields = Fields(document, "", faults)
    rules = [_rule(each) for each in fields.objects("rules", RULES_MAX)]
    first: dict[str, int] = {}
    for place, rule in enumerate(rules):
        if first.setdefault(rule.rule_id, place) != place:
            earlier = f"is also that of rules[{first[rule.rule_id]}]"
            faults.add(f"rules[{place}].id", earlier, "give it another one")
    inner = fields.inner_if_given("oddLines")
    odd_lines = OddLines() if inner is None else _odd_lines(inner)
    fields.close()
    return RuleSet(tuple(rules), odd_lines)


def _rule(fields: Fields) -> Rule:
    rule = Rule(
        rule_id=fields.text("id", _ID_CHECK),
        pattern=fields.text("pattern", _pattern_complaint),
        standing=_standing(fields),
        weight=fields.whole("weight", 1, COUNT_MAX, 1),
        threshold=fields.whole("threshold", 1, COUNT_MAX, 1),
        window_ms=_window_ms(fields),
        note=fields.text("note", _NOTE_CHECK, ""),
    )
    fields.close()
    return rule


def _odd_lines(fields: Fields) -> OddLines:
    usual = OddLines()
    found = OddLines(
        alerts=fields.whole("alerts", 0, COUNT_MAX, usual.alerts),
        new_alerts=fields.whole("newAlerts", 0, COUNT_MAX, usual.new_alerts),
        window_ms=_window_ms(fields),
        warm_up_lines=fields.whole("warmUpLines", 0, COUNT_MAX, usual.warm_up_lines),
    )
    fields.close()
    return found


def _standing(fields: Fields) -> HostStanding:
    word = fields.text("severity", _standing_complaint)
    return next((each for each in STANDINGS if each == word), "well")


def _standing_complaint(word: str) -> tuple[str, str] | None:
    if word in STANDINGS:
        return None
    return f"is {shown_text(word)}", nearest_name(word, STANDINGS)


def _window_ms(fields: Fields) -> int:
    text = fields.text("window", lambda _: None, "10m")
    found = _SPAN.fullmatch(text)
    span = int(found[1]) * _SPAN_MS[found[2]] if found else 0
    if not 0 < span <= WINDOW_MS_MAX:
        fields.fault("window", f"is {shown_text(text)}", "give a span up to 24h: 90s, 10m, 2h")
        return WINDOW_MS
    return span


def _pattern_complaint(pattern: str) -> tuple[str, str] | None:
    """What is wrong with a pattern, and what to do; None if it can be used."""
    if len(pattern.encode()) > PATTERN_BYTES_MAX:
        return (f"is longer than {PATTERN_BYTES_MAX} bytes", "make several rules of it")
    try:
        found = compiled(pattern)
    except re2.error as error:
        why = error.args[0] if error.args else "it cannot be read"
        text = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        hint = "write it as RE2 takes it: no looking around, no back-references"
        return (f"is no pattern of RE2: {shown_text(text)}", hint)
    if found.search(b""):
        return ("matches an empty line, so every line", "demand at least one character")
    return None


def compiled(pattern: str) -> Any:  # noqa: ANN401 - RE2 has no types
    """The pattern as RE2 matches it, over bytes."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.never_capture = True
    options.max_mem = PATTERN_MEMORY_BYTES
    return re2.compile(pattern.encode(), options)
