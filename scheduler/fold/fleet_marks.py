"""Marks on the hosts of instances: what keeps tasks away from them, or has them leave.

The one thing to know: a mark is written as operators write theirs, as attributes of the host, so
placement and relocation need to know nothing of clouds; beside them stands `flumina.fleet`, which
says that they are ours. A mark of a graver kind replaces a lesser one, never the other way.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.disruption.marks import REQUIRED, REQUIRED_IMMEDIATELY
from scheduler.fleet.standing import Instance, Mark
from scheduler.fold.context import Fold
from scheduler.model.changes import FleetChanged, FleetWhat
from scheduler.model.ids import HostId

OURS: Final = "flumina.fleet"
_ATTRIBUTES: Final[dict[Mark, tuple[str, ...]]] = {
    "": (),
    "warm": ("systemNoPlacement",),
    "ending": ("systemNoPlacement",),
    "deployment": (REQUIRED,),
    "rebalance": (REQUIRED,),
    "interruption": (REQUIRED_IMMEDIATELY,),
    "terminating": (REQUIRED_IMMEDIATELY,),
}
"""What each mark is on the host. What has to leave goes through all budgets of disruption."""
_RANKS: Final[dict[Mark, int]] = {
    "": 0,
    "warm": 1,
    "ending": 2,
    "deployment": 3,
    "rebalance": 4,
    "terminating": 5,
    "interruption": 6,
}


def put_instance(fold: Fold, instance: Instance) -> None:
    """Keep what is known of an instance."""
    state = fold.state
    state.cloud_instances[instance.instance_id] = instance
    state.instances_of_groups.setdefault(instance.group, {})[instance.instance_id] = None
    fold.touch("cloud instance", instance.instance_id)


def forget_instance(fold: Fold, instance: Instance) -> None:
    """Forget an instance that is gone, and take its mark off the host."""
    state = fold.state
    _write(fold, instance.host_id, instance.mark, "")
    del state.cloud_instances[instance.instance_id]
    fold.touch("cloud instance", instance.instance_id)
    there = state.instances_of_groups[instance.group]
    del there[instance.instance_id]
    if not there:
        del state.instances_of_groups[instance.group]


def mark(fold: Fold, instance: Instance, name: Mark, why: str, due_ms: int = 0) -> None:
    """Mark an instance, unless its mark is as grave already."""
    if _RANKS[name] <= _RANKS[instance.mark]:
        return
    now_ms = fold.state.clock.now_ms
    put_instance(fold, replace(instance, mark=name, marked_at_ms=now_ms, due_ms=due_ms))
    _write(fold, instance.host_id, instance.mark, name)
    _say(fold, instance, "hostMarked", f"{name}: {why}")


def unmark(fold: Fold, instance: Instance, why: str) -> None:
    """Take the mark of an instance away."""
    if not instance.mark:
        return
    put_instance(fold, replace(instance, mark="", marked_at_ms=0, due_ms=0))
    _write(fold, instance.host_id, instance.mark, "")
    _say(fold, instance, "hostUnmarked", why)


def join(fold: Fold, instance: Instance, host_id: HostId) -> None:
    """The instance is this host from now on; a mark that it has goes there."""
    if instance.host_id is not None:
        _write(fold, instance.host_id, instance.mark, "")
    now_ms = fold.state.clock.now_ms
    put_instance(fold, replace(instance, host_id=host_id, joined_at_ms=now_ms))
    _write(fold, host_id, "", instance.mark)


def _write(fold: Fold, host_id: HostId | None, before: Mark, after: Mark) -> None:
    state = fold.state
    if host_id is None or before == after or host_id not in state.hosts:
        return
    marks = dict(state.host_marks.get(host_id, ()))
    if marks.get(OURS) == before:
        for name in (*_ATTRIBUTES[before], OURS):
            marks.pop(name, None)
    if after:
        marks |= dict.fromkeys(_ATTRIBUTES[after], "true") | {OURS: after}
    if marks:
        state.host_marks[host_id] = tuple(sorted(marks.items()))
    else:
        state.host_marks.pop(host_id, None)
    fold.touch("mark", host_id)
    state.hosts_changed[host_id] = None
    fold.wake_placement()


def _say(fold: Fold, instance: Instance, what: FleetWhat, why: str) -> None:
    fold.report(
        FleetChanged(
            group=instance.group,
            what=what,
            why=why,
            instance_id=instance.instance_id,
            host_id=instance.host_id,
        )
    )
