"""The health of hosts as the API shows it: what speaks against each, and what follows.

The one thing to know: all of it is the fold's own; a host of which nothing is said is well, and is
not in the list.
"""

from typing import Any

from scheduler.fold.health import hosts_meant, launching_max, reasons_against
from scheduler.fold.instance_groups import group_name_of
from scheduler.model.host_health import HostHealth
from scheduler.model.ids import HostId
from scheduler.model.task import Disconnected
from scheduler.state import State


def health_json(state: State) -> dict[str, Any]:
    """Hosts that are not simply well, tasks that are silent, and ways in which tasks fail."""
    return {
        "hosts": [host_json(state, each) for each in sorted(state.health)],
        "hostsTotal": len(state.hosts),
        "awayTotal": len(state.away_hosts),
        "silentTasks": [
            {
                "taskId": task_id,
                "sinceMs": each.since_ms,
                "silentMs": each.silent_ms,
                "detail": each.detail,
            }
            for task_id, each in sorted(state.silent.items())
        ],
        "failingKinds": [
            {
                "name": name,
                "jobs": list(each.jobs),
                "hosts": list(each.hosts),
                "failures": sum(count for _, count in each.buckets),
                "lastMs": each.last_ms,
                "isPaged": each.is_told,
            }
            for name, each in sorted(state.failing_kinds.items())
        ],
    }


def host_named_json(state: State, name: str) -> dict[str, Any] | None:
    """The host of this id or name; None where there is none."""
    found = hosts_meant(state, name)
    return host_json(state, found[0]) if found else None


def is_lost(state: State, host_id: HostId) -> bool:
    """Whether Mesos lost the host lately, it offers nothing, and no task there was heard since.

    Mesos tells when it loses an agent and not when it has it again: an offer or a task's word does.
    """
    known = state.health.get(host_id)
    if known is None or not known.losses or state.host_offers.get(host_id):
        return False
    there = (state.tasks[each].state for each in state.host_tasks.get(host_id, ()))
    return all(isinstance(each, Disconnected) for each in there)


def host_json(state: State, host_id: HostId) -> dict[str, Any]:
    """One host; of one that is well only that."""
    known = state.health.get(host_id, HostHealth())
    failures = state.host_failures.get(host_id)
    return {
        "hostId": host_id,
        "hostname": state.hostname(host_id),
        "group": group_name_of(state, host_id),
        "standing": _standing(known),
        "why": known.why or "; ".join(reasons_against(known)),
        "awaySinceMs": known.away_since_ms,
        "goodSinceMs": known.good_since_ms,
        "backMs": known.back_ms,
        "falls": known.falls,
        "lookMs": known.look_ms,
        "launchingMax": launching_max(state, host_id),
        "qualityMilli": 1_000 if failures is None else failures.quality_milli,
        "tasks": len(state.host_tasks.get(host_id, ())),
        "losses": list(known.losses),
        "isLost": is_lost(state, host_id),
        "verdicts": [
            {
                "detector": each.detector,
                "standing": each.standing,
                "scoreMilli": each.score_milli,
                "sinceMs": each.since_ms,
                "heardMs": each.heard_ms,
                "untilMs": each.until_ms,
                "observedAtMs": each.observed_at_ms,
                "address": each.address,
                "evidence": [
                    {
                        "kind": piece.kind,
                        "text": piece.text,
                        "source": piece.source,
                        "count": piece.count,
                    }
                    for piece in each.evidence
                ],
            }
            for each in known.verdicts
        ],
        "probes": [
            {
                "name": each.name,
                "state": each.state,
                "isFailing": each.is_failing,
                "detail": each.detail,
                "heardMs": each.heard_ms,
                "looks": each.looks,
                "address": each.address,
            }
            for each in known.probes
        ],
    }


def _standing(known: HostHealth) -> str:
    if known.away_since_ms:
        return "away"
    if known.is_spared:
        return "spared"
    if known.back_ms:
        return "trial"
    return "suspect" if known.verdicts or known.probes else "well"
