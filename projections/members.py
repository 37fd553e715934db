"""Who leads and who led, in the words of Titus' supervisor and of its cluster membership.

The one thing to know: who was never elected has written nothing, so only who leads and who led is
known here.
"""

from typing import Any, Final

from projections.cell_view import CellView
from projections.leaders import Leadership
from scheduler.state import NO_OFFSET

Json = dict[str, Any]
_SINCE_UNKNOWN: Final = 0


def known_leaders(view: CellView) -> list[Leadership]:
    """All whom the view remembers, who leads at the end."""
    found, state = list(view.leaders.by_candidate.values()), view.state
    if state.epoch != NO_OFFSET and (not found or found[-1].epoch != state.epoch):
        # The election stands before the snapshot that this view began with.
        found.append(Leadership(state.leader, state.epoch, _SINCE_UNKNOWN, _SINCE_UNKNOWN, 1))
    return found


def is_leader(view: CellView, each: Leadership) -> bool:
    """Whether it is the one who leads now."""
    return each.epoch == view.state.epoch


def master_json(view: CellView, each: Leadership, silent: str) -> Json:
    """One of them as a master; ``silent``: why a leader may not be there, or empty."""
    leads = is_leader(view, each)
    return {
        "instanceId": each.candidate,
        "instanceGroupId": str(view.state.cell),
        "status": {
            "state": _master_state(view, each),
            "timestamp": each.elected_at_ms,
            "reasonMessage": silent or ("leads" if leads else "led before"),
        },
        "labels": _labels(view, each),
    }


def member_json(view: CellView, each: Leadership, *, is_heard: bool) -> Json:
    """One of them as a member; ``is_heard``: whether a leader is known to be there."""
    master = _master_state(view, each)
    return {
        "memberId": each.candidate,
        "enabled": True,
        "active": is_leader(view, each) and is_heard,
        "leadershipState": {"LeaderActivated": "Leader"}.get(master, master),
        "registeredAtMs": each.first_elected_at_ms,
        "labels": _labels(view, each),
    }


def _master_state(view: CellView, each: Leadership) -> str:
    """A leader that has not copied the backlog yet is activating, as Titus' services are."""
    if not is_leader(view, each):
        return "NonLeader"
    return "LeaderActivated" if view.state.clock.is_judging else "LeaderActivating"


def _labels(view: CellView, each: Leadership) -> dict[str, str]:
    """What the log knows of the process, beside what operators wrote on it."""
    return {
        **dict(view.state.member_labels.get(each.candidate, ())),
        "flumina.epoch": str(each.epoch),
        "flumina.elections": str(each.elections),
        "flumina.build": each.build,
    }
