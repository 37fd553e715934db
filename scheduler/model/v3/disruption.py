"""A disruption budget as Titus' v3 API writes it, read and written.

The one thing to know: a budget that could never let a task go is refused by name, where that can
be told from the budget alone. ``{}`` is as none, and the one that is injected holds then.
"""

from typing import Any, Final, assert_never

from scheduler.model.disruption import (
    DAYS,
    HEALTH_PROVIDERS,
    AvailabilityPercentage,
    BudgetPolicy,
    BudgetRate,
    DisruptionBudget,
    Hours,
    PercentagePerHour,
    PercentagePerInterval,
    PerInterval,
    Relocations,
    SelfManaged,
    UnhealthyTasks,
    Unlimited,
    Window,
)
from scheduler.model.reading.checks import name_check
from scheduler.model.reading.faults import nearest_name, shown, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.time_zones import UTC_RULE, zone_names, zone_rule

Json = dict[str, Any]

PERCENT_MILLI_MAX: Final = 100_000
RELOCATION_MS_MAX: Final = 90 * 24 * 3_600_000
"""Ninety days; Titus injects seven at most."""
INTERVAL_MS_MAX: Final = 7 * 24 * 3_600_000
"""What was evicted is remembered for as long."""
COUNT_MAX: Final = 100_000
WINDOWS_MAX: Final = 16
HOURS_MAX: Final = 24
_NAME: Final = name_check(64)
_UNLIMITED: Final = "rateUnlimited"
_POLICIES: Final = (
    "selfManaged",
    "availabilityPercentageLimit",
    "unhealthyTasksLimit",
    "relocationLimit",
)
_RATES: Final = ("ratePercentagePerHour", "ratePerInterval", "ratePercentagePerInterval")


def read_budget(fields: Fields, name: str = "disruptionBudget") -> DisruptionBudget | None:
    """The budget in the field; None where it is left out or empty."""
    if fields.raw(name) in (None, {}):
        return None
    return read_budget_of(fields.inner(name))


def read_budget_of(fields: Fields) -> DisruptionBudget:
    """The budget that ``fields`` describe."""
    policy, rate = _policy(fields), _rate(fields)
    windows = read_windows(fields, "timeWindows")
    health = tuple(_provider(each) for each in fields.objects("containerHealthProviders", 8))
    fields.close()
    return DisruptionBudget(policy, rate, windows, health)


def _policy(fields: Fields) -> BudgetPolicy:
    given = [each for each in _POLICIES if fields.has(each)]
    if len(given) != 1:
        hint = 'like {"availabilityPercentageLimit": {"percentageOfHealthyContainers": 95}}'
        fields.fault_here(f"must hold exactly one of {', '.join(_POLICIES)}", hint)
        return SelfManaged(0)
    inside = fields.inner(given[0])
    policy: BudgetPolicy
    match given[0]:
        case "selfManaged":
            time_ms = inside.whole("relocationTimeMs", 0, RELOCATION_MS_MAX, unit=" ms")
            policy = SelfManaged(time_ms)
        case "availabilityPercentageLimit":
            policy = AvailabilityPercentage(_percent(inside, "percentageOfHealthyContainers", 0))
        case "unhealthyTasksLimit":
            policy = UnhealthyTasks(inside.whole("limitOfUnhealthyContainers", 0, COUNT_MAX))
        case _:
            policy = Relocations(_count(inside, "limit", "no task could ever be moved"))
    inside.close()
    return policy


def _rate(fields: Fields) -> BudgetRate:
    given = [each for each in _RATES if fields.has(each)]
    # Titus' own JSON has an empty object here, Spinnaker's true.
    is_unlimited = fields.raw(_UNLIMITED) not in (None, False)
    if is_unlimited and fields.raw(_UNLIMITED) not in (True, {}):
        fields.fault(_UNLIMITED, f"is {shown(fields.raw(_UNLIMITED))}", "write true or {}")
    if len(given) + is_unlimited > 1:
        names = ", ".join((*_RATES, _UNLIMITED))
        fields.fault_here(f"must not hold more than one of {names}", "keep one of them")
    if not given:
        return Unlimited()
    inside = fields.inner(given[0])
    rate: BudgetRate
    match given[0]:
        case "ratePercentagePerHour":
            name = "maxPercentageOfContainersRelocatedInHour"
            rate = PercentagePerHour(_percent(inside, name, 1))
        case "ratePerInterval":
            most = _count(inside, "limitPerInterval", "no task could ever be moved")
            rate = PerInterval(_interval(inside), most)
        case _:
            percent = _percent(inside, "percentageLimitPerInterval", 1)
            rate = PercentagePerInterval(_interval(inside), percent)
    inside.close()
    return rate


def _percent(fields: Fields, name: str, least: int) -> int:
    return fields.thousandths(name, least, PERCENT_MILLI_MAX)


def _interval(fields: Fields) -> int:
    return fields.whole("intervalMs", 1_000, INTERVAL_MS_MAX, unit=" ms")


def _count(fields: Fields, name: str, why_not_none: str) -> int:
    if fields.whole_given(name) == 0:
        text = f"is 0: {why_not_none}, and no host under one could be emptied"
        fields.fault(name, text, "give 1 or more, or a narrow time window")
        return 1
    return fields.whole(name, 1, COUNT_MAX)


def _provider(fields: Fields) -> str:
    name = fields.text("name", _NAME)
    fields.raw("attributes")
    fields.close()
    if name and name not in HEALTH_PROVIDERS:
        text = f"is {shown_text(name)}, a registry that this cell does not ask"
        hint = f"{' or '.join(HEALTH_PROVIDERS)}; without any, a task's own health check counts"
        fields.fault("name", text, hint)
    return name


def read_windows(fields: Fields, name: str) -> tuple[Window, ...]:
    """The time windows in the field's list; empty where it is left out."""
    return tuple(_window(each) for each in fields.objects(name, WINDOWS_MAX))


def _window(fields: Fields) -> Window:
    names = fields.texts("days", _NAME, 7, 256)
    by_name = {day.lower(): place for place, day in enumerate(DAYS)}
    for each in names:
        if each.lower() not in by_name:
            text = f"holds {shown_text(each)}, which is no day of the week"
            fields.fault("days", text, nearest_name(each, DAYS))
    days = sorted({by_name[each.lower()] for each in names if each.lower() in by_name})
    hours = tuple(_hours(each) for each in fields.objects("hourlyTimeWindows", HOURS_MAX))
    zone = fields.text("timeZone", _NAME, default="")
    rule = zone_rule(zone) if zone else UTC_RULE
    if rule is None:
        text = f"is {shown_text(zone)}, no time zone that is known here"
        fields.fault("timeZone", text, _zone_hint(zone))
    fields.close()
    return Window(tuple(days), hours, zone, rule or UTC_RULE)


def _zone_hint(zone: str) -> str:
    hint = nearest_name(zone, zone_names())
    return hint if hint.startswith("did you") else "like America/Los_Angeles, or UTC"


def _hours(fields: Fields) -> Hours:
    first = fields.whole("startHour", 0, 23, default=0)
    last = fields.whole("endHour", 0, 24, default=0)
    fields.close()
    given = (fields.whole_given("startHour") or 0, fields.whole_given("endHour") or 0)
    if given == (first, last) and last < first:
        text = f"is {last}, before startHour {first}: such a window never opens"
        fields.fault("endHour", text, "for a window over midnight give two: 22 to 23, and 0 to 5")
    return Hours(first, last)


def written_budget(budget: DisruptionBudget) -> Json:
    """The budget as it would be read again."""
    written: Json = {**_written_policy(budget.policy), **_written_rate(budget.rate)}
    if budget.windows:
        written["timeWindows"] = written_windows(budget.windows)
    if budget.health:
        written["containerHealthProviders"] = [{"name": each} for each in budget.health]
    return written


def _written_policy(policy: BudgetPolicy) -> Json:
    match policy:
        case SelfManaged():
            return {"selfManaged": {"relocationTimeMs": policy.relocation_time_ms}}
        case AvailabilityPercentage():
            percent = _number(policy.healthy_percent_milli)
            return {"availabilityPercentageLimit": {"percentageOfHealthyContainers": percent}}
        case UnhealthyTasks():
            return {"unhealthyTasksLimit": {"limitOfUnhealthyContainers": policy.unhealthy_max}}
        case Relocations():
            return {"relocationLimit": {"limit": policy.relocations_max}}
    assert_never(policy)


def _written_rate(rate: BudgetRate) -> Json:
    match rate:
        case Unlimited():
            return {_UNLIMITED: {}}
        case PercentagePerHour():
            percent = _number(rate.percent_milli)
            name = "maxPercentageOfContainersRelocatedInHour"
            return {"ratePercentagePerHour": {name: percent}}
        case PerInterval():
            inside = {"intervalMs": rate.interval_ms, "limitPerInterval": rate.evictions_max}
            return {"ratePerInterval": inside}
        case PercentagePerInterval():
            percent = _number(rate.percent_milli)
            inside = {"intervalMs": rate.interval_ms}
            return {"ratePercentagePerInterval": {**inside, "percentageLimitPerInterval": percent}}
    assert_never(rate)


def written_windows(windows: tuple[Window, ...]) -> list[Json]:
    """Time windows as they would be read again."""
    return [
        {
            "days": [DAYS[each] for each in window.days],
            "hourlyTimeWindows": [
                {"startHour": each.first, "endHour": each.last} for each in window.hours
            ],
            "timeZone": window.time_zone,
        }
        for window in windows
    ]


def _number(thousandths: int) -> int | float:
    whole, rest = divmod(thousandths, 1_000)
    return thousandths / 1_000 if rest else whole
