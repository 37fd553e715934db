"""The steps of a runbook: what each does when it begins, and when it is over.

The one thing to know: whatever touches tasks goes the ways that operators go (a host's standing, a
mark), within the same budgets, and what is not healing's own is never changed or taken back.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from scheduler.disruption.marks import REQUIRED_IMMEDIATELY
from scheduler.fold.context import Fold
from scheduler.fold.fleet_orders import order
from scheduler.fold.instance_groups import group_name_of
from scheduler.fold.safe import page_once
from scheduler.healing.standing import HealingRun, StepOutcome
from scheduler.model.fleet import EndInstance
from scheduler.model.healing import HealingStep
from scheduler.model.ids import HostId
from scheduler.model.inbound import Standing
from scheduler.state import HostOrder, State

ACTOR: Final = "flumina-healing"
"""Who stands in the orders by which healing drains hosts and keeps them out of use."""
SCRIPT_GRACE_MS: Final = 30_000
"""A script's outcome is waited for so much longer than the script may take."""
GONE_MS: Final = 600_000
"""A host of an ended instance that offered nothing for so long is gone."""
MARKS_MAX: Final = 50_000


class Went(msgspec.Struct, frozen=True):
    """How a step went."""

    outcome: StepOutcome
    detail: str = ""
    exit_code: int | None = None
    output: str = ""


def begin_step(fold: Fold, run: HealingRun) -> tuple[HealingRun, Went | None]:
    """Do what the step does; how it went where that is known at once."""
    step = run.runbook.steps[run.step]
    if run.runbook.is_dry_run:
        return run, Went("would", _words(step))
    match step.kind:
        case "diagnose" | "heal":
            return replace(run, order_id=f"{run.run_id}.{len(run.records)}"), None
        case "judge":
            return run, _judged(run, step)
        case "probe":
            return run, None
        case "drain":
            return run, _drain(fold, run)
        case "reschedule":
            return run, _reschedule(fold, run)
        case "terminate":
            return run, _terminate(fold, run)
        case "page":
            return run, _page(fold, run)


def wait_for(state: State, run: HealingRun) -> Went | None:
    """How a step that takes time went; None while it is under way and has time left."""
    step, spent_ms = run.runbook.steps[run.step], state.clock.now_ms - run.step_since_ms
    if step.kind in {"drain", "reschedule"}:
        left = len(state.host_tasks.get(run.host_id, ()))
        if not left:
            return Went("done", "no task is there any more")
        return _late(step, spent_ms, f"{left} tasks are still there")
    if step.kind == "probe":
        return _late(step, spent_ms, f"{run.good_looks} of {step.looks} good rounds of checks")
    if run.order_id:
        grace = replace(step, timeout_ms=step.timeout_ms + SCRIPT_GRACE_MS)
        is_begun = "its outcome was not heard" if run.is_order_started else "nobody ran it"
        return _late(grace, spent_ms, f"script {step.script}: {is_begun}")
    return None


def _late(step: HealingStep, spent_ms: int, text: str) -> Went | None:
    return Went("timedOut", text) if spent_ms >= step.timeout_ms else None


def order_of(state: State, order_id: str) -> HealingRun | None:
    """The run that ordered this script and still waits for it; None where none does."""
    if not state.healing_live:
        return None
    run = state.healing_runs.get(order_id.rpartition(".")[0])
    return run if run is not None and run.order_id == order_id else None


def clean_up(fold: Fold, run: HealingRun) -> None:
    """Take back the run's own marks; a host that was not healed is out of use until a word."""
    state, host_id = fold.state, run.host_id
    marks = dict(state.host_marks.get(host_id, ()))
    if marks.pop(REQUIRED_IMMEDIATELY, "") and _is_rescheduled(run):
        _mark(fold, host_id, marks)
    known = state.host_orders.get(host_id)
    is_ours = known is not None and known.actor == ACTOR
    if run.state in {"paged", "failed"} and (known is None or is_ours):
        _stand(fold, host_id, "disabled", f"run {run.run_id} of {run.runbook.name}: {run.why}")
    elif is_ours and run.state != "replaced":
        del state.host_orders[host_id]
        _ordered(fold, host_id)


def forget_gone_hosts(fold: Fold) -> None:
    """Take back the orders of hosts whose instances were ended, once they are gone."""
    state = fold.state
    for run in state.healing_runs.values():
        known = state.host_orders.get(run.host_id)
        if run.state != "replaced" or known is None or known.actor != ACTOR:
            continue
        is_there = run.host_id in state.host_offers or run.host_id in state.host_tasks
        if not is_there and state.clock.now_ms >= run.ended_ms + GONE_MS:
            del state.host_orders[run.host_id]
            _ordered(fold, run.host_id)


def _is_rescheduled(run: HealingRun) -> bool:
    return any(each.kind == "reschedule" for each in run.records)


def _words(step: HealingStep) -> str:
    said = " ".join((step.script, *step.arguments)) if step.script else step.kind
    return f"would {'run ' if step.script else ''}{said}"


def _judged(run: HealingRun, step: HealingStep) -> Went:
    asked = [each for each in run.records if each.kind in {"diagnose", "heal"}]
    answered = asked[-1].exit_code if asked else None
    if answered is None:
        return Went("done", "nothing answered, so the host is taken for sick")
    if answered in step.exits:
        return Went("done", f"{asked[-1].name} answered {answered}")
    return Went("jumped", f"{asked[-1].name} answered {answered}, not {list(step.exits)}")


def _drain(fold: Fold, run: HealingRun) -> Went | None:
    known = fold.state.host_orders.get(run.host_id)
    if known is None or known.actor == ACTOR or known.standing == "lastChoice":
        _stand(fold, run.host_id, "draining", f"run {run.run_id} of {run.runbook.name}")
    return wait_for(fold.state, run)


def _reschedule(fold: Fold, run: HealingRun) -> Went | None:
    state = fold.state
    if len(state.host_marks) < MARKS_MAX or run.host_id in state.host_marks:
        marks = dict(state.host_marks.get(run.host_id, ()))
        _mark(fold, run.host_id, marks | {REQUIRED_IMMEDIATELY: "true"})
    return wait_for(state, run)


def _terminate(fold: Fold, run: HealingRun) -> Went:
    state, host_id = fold.state, run.host_id
    if state.host_tasks.get(host_id):
        return Went("failed", "tasks are still there; put a drain or reschedule before it")
    found = sorted(
        each.instance_id for each in state.cloud_instances.values() if each.host_id == host_id
    )
    if not found:
        return Went("failed", "no cloud group is known to have it")
    instance_id, group = found[0], state.cloud_instances[found[0]].group
    why = f"healing {run.run_id}: {run.cause}"[:300]
    if not order(fold, EndInstance(group, instance_id, is_decrement=False, why=why), why, ACTOR):
        return Went("failed", f"instance {instance_id} cannot be ended now: see `flumina fleet`")
    return Went("done", f"instance {instance_id} of {group} is ended, and another takes its place")


def _page(fold: Fold, run: HealingRun) -> Went:
    state = fold.state
    hostname, group = state.hostname(run.host_id), group_name_of(state, run.host_id)
    last = run.records[-1].detail if run.records else "it began with this step"
    page_once(
        fold,
        "healing",
        str(run.host_id),
        what=f"host {hostname} is sick, and runbook {run.runbook.name} could not heal it",
        why=f"{run.cause}. Last: {last}. Group {group or '(none)'}; "
        f"`flumina heal show {run.run_id}` has every step",
    )
    # The step before may have paged as well, with the same words.
    return Went("done", f"paged: {last.removeprefix('paged: ')}")


def _stand(fold: Fold, host_id: HostId, standing: Standing, why: str) -> None:
    state = fold.state
    state.host_orders[host_id] = HostOrder(standing, ACTOR, why[:300], state.clock.now_ms)
    _ordered(fold, host_id)


def _ordered(fold: Fold, host_id: HostId) -> None:
    fold.touch("order", host_id)
    fold.state.hosts_changed[host_id] = None
    fold.wake_placement()


def _mark(fold: Fold, host_id: HostId, marks: dict[str, str]) -> None:
    if marks:
        fold.state.host_marks[host_id] = tuple(sorted(marks.items()))
    else:
        fold.state.host_marks.pop(host_id, None)
    fold.touch("mark", host_id)
    fold.state.hosts_changed[host_id] = None
    fold.wake_placement()
