"""A dashboard about something: the values of its variables put into paths, queries and spans.

The one thing to know: values come from an address that anybody can write. They are checked to hold
no quote before they stand in a query, and are escaped where they stand in a path.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from projections.dashboards.model import Dashboard, Panel, VariableKind
from projections.dashboards.reading import PLACEHOLDER
from scheduler.model.reading.checks import Check, pattern_check
from scheduler.model.reading.faults import Faults, nearest_name

_CHECKS: Final[dict[VariableKind, Check]] = {
    "id": pattern_check("[A-Za-z0-9][A-Za-z0-9._:@/+-]*", 256, "titus-12345"),
    "instant": pattern_check("-?[0-9][0-9A-Za-z:.+-]*", 64, "2026-01-31T10:00:00Z or -15m"),
}


def values_of(dashboard: Dashboard, given: Mapping[str, str], faults: Faults) -> dict[str, str]:
    """Those values that the dashboard asks for; what it does not know is a fault."""
    kinds = {each.name: each.kind for each in dashboard.variables}
    for name, value in given.items():
        if name not in kinds:
            faults.add(name, "is no variable of this dashboard", nearest_name(name, kinds))
            continue
        complaint = _CHECKS[kinds[name]](value)
        if complaint is not None:
            faults.add(name, *complaint)
    return {name: given[name] for name in kinds if name in given}


def filled(dashboard: Dashboard, values: Mapping[str, str]) -> Dashboard:
    """The dashboard with these values, which are all of them, in the place of its variables."""
    return msgspec.structs.replace(
        dashboard, panels=tuple(_filled(each, values) for each in dashboard.panels)
    )


def _filled(panel: Panel, values: Mapping[str, str]) -> Panel:
    escaped = {name: quote(value, safe="") for name, value in values.items()}
    spans: dict[str, Any] = {
        name: put_in(panel.options[name], values)
        for name in ("from", "to")
        if name in panel.options
    }
    return msgspec.structs.replace(
        panel,
        query=put_in(panel.query, values),
        path=put_in(panel.path, escaped),
        options=panel.options | spans,
    )


def put_in(text: str, values: Mapping[str, str]) -> str:
    """The text with each placeholder's value."""
    return PLACEHOLDER.sub(lambda found: values[found[1]], text)
