"""What is drawn of hosts' health on any day: verdicts, checks, silent tasks, runbooks and orders.

The one thing to know: nothing is asserted here. Whoever draws a day checks every invariant, the
digest and a second fold of the log after each deed.
"""

from typing import Final

from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.healing import (
    HealingLimits,
    HealingOrdered,
    HealingStep,
    Runbook,
    RunbooksAsked,
)
from scheduler.model.health import Evidence, HostJudged, HostProbed, Probe, TaskSilent
from scheduler.model.ids import HostId, ProposalId, TaskId
from scheduler.model.inbound import InboundBody
from scheduler.model.mesos import HostFailed
from tests.support.cell import CellInMemory

KINDS: Final = ("diagnose", "judge", "heal", "probe", "drain", "reschedule", "terminate", "page")
BOOK: Final = Runbook(
    name="book",
    steps=tuple(
        HealingStep(kind=each, exits=(0,), name=each, script="x", timeout_ms=60_000)
        for each in KINDS
    ),
    detectors=("lines", "tasks"),
    probes=("disk",),
    limits=HealingLimits(again_ms=60_000, per_hour=100),
)
STANDINGS: Final = ("well", "suspect", "sick")
PROBES: Final = ("good", "bad", "unknown")


def sick_deed(cell: CellInMemory, host: HostId, deed: int) -> None:
    """One of the things that may be heard of a host, a task or an operator, by its number."""
    runs = [*cell.state.healing_runs]
    run = runs[deed % len(runs)] if runs else "heal-0.0.0"
    tasks = sorted(cell.state.tasks) or [TaskId("job-worker-0-1")]
    verdict = HostJudged(host, "lines", STANDINGS[deed % 3], 900, (Evidence("line", "x"),))
    bodies: tuple[tuple[str, InboundBody], ...] = (
        ("verdicts", verdict),
        ("verdicts", HostProbed(host, (Probe("disk", PROBES[deed % 3], "full"),))),
        ("verdicts", TaskSilent(tasks[deed % len(tasks)], is_silent=deed % 2 == 0)),
        ("mesos", HostFailed(cell.stream_id, host)),
        ("commands", RunbooksAsked((BOOK,) if deed % 4 else (), "op", "x")),
        ("commands", HealingOrdered("start", "op", "x", runbook="book", host_id=host)),
        ("commands", HealingOrdered("stop", "op", "x", run_id=run)),
        ("commands", HealingOrdered("release", "op", "x", host_id=host)),
    )
    topic, body = bodies[deed // 3 % len(bodies)]
    cell.copy(topic, body)
    for run_id in [*cell.state.healing_live]:
        order_id = ProposalId(cell.state.healing_runs[run_id].order_id)
        if order_id and deed % 2:
            cell.write(EffectStarted(order_id))
            cell.write(EffectEnded(order_id, "sent", exit_code=deed % 3))
