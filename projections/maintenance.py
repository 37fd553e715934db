"""Hosts that Mesos will have taken away: their windows, and what is done about each.

The one thing to know: what is shown is what the fold holds; what Mesos is to be answered next and
why stands there before the answer has left.
"""

from typing import Any

from projections.cell_view import CellView
from scheduler.state import Maintenance, State


def windows(view: CellView) -> dict[str, Any]:
    """All windows that are known, the one that begins first first."""
    state = view.state
    found = sorted(state.maintenance.values(), key=lambda each: (each.from_ms, each.host_id))
    return {"items": [_window(state, each) for each in found]}


def _window(state: State, each: Maintenance) -> dict[str, Any]:
    order = state.host_orders.get(each.host_id)
    there = state.host_tasks.get(each.host_id, ())
    return {
        "hostId": each.host_id,
        "hostname": state.hostname(each.host_id),
        "fromMs": each.from_ms,
        "forMs": each.for_ms,
        "sinceMs": each.since_ms,
        "drainingSinceMs": each.draining_since_ms,
        "standing": "enabled" if order is None else order.standing,
        "orderedBy": "" if order is None else order.actor,
        "tasks": len(there),
        "planned": sum(task_id in state.plans for task_id in there),
        "isAsked": each.is_open,
        "wanted": each.wanted,
        "answer": each.answer,
        "why": each.why,
        "isDoubted": each.doubted_until_ms > 0,
    }
