"""What rounds of placement said of a task: the last one, or the one at an address.

The one thing to know: this reads records and places nothing again. A record of a round names a
class of tasks only where it has news of it, so the answer for a round is what was written last, in
it or before it. Titus' API v3 calls this a scheduling result (S19); the numbers are ours.
"""

from typing import Any, Final

from projections.cell_view import CellView
from projections.entries import Entry, LaunchFacts, RefusalRun, Spot, TaskHistory
from projections.history import refusals_of, refused_rules, run_spot
from scheduler.model.ids import TaskId
from scheduler.model.task import titus_state

Json = dict[str, Any]
_END: Final[Spot] = (2**63, 0)


def scheduling_result(view: CellView, task_id: TaskId, until: Spot | None = None) -> Json | None:
    """What is known of the task's placement, at the round ``until`` or now; None: no such task."""
    task, history = view.task(task_id), view.task_history(task_id)
    if task is None or history is None:
        return None
    spot = until or _END
    launch = _launch(history, spot)
    refusal = _refusal(view, history, spot)
    result: Json = {"taskId": task_id, "jobId": task.job_id, "state": titus_state(task.state)}
    last = view.timeline.last_round
    if last is not None:
        result["lastRound"] = view.address(last.spot)
    if launch is not None and (refusal is None or launch.spot > _run_begin(refusal)):
        result |= _success(view, history, launch)
    elif refusal is not None:
        result |= _failures(view, refusal)
    else:
        result["message"] = "no round that is remembered has said anything of this task yet"
    return result


def _launch(history: TaskHistory, spot: Spot) -> Entry | None:
    """The newest launch that a round up to ``spot`` decided."""
    for entry in reversed(history.entries):
        if entry.what != "launch proposed" or not isinstance(entry.fact, LaunchFacts):
            continue
        decided = entry.fact.round.spot if entry.fact.round else entry.spot
        if decided <= spot:
            return entry
    return None


def _refusal(
    view: CellView, history: TaskHistory, spot: Spot
) -> tuple[RefusalRun, int, int] | None:
    """The newest run of refusals that had begun by ``spot``, cut off there."""
    for run, first, last in reversed(refusals_of(view, history)):
        told = [number for number in range(first, last) if run_spot(run, number) <= spot]
        if told:
            return run, first, told[-1]
    return None


def _run_begin(refusal: tuple[RefusalRun, int, int]) -> Spot:
    run, _, number = refusal
    return run_spot(run, number)


def _success(view: CellView, history: TaskHistory, launch: Entry) -> Json:
    facts = launch.fact
    assert isinstance(facts, LaunchFacts)
    told: Json = {
        "hostId": launch.host_id or "",
        "host": view.hostname(launch.host_id),
        "proposal": view.address(launch.spot),
    }
    round_ = facts.round
    chosen = round_.placement_of(history.job_id) if round_ else None
    if chosen is not None:
        told |= {
            "fitness": chosen.fitness,
            "parts": dict(chosen.parts),
            "ofHost": view.hostname(chosen.host_id),
            "runnerUp": view.hostname(chosen.runner_up),
            "runnerUpFitness": chosen.runner_up_fitness,
            "runnerUpParts": dict(chosen.runner_up_parts),
        }
    result: Json = {"success": told}
    if round_ is not None:
        result |= {
            "round": view.address(round_.spot),
            "roundAtMs": round_.at_ms,
            "policyVersion": round_.policy_version,
            "mode": round_.mode,
            "hosts": round_.hosts,
        }
    return result


def _failures(view: CellView, refusal: tuple[RefusalRun, int, int]) -> Json:
    run, first, number = refusal
    numbers = len(run.offsets) - 1
    return {
        "round": view.address(run_spot(run, number)),
        "roundAtMs": run.times_ms[number],
        "firstRefusedBy": view.address(run_spot(run, first)),
        "waiting": run.refusal.waiting,
        "failures": [
            {
                "rule": each.rule,
                "hosts": each.hosts,
                "nearestHostId": each.nearest_host_id,
                "nearestHost": each.nearest_hostname,
                "missing": each.missing,
            }
            for each in refused_rules(view, run.refusal)
        ],
        "numbersOf": view.address(run_spot(run, numbers)),
        "wake": run.refusal.wake,
    }
