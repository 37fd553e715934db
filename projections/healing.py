"""Runbooks and their runs as the API shows them.

The one thing to know: what keeps a runbook from a sick host is computed here anew, by the very
function that the fold asks.
"""

from typing import Any

from scheduler.fold.healing import HOUR_MS, fits, held_by
from scheduler.healing.standing import HealingRun, RunbookStanding
from scheduler.model.healing_document import runbook_document
from scheduler.state import State


def runbooks_json(state: State) -> list[dict[str, Any]]:
    """Every runbook by name, with how it does and which sick hosts it may not heal now."""
    return [
        {
            **runbook_document(runbook),
            **_standing_json(state, state.runbook_standings.get(name, RunbookStanding())),
            "held": [
                {"hostId": host_id, "hostname": state.hostname(host_id), "why": why}
                for host_id, known in sorted(state.health.items())
                if known.away_since_ms
                and fits(state, runbook, host_id, known)
                and not any(state.healing_runs[e].host_id == host_id for e in state.healing_live)
                and (why := held_by(state, runbook, host_id))
            ],
        }
        for name, runbook in sorted(state.runbooks.items())
    ]


def _standing_json(state: State, known: RunbookStanding) -> dict[str, Any]:
    since_ms = state.clock.now_ms - HOUR_MS
    return {
        "runsLastHour": sum(each > since_ms for each in known.begun_ms),
        "failures": known.failures,
        "stoppedWhy": known.stopped_why,
    }


def runs_json(state: State) -> list[dict[str, Any]]:
    """Every run that is remembered, the newest first, without its steps."""
    return [run_json(state, each, has_steps=False) for each in [*state.healing_runs.values()][::-1]]


def run_json(state: State, run: HealingRun, *, has_steps: bool = True) -> dict[str, Any]:
    """One run; with every step that it took and what that came to."""
    steps = run.runbook.steps
    is_on = run.state == "running" and run.step < len(steps)
    found: dict[str, Any] = {
        "runId": run.run_id,
        "hostId": run.host_id,
        "hostname": state.hostname(run.host_id),
        "runbook": run.runbook.name,
        "state": run.state,
        "cause": run.cause,
        "why": run.why,
        "actor": run.actor,
        "isDryRun": run.runbook.is_dry_run,
        "beganMs": run.began_ms,
        "endedMs": run.ended_ms,
        "step": steps[run.step].name if is_on else "",
        "stepSinceMs": run.step_since_ms if is_on else 0,
    }
    if has_steps:
        found["steps"] = [
            {
                "name": each.name,
                "kind": each.kind,
                "outcome": each.outcome,
                "detail": each.detail,
                "exitCode": each.exit_code,
                "output": each.output,
                "beganMs": each.began_ms,
                "endedMs": each.ended_ms,
            }
            for each in run.records
        ]
    return found
