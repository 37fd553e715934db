"""One value of each event about hosts' health and healing, with every field shown."""

from typing import Final

from scheduler.model import changes, healing, health
from scheduler.model.changes import Change
from scheduler.model.events import EffectEnded
from scheduler.model.ids import HostId, JobId, ProposalId, TaskId
from scheduler.model.inbound import InboundBody

HOST: Final = HostId("20260101-s7")
JOB: Final = JobId("titus-12345")
TASK: Final = TaskId("titus-12345-worker-1-5")
AT_MS: Final = 1_700_000_000_123
LINE: Final = health.Evidence("line", "EXT4-fs error (device sda1)", "host-logs:3:42", 7)
RUNBOOK: Final = healing.Runbook(
    name="runtime",
    steps=(
        healing.HealingStep(
            kind="heal",
            name="again",
            script="restart-runtime",
            arguments=("docker.service",),
            timeout_ms=90_000,
            exits=(0, 3),
            looks=5,
            otherwise="end",
        ),
    ),
    detectors=("lines",),
    probes=("container",),
    groups=("flex",),
    needs_approval=True,
    is_dry_run=True,
    limits=healing.HealingLimits(
        group_percent=5, at_once=2, per_hour=4, failures_max=2, again_ms=7_200_000
    ),
)

EFFECT_ENDED: Final = EffectEnded(
    proposal_id=ProposalId("1042.3"),
    fate="unknown",
    detail="no answer within 10 s",
    exit_code=3,
    output="restarting",
)
INBOUND: Final[tuple[InboundBody, ...]] = (
    health.HostJudged(
        host_id=HOST,
        detector="lines",
        standing="sick",
        score_milli=930,
        evidence=(LINE,),
        observed_at_ms=AT_MS,
    ),
    health.HostProbed(
        host_id=HOST, probes=(health.Probe("disk", "bad", "2 % free"),), observed_at_ms=AT_MS
    ),
    health.TaskSilent(
        task_id=TASK, is_silent=False, silent_ms=30_000, detail="it is back", observed_at_ms=AT_MS
    ),
    healing.RunbooksAsked(runbooks=(RUNBOOK,), actor="op", why="first ones"),
    healing.HealingOrdered(
        verb="start",
        actor="op",
        why="seen",
        run_id="heal-1042.0.0",
        runbook="runtime",
        host_id=HOST,
        is_dry_run=True,
    ),
)

CHANGES: Final[tuple[Change, ...]] = (
    changes.HostHealthChanged(
        host_id=HOST,
        hostname="host-3.example.org",
        standing="away",
        why="lines: EXT4-fs error",
        evidence=(LINE,),
        falls=2,
        actor="ada",
    ),
    changes.HostMaintenanceChanged(
        host_id=HOST,
        hostname="host-3.example.org",
        standing="draining",
        why="it goes away at 2026-11-22 12:00:00 UTC for 3600 s",
        from_ms=AT_MS,
        for_ms=3_600_000,
    ),
    changes.HealingChanged(
        run_id="heal-1042.0.0",
        host_id=HOST,
        hostname="host-3.example.org",
        runbook="runtime",
        state="running",
        why="check container: hangs",
        step="heal",
        outcome="done",
        detail="restart-runtime answered 0",
        exit_code=0,
        output="restarted",
        actor="op",
    ),
    changes.OwnerAlerted(
        job_id=JOB,
        task_id=TASK,
        kind="oomKilled",
        owner="team@example.org",
        message="used more memory than it had asked for",
    ),
)
