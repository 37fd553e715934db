"""Rules of rate: which requests they are about, and the document that an operator writes.

The one thing to know: rules stand in order and the first one that fits decides, as in Titus. The
patterns are RE2's, matched whole and in linear time; an endpoint is ``METHOD PATH`` with the path
of the table of routes (``GET /api/v3/jobs/{id}``), so no caller can choose what it is compared to.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, get_args

import re2

from connectors.web.limits.buckets import CALLERS_MAX, Buckets, Empty, Per, RateRule
from scheduler.model.reading.checks import name_check, words_check
from scheduler.model.reading.faults import Faults, nearest_name, shown, shown_text
from scheduler.model.reading.fields import Fields

RULES_MAX: Final = 100
NAME_BYTES_MAX: Final = 64
PATTERN_BYTES_MAX: Final = 1_000
CAPACITY_MAX: Final = 1_000_000
PATTERN_MEMORY_BYTES_MAX: Final = 1 << 20
"""Of one compiled pattern; a repetition of repetitions is refused when it is read."""
_NAME: Final = name_check(NAME_BYTES_MAX)
_PATTERN: Final = words_check(PATTERN_BYTES_MAX)
_PERS: Final[tuple[Per, ...]] = get_args(Per)
_ANY: Final = ".*"


class Rule(NamedTuple):
    """A rule of rate: whose requests for what, and the bucket that they take from."""

    rate: RateRule
    caller: str = _ANY
    endpoint: str = _ANY


class RateLimits:
    """The buckets of one API process, by rule in order; none, and everybody may ask."""

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        *,
        now_s: Callable[[], float] = time.monotonic,
        callers_max: int = CALLERS_MAX,
    ) -> None:
        self._rules = [
            (
                _compiled(each.caller),
                _compiled(each.endpoint),
                Buckets(each.rate, now_s, callers_max),
            )
            for each in rules
        ]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def take(self, caller: str, address: str, endpoint: str) -> Empty | None:
        """None where the request may go on; else the rule whose bucket is empty."""
        for of_caller, of_endpoint, buckets in self._rules:
            if of_endpoint.fullmatch(endpoint) and of_caller.fullmatch(caller):
                return buckets.take(address if buckets.rule.per == "address" else caller)
        return None

    def remembered(self) -> int:
        """How many buckets are kept."""
        return sum(len(buckets) for _, _, buckets in self._rules)


def _compiled(pattern: str) -> Any:  # noqa: ANN401 - the library has no types
    options = re2.Options()
    options.max_mem = PATTERN_MEMORY_BYTES_MAX
    options.log_errors = False
    return re2.compile(pattern, options)


def read_rate_rules(document: object, faults: Faults) -> tuple[Rule, ...]:
    """The rules in a document; they count only where no fault was found."""
    fields = Fields(document, "", faults)
    raw = fields.raw("rules")
    fields.close()
    if not isinstance(raw, list):
        fields.fault("rules", f"is {shown(raw)}; a list is needed", "write - name: ...")
        return ()
    if len(raw) > RULES_MAX:
        fields.fault("rules", f"has {len(raw)} entries; at most {RULES_MAX} are taken", "join some")
        return ()
    found = [_rule(Fields(each, f"rules[{place}]", faults)) for place, each in enumerate(raw)]
    names = [each.rate.name for each in found]
    for place, name in enumerate(names):
        if name in names[:place]:
            faults.add(f"rules[{place}].name", f"is {shown_text(name)} again", "name it otherwise")
    return tuple(found)


def _rule(fields: Fields) -> Rule:
    name = fields.text("name", _NAME)
    caller, endpoint = _pattern(fields, "caller"), _pattern(fields, "endpoint")
    capacity = fields.whole("capacity", 1, CAPACITY_MAX)
    per_s = fields.thousandths("perSecond", 1, CAPACITY_MAX * 1_000) / 1_000
    per = fields.text("per", _PATTERN, default="caller")
    chosen = next((each for each in _PERS if each == per), None)
    if chosen is None:
        fields.fault("per", f"is {shown_text(per)}, no way to share", nearest_name(per, _PERS))
    fields.close()
    return Rule(RateRule(name, capacity, per_s, chosen or "caller"), caller, endpoint)


def _pattern(fields: Fields, name: str) -> str:
    text = fields.text(name, _PATTERN, default=_ANY)
    try:
        _compiled(text)
    except re2.error as error:
        why = error.args[0] if error.args else ""
        said = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        fields.fault(name, f"is {shown_text(text)}, no pattern of RE2: {said}", "mend it")
        return _ANY
    return text
