"""Healing: runbooks that are carried out on sick hosts, step by step, with every step in the log.

The one thing to know: a run is a state machine of the fold. It moves at a tick, when a script's
outcome is read (`EffectEnded`), when a round of checks is heard, or at an operator's word, and it
begins only where limits of share and rate allow. A script is ordered here and run by the lane of
`streams/healing` after its `EffectStarted` was read back; an order of which nobody knows the fate
(its leader died) counts as failed and is not run again by itself, for nobody knows how far it came.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.fold.healing_steps import (
    Went,
    begin_step,
    clean_up,
    forget_gone_hosts,
    order_of,
    wait_for,
)
from scheduler.fold.health import host_probed, hosts_meant, is_there, let_back
from scheduler.fold.instance_groups import group_name_of
from scheduler.fold.safe import page_once
from scheduler.healing.standing import (
    GOOD_ENDS,
    LIVE,
    RECORDS_MAX,
    RUNS_KEPT_MAX,
    HealingRun,
    RunbookStanding,
    RunState,
    StepOutcome,
    StepRecord,
)
from scheduler.model.address import Source
from scheduler.model.changes import HealingChanged, JobRejected, RequestAccepted
from scheduler.model.events import EffectEnded
from scheduler.model.healing import OUTPUT_MAX, HealingOrdered, Runbook, RunbooksAsked
from scheduler.model.healing_document import END
from scheduler.model.health import HostProbed
from scheduler.model.host_health import HostHealth
from scheduler.model.ids import HostId
from scheduler.model.inbound import Fault
from scheduler.state import State

HOUR_MS: Final = 3_600_000
ESCALATION: Final = frozenset(("drain", "reschedule", "terminate", "page"))
"""Where a run goes on that could not heal: the next step of these kinds."""


# What operators order.


def runbooks_asked(fold: Fold, source: Source, body: RunbooksAsked) -> None:
    """Set all runbooks; what is known of those that stay is kept."""
    state = fold.state
    for name in sorted(state.runbooks.keys() | {each.name for each in body.runbooks}):
        fold.touch("runbook", name)
    state.runbooks = {each.name: each for each in body.runbooks}
    for name in sorted(state.runbook_standings.keys() - state.runbooks.keys()):
        del state.runbook_standings[name]
        fold.touch("runbook standing", name)
    fold.report(RequestAccepted(source=source, what="set runbooks"))


def healing_ordered(fold: Fold, source: Source, body: HealingOrdered) -> None:
    """Start, approve or stop a run, or let a runbook run again."""
    fault = _ordered(fold, body)
    if fault is not None:
        fold.report(JobRejected(source=source, faults=(fault,)))
    else:
        fold.report(RequestAccepted(source=source, what=f"healing {body.verb}"))


def _ordered(fold: Fold, body: HealingOrdered) -> Fault | None:
    if body.verb in {"approve", "stop"}:
        return _ordered_of_run(fold, body)
    state, host_id = fold.state, body.host_id
    if host_id is not None:
        meant = hosts_meant(state, host_id)
        if not meant:
            hint = "see `flumina host health`"
            return Fault("hostId", f"no host {host_id}", hint, code="unknown")
        host_id = meant[0]
    if body.verb == "release":
        assert host_id is not None, "the reader demands it"
        let_back(fold, host_id, actor=body.actor, why=body.why)
        return None
    runbook = state.runbooks.get(body.runbook)
    if runbook is None:
        hint = "see `flumina heal runbooks`"
        return Fault("runbook", f"no runbook {body.runbook}", hint, code="unknown")
    if body.verb == "resume":
        known = state.runbook_standings.get(runbook.name, RunbookStanding())
        _stand(fold, runbook.name, replace(known, failures=0, stopped_why=""))
        return None
    assert host_id is not None, "the reader demands it"
    if _run_on(state, host_id) is not None:
        return Fault("hostId", f"a run on host {host_id} is under way", "stop it", code="state")
    if body.is_dry_run:
        runbook = replace(runbook, is_dry_run=True)
    _begin(fold, host_id, runbook, f"{body.actor}: {body.why}", actor=body.actor)
    return None


def _ordered_of_run(fold: Fold, body: HealingOrdered) -> Fault | None:
    run = fold.state.healing_runs.get(body.run_id)
    if run is None:
        return Fault("runId", f"no run {body.run_id}", "see `flumina heal list`", code="unknown")
    if run.state not in LIVE or (body.verb == "approve" and run.state != "waiting"):
        return Fault("runId", f"run {run.run_id} is {run.state}", "", code="state")
    if body.verb == "stop":
        _end(fold, run, "stopped", f"{body.actor}: {body.why}", actor=body.actor)
    else:
        _go_to(fold, replace(run, state="running", actor=body.actor, why=""), 0)
    return None


# What follows by itself.


def look_at_healing(fold: Fold) -> None:
    """Begin runs on sick hosts, as far as limits allow, and see which steps are over in time."""
    state = fold.state
    for run_id in list(state.healing_live):
        run = state.healing_runs[run_id]
        if run.state == "running":
            _looked(fold, run)
    forget_gone_hosts(fold)
    if state.safe is not None or not state.runbooks:
        return
    for host_id in sorted(state.away_hosts):
        if _run_on(state, host_id) is None:
            _begin_if_allowed(fold, host_id, state.health[host_id])


def _begin_if_allowed(fold: Fold, host_id: HostId, known: HostHealth) -> None:
    state = fold.state
    for name in sorted(state.runbooks):
        runbook = state.runbooks[name]
        if fits(state, runbook, host_id, known) and not held_by(state, runbook, host_id):
            _begin(fold, host_id, runbook, known.why, actor="")
            return


def fits(state: State, runbook: Runbook, host_id: HostId, known: HostHealth) -> bool:
    """Whether the runbook is for a host about which this is known."""
    if runbook.groups and group_name_of(state, host_id) not in runbook.groups:
        return False
    detectors = {each.detector for each in known.verdicts if each.standing == "sick"}
    probes = {each.name for each in known.probes if each.is_failing}
    return not (detectors.isdisjoint(runbook.detectors) and probes.isdisjoint(runbook.probes))


def held_by(state: State, runbook: Runbook, host_id: HostId) -> str:
    """Which limit keeps the runbook from a host that it is for, in words; empty where none does."""
    limits, now_ms = runbook.limits, state.clock.now_ms
    standing = state.runbook_standings.get(runbook.name, RunbookStanding())
    if standing.stopped_why:
        return f"runbook {runbook.name} has stopped: {standing.stopped_why}"
    live = [state.healing_runs[each] for each in state.healing_live]
    mine = sum(each.runbook.name == runbook.name for each in live)
    if mine >= limits.at_once:
        return f"{mine} runs of {runbook.name} are under way; atOnce is {limits.at_once}"
    lately = sum(at_ms > now_ms - HOUR_MS for at_ms in standing.begun_ms)
    if lately >= limits.per_hour:
        return f"{lately} runs of {runbook.name} in an hour; perHour is {limits.per_hour}"
    for run in state.healing_runs.values():
        is_mine = run.host_id == host_id and run.runbook.name == runbook.name
        if is_mine and run.began_ms > now_ms - limits.again_ms:
            return f"{runbook.name} ran there already; againSeconds is {limits.again_ms // 1_000}"
    group = group_name_of(state, host_id)
    there = sum(1 for each in live if group_name_of(state, each.host_id) == group)
    if not there:
        return ""  # The first is always let through; to count a group looks at every host.
    size = sum(is_there(state, each) for each in state.hosts if group_name_of(state, each) == group)
    most = max(1, size * limits.group_percent // 100)
    if there >= most:
        return f"{there} hosts of its group are in healing; groupPercent is {limits.group_percent}"
    return ""


def probes_heard(fold: Fold, source: Source, body: HostProbed) -> None:
    """Take over a round of checks; a run that waits for good ones counts it."""
    host_probed(fold, source, body)
    states = {each.state for each in body.probes}
    if fold.state.healing_live:
        for host_id in hosts_meant(fold.state, body.host_id):
            _probed(fold, host_id, is_good="bad" not in states and "good" in states)


def _probed(fold: Fold, host_id: HostId, *, is_good: bool) -> None:
    run = _run_on(fold.state, host_id)
    if run is None or run.state != "running" or _kind(run) != "probe":
        return
    run = replace(run, good_looks=run.good_looks + 1 if is_good else 0)
    _put(fold, run)
    if run.good_looks >= run.runbook.steps[run.step].looks:
        _went(fold, run, Went("done", f"{run.good_looks} good rounds of checks"))


def script_started(fold: Fold, order_id: str) -> None:
    """The lane may run this script now, if the run still wants it."""
    run = order_of(fold.state, order_id)
    if run is not None and not run.is_order_started:
        _put(fold, replace(run, is_order_started=True))


def script_ended(fold: Fold, event: EffectEnded) -> None:
    """Take over how a script ended."""
    run = order_of(fold.state, event.proposal_id)
    if run is None or not run.is_order_started:
        return
    step = run.runbook.steps[run.step]
    output = event.output[-OUTPUT_MAX:]
    if event.fate != "sent" or event.exit_code is None:
        outcome: StepOutcome = "unknown" if event.fate == "unknown" else "failed"
        _went(fold, run, Went(outcome, event.detail, output=output))
        return
    is_good = step.kind == "diagnose" or event.exit_code in step.exits
    detail = f"{step.script} answered {event.exit_code}"
    _went(fold, run, Went("done" if is_good else "failed", detail, event.exit_code, output))


def orders_lost(fold: Fold) -> None:
    """A leader is over: scripts that it had started may have run, the others never will by it."""
    for run_id in list(fold.state.healing_live):
        run = fold.state.healing_runs[run_id]
        if run.order_id and run.is_order_started:
            text = "its leader ended meanwhile: nobody knows how far the script came"
            _went(fold, run, Went("unknown", text))


# How a run moves.


def _begin(fold: Fold, host_id: HostId, runbook: Runbook, cause: str, *, actor: str) -> None:
    state, now_ms = fold.state, fold.state.clock.now_ms
    known = state.runbook_standings.get(runbook.name, RunbookStanding())
    begun = [each for each in known.begun_ms if each > now_ms - HOUR_MS]
    _stand(fold, runbook.name, replace(known, begun_ms=(*begun, now_ms)))
    run = HealingRun(
        run_id=_new_id(fold),
        host_id=host_id,
        runbook=runbook,
        state="running",
        cause=cause[:500],
        began_ms=now_ms,
        actor=actor,
    )
    if runbook.needs_approval and not actor and not runbook.is_dry_run:
        run = replace(run, state="waiting", why="for an operator's approval")
        _put(fold, run)
        _report(fold, run)
        return
    _report(fold, run)
    _go_to(fold, run, 0)


def _new_id(fold: Fold) -> str:
    number = 0
    while f"heal-{fold.proposal_id}.{number}" in fold.state.healing_runs:
        number += 1
    return f"heal-{fold.proposal_id}.{number}"


def _go_to(fold: Fold, run: HealingRun, step: int) -> None:
    """Begin a step; those that need not wait are over at once."""
    if step >= len(run.runbook.steps):
        _end_of_steps(fold, run)
        return
    run = replace(
        run,
        step=step,
        step_since_ms=fold.state.clock.now_ms,
        order_id="",
        is_order_started=False,
        good_looks=0,
    )
    run, went = begin_step(fold, run)
    _put(fold, run)
    if went is not None:
        _went(fold, run, went)


def _looked(fold: Fold, run: HealingRun) -> None:
    went = wait_for(fold.state, run)
    if went is not None:
        _went(fold, run, went)


def _went(fold: Fold, run: HealingRun, went: Went) -> None:
    """Write down how the step went, and go where that leads."""
    now_ms, step = fold.state.clock.now_ms, run.runbook.steps[run.step]
    record = StepRecord(
        name=step.name,
        kind=step.kind,
        began_ms=run.step_since_ms,
        ended_ms=now_ms,
        outcome=went.outcome,
        detail=went.detail[:500],
        exit_code=went.exit_code,
        output=went.output,
    )
    run = replace(run, records=(*run.records, record), order_id="", is_order_started=False)
    _put(fold, run)
    _report(fold, run, record)
    if len(run.records) >= RECORDS_MAX:
        _end(fold, run, "failed", f"more than {RECORDS_MAX} steps: its steps go round in a circle")
    elif went.outcome == "done" and step.kind == "probe":
        _end(fold, run, "healed", went.detail)
    elif went.outcome == "done" and step.kind == "terminate":
        _end(fold, run, "replaced", went.detail)
    elif went.outcome in {"done", "would"}:
        _go_to(fold, run, run.step + 1)
    elif step.otherwise == END or (step.kind == "judge" and not step.otherwise):
        is_well = step.kind == "judge"
        _end(fold, run, "notNeeded" if is_well else "failed", went.detail)
    elif step.otherwise:
        names = [each.name for each in run.runbook.steps]
        _go_to(fold, run, names.index(step.otherwise))
    else:
        _escalate(fold, run, went.detail)


def _escalate(fold: Fold, run: HealingRun, why: str) -> None:
    """Go on where work is brought elsewhere, or somebody is told; else the run has failed."""
    for place in range(run.step + 1, len(run.runbook.steps)):
        if run.runbook.steps[place].kind in ESCALATION:
            _go_to(fold, run, place)
            return
    _end(fold, run, "failed", why)


def _end_of_steps(fold: Fold, run: HealingRun) -> None:
    if run.runbook.is_dry_run:
        _end(fold, run, "dryRun", "it said what it would do")
    elif run.records and run.records[-1].kind == "page":
        _end(fold, run, "paged", run.records[-1].detail)
    else:
        _end(fold, run, "failed", "its last step was done, and nothing says that the host is well")


def _end(fold: Fold, run: HealingRun, how: RunState, why: str, *, actor: str = "") -> None:
    state = fold.state
    ended = replace(
        run,
        state=how,
        why=why[:500],
        ended_ms=state.clock.now_ms,
        order_id="",
        is_order_started=False,
        actor=actor or run.actor,
    )
    _put(fold, ended)
    _report(fold, ended)
    if not run.runbook.is_dry_run:
        clean_up(fold, ended)
        if how == "healed":
            let_back(fold, run.host_id)
        _count_end(fold, ended)
    while len(state.healing_runs) > RUNS_KEPT_MAX + len(state.healing_live):
        oldest = next(each for each in state.healing_runs if each not in state.healing_live)
        del state.healing_runs[oldest]
        fold.touch("healing run", oldest)


def _count_end(fold: Fold, run: HealingRun) -> None:
    """A runbook that makes nothing better stops by itself."""
    name = run.runbook.name
    if run.state == "stopped" or name not in fold.state.runbooks:
        return
    known = fold.state.runbook_standings.get(name, RunbookStanding())
    failures = 0 if run.state in GOOD_ENDS else known.failures + 1
    why = known.stopped_why
    if failures >= run.runbook.limits.failures_max and not why:
        why = f"{failures} runs in a row made nothing better"
        page_once(
            fold,
            "healing",
            f"runbook {name}",
            what=f"runbook {name} has stopped",
            why=f"{why}, the last on host {fold.state.hostname(run.host_id)}: {run.why}. "
            f"`flumina heal list` shows them; `flumina heal resume {name}` lets it run again",
        )
    _stand(fold, name, replace(known, failures=failures, stopped_why=why))


def _run_on(state: State, host_id: HostId) -> HealingRun | None:
    for run_id in state.healing_live:
        run = state.healing_runs[run_id]
        if run.host_id == host_id:
            return run
    return None


def _kind(run: HealingRun) -> str:
    return run.runbook.steps[run.step].kind


def _stand(fold: Fold, name: str, standing: RunbookStanding) -> None:
    fold.state.runbook_standings[name] = standing
    fold.touch("runbook standing", name)


def _put(fold: Fold, run: HealingRun) -> None:
    state = fold.state
    state.healing_runs[run.run_id] = run
    fold.touch("healing run", run.run_id)
    if run.state in LIVE:
        state.healing_live[run.run_id] = None
    else:
        state.healing_live.pop(run.run_id, None)


def _report(fold: Fold, run: HealingRun, record: StepRecord | None = None) -> None:
    fold.report(
        HealingChanged(
            run_id=run.run_id,
            host_id=run.host_id,
            hostname=fold.state.hostname(run.host_id),
            runbook=run.runbook.name,
            state=run.state,
            why=run.why or run.cause,
            step=record.name if record else "",
            outcome=record.outcome if record else "",
            detail=record.detail if record else "",
            exit_code=record.exit_code if record else None,
            output=record.output if record else "",
            actor=run.actor,
        )
    )
