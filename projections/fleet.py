"""The fleet for readers: groups and their instances, the plan of the next look, deployments.

The one thing to know: the plan is made by the very function that the fold's look calls, on the
state as it is; so what it shows is what will be done, unless something changes before.
"""

from typing import Any

from projections.cell_view import CellView
from scheduler.fleet.counts import counts_of
from scheduler.fleet.plan import GroupPlan, plan_of
from scheduler.fleet.standing import Activity, CloudGroup, Deployment, Instance, WarmPool
from scheduler.model.foreign_fleet import pool_document, rules_document
from scheduler.state import State

Json = dict[str, Any]


def rules(view: CellView) -> Json:
    """The rules in force, and their version."""
    fleet = view.state.fleet
    return {"version": fleet.rules_version, "rules": rules_document(fleet.rules)}


def groups(view: CellView) -> Json:
    """Every group that is or was known, by name."""
    state = view.state
    found = (state.cloud_groups[each] for each in sorted(state.cloud_groups))
    return {"items": [_group(state, each) for each in found]}


def group(view: CellView, name: str) -> Json | None:
    """One group with its instances; None where none of its name is known."""
    state = view.state
    found = state.cloud_groups.get(name)
    if found is None:
        return None
    shown = _group(state, found)
    ids = sorted(state.instances_of_groups.get(name, ()))
    shown["items"] = [_instance(state, state.cloud_instances[each]) for each in ids]
    shown["activities"] = [_activity(each) for each in reversed(found.activities)]
    return shown


def _group(state: State, found: CloudGroup) -> Json:
    rule = next((each for each in state.fleet.rules.groups if each.name == found.name), None)
    operators = next(
        (each for each in state.policy.placement.instance_groups if each.name == found.name), None
    )
    counts = counts_of(state, found, state.fleet.rules)
    return {
        "name": found.name,
        "provider": found.provider,
        "region": found.region,
        "tier": operators.tier if operators is not None else "",
        "lifecycle": operators.lifecycle if operators is not None else "Active",
        "isScaled": rule is not None,
        "isGone": found.is_gone,
        "min": found.minimum,
        "desired": found.desired,
        "max": found.maximum,
        "ordered": found.ordered,
        "instances": found.instances_total,
        "starting": counts.starting,
        "busy": counts.busy,
        "idle": counts.idle,
        "ending": counts.ending,
        "late": len(counts.late),
        "warm": found.warm_total,
        "warmPool": _warm_pool(state.warm_pools.get(found.name, WarmPool(found.name)), found),
        "zones": list(found.zones),
        "machineTypes": list(found.machine_types),
        "suspended": list(found.suspended),
        "heardAtMs": found.heard_at_ms,
        "observedAtMs": found.observed_at_ms,
        "held": found.held,
        "fault": found.fault,
        "failures": found.failures,
    }


def _warm_pool(pool: WarmPool, found: CloudGroup) -> Json:
    """The pool as it shall be and as it is; who asked for none here sees what the cloud has."""
    rule = pool.asked if pool.is_asked else pool.seen
    return {
        "isSteered": pool.is_asked,
        "asked": None if pool.asked is None else pool_document(pool.asked),
        "seen": None if pool.seen is None else pool_document(pool.seen),
        "wanted": 0 if rule is None else rule.size(found.size, found.maximum),
        "isGoing": pool.is_going,
        "fault": pool.fault,
    }


def _instance(state: State, each: Instance) -> Json:
    host_id = each.host_id
    return {
        "id": each.instance_id,
        "state": each.state,
        "zone": each.zone,
        "machineType": each.machine_type,
        "isHealthy": each.is_healthy,
        "isProtected": each.is_protected,
        "hostId": host_id or "",
        "hostname": state.hostname(host_id) if host_id is not None else "",
        "tasks": len(state.host_tasks.get(host_id, ())) if host_id is not None else 0,
        "mark": each.mark,
        "markedAtMs": each.marked_at_ms,
        "dueMs": each.due_ms,
        "seenAtMs": each.seen_at_ms,
        "joinedAtMs": each.joined_at_ms,
    }


def plan(view: CellView) -> Json:
    """What a look would do now, and what no host would cure."""
    state = view.state
    found = plan_of(state)
    return {
        "isPaused": state.fleet.rules.is_paused,
        "isSafe": state.safe is not None,
        "groups": [_plan(each) for each in found.groups],
        "uncured": [
            {"jobId": each.job_id, "tasks": each.tasks, "why": each.why}
            for each in found.shortfall.uncured
        ],
        "uncuredTasks": found.shortfall.uncured_total,
        "shortages": [{"tier": each.tier, "amount": list(each.amount)} for each in found.shortages],
        "orders": [
            {
                "id": each.order_id,
                "what": type(each.effect).__name__,
                "group": each.effect.group,
                "why": each.why,
                "decidedAtMs": each.decided_at_ms,
                "isStarted": each.is_started,
            }
            for each in state.fleet_orders.values()
        ],
    }


def _plan(each: GroupPlan) -> Json:
    return {
        "name": each.name,
        "size": each.size,
        "target": each.target,
        "wanted": each.wanted,
        "floor": each.floor,
        "floorBy": each.floor_by,
        "waitingNeed": each.asked.more,
        "covered": each.asked.covered,
        "idle": each.counts.idle,
        "starting": each.counts.starting,
        "busy": each.counts.busy,
        "givesBack": list(each.victims),
        "why": each.why,
        "held": each.held,
    }


def deployments(view: CellView) -> Json:
    """Deployments under way and the last that ended, the newest first."""
    found = sorted(view.state.deployments.values(), key=lambda each: -each.began_at_ms)
    return {"items": [_deployment(view.state, each) for each in found]}


def deployment(view: CellView, name: str) -> Json | None:
    """One deployment with what happened; None where there is none of this name."""
    found = view.state.deployments.get(name)
    if found is None:
        return None
    history = [_activity(each) for each in found.history]
    return _deployment(view.state, found) | {"history": history}


def _deployment(state: State, each: Deployment) -> Json:
    old, new = (_hosts(state, name) for name in (each.asked.old, each.asked.new))
    return {
        "name": each.name,
        "new": each.asked.new,
        "old": each.asked.old,
        "step": each.step,
        "isPaused": each.is_paused,
        "why": each.why,
        "size": each.size,
        "newHosts": new[0],
        "newTasks": new[1],
        "oldHosts": old[0],
        "oldTasks": old[1],
        "beganAtMs": each.began_at_ms,
        "sinceMs": each.since_ms,
        "actor": each.asked.actor,
        "reason": each.asked.why,
    }


def _hosts(state: State, name: str) -> tuple[int, int]:
    """How many hosts of the group have joined, and how many tasks they have."""
    there = (state.cloud_instances[each] for each in state.instances_of_groups.get(name, ()))
    hosts = [each.host_id for each in there if each.host_id is not None]
    return len(hosts), sum(len(state.host_tasks.get(each, ())) for each in hosts)


def _activity(each: Activity) -> Json:
    return {"atMs": each.at_ms, "what": each.what, "why": each.why}
