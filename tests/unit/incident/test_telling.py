"""What each event and change means for an incident: section, words and weight, all of them."""

from typing import Final

import pytest

from projections.incident.telling import _TOLD, Said, said_of
from scheduler.model.address import Source
from scheduler.model.alerts import AlertAcknowledged, AlertsSilenced, AlertsUnsilenced
from scheduler.model.autoscaling import PolicyId
from scheduler.model.changes import (
    CellPaged,
    EvictionDecided,
    FleetChanged,
    HealingChanged,
    HostHealthChanged,
    JobChanged,
    JobCrashLooping,
    JobRejected,
    JobScaled,
    JobSlaChanged,
    OrphanGone,
    OrphanSeen,
    OwnerAlerted,
    ProposalRefused,
    RelocationEnded,
    RelocationPlanned,
    SafeBegan,
    SafeEnded,
    TaskMissed,
    TimeGapped,
    WarmPoolChanged,
)
from scheduler.model.events import LeaderElected, Tick
from scheduler.model.health import Evidence, HostJudged, HostProbed, Probe, TaskSilent
from scheduler.model.ids import (
    Generation,
    HostId,
    JobId,
    ProposalId,
    StreamId,
    TaskId,
)
from scheduler.model.inbound import (
    Fault,
    FindingConfirmed,
    FindingRejected,
    HostMarked,
    HostOrdered,
    InboundLost,
    JobKillAsked,
    JobScaleAsked,
    JobSubmitted,
    LeaderDismissed,
    RecordSkipped,
    TaskKillAsked,
)
from scheduler.model.job_updates import JobUpdateAsked, JobUpdateOrdered
from scheduler.model.mesos import HostFailed, StreamEnded, Subscribed
from scheduler.model.proposals import KillTask, PreemptTask
from tests.support.cell import service

JOB, TASK, HOST, STREAM = JobId("shop"), TaskId("shop-w-0-1"), HostId("h1"), StreamId("s1")
SOURCE: Final = Source("jobs", Generation("g"), 0, 3, 2)
TOLD: Final = [
    (CellPaged("shop", "it stands", "volume"), ("alerts", "volume", "shop: it stands", "critical")),
    (
        CellPaged("agents", "gone", tasks_total=2),
        ("alerts", "page", "agents: gone (2 tasks)", "critical"),
    ),
    (
        OwnerAlerted(JOB, TASK, "crashLoop", "a@b.example", "it fails"),
        ("alerts", "crashLoop", "to a@b.example: it fails", "warning"),
    ),
    (
        JobSlaChanged(JOB, "completion", "missed", "An hour late."),
        ("alerts", "demand of time", "completion is missed. An hour late.", "warning"),
    ),
    (
        JobSlaChanged(JOB, "completion", "met", "In time."),
        ("alerts", "demand of time", "completion is met. In time.", ""),
    ),
    (
        JobCrashLooping(JOB, True, 5, 600_000, 20_000, "failed"),
        (
            "alerts",
            "crash loop",
            "5 failures within 10 min 0 s, the last was failed; the next replacement waits 20.0 s",
            "warning",
        ),
    ),
    (
        JobCrashLooping(JOB, False, 0, 600_000, 0),
        ("alerts", "crash loop", "its tasks fail no longer again and again", ""),
    ),
    (
        AlertsSilenced("disk", (), 90, "ada", "known"),
        ("alerts", "silenced", "disk for 1 min 30 s: known", ""),
    ),
    (AlertsUnsilenced("disk", "ada", "mended"), ("alerts", "unsilenced", "disk: mended", "")),
    (
        AlertAcknowledged("disk/h1", "ada", "I look"),
        ("alerts", "acknowledged", "disk/h1: I look", ""),
    ),
    (
        TimeGapped(1_000, 61_000),
        ("leaders", "time gap", "time went on by 1 min 0 s at once", "warning"),
    ),
    (LeaderElected("cell-1", "i"), ("leaders", "elected", "cell-1 leads", "")),
    (LeaderElected("cell-1", "i", "b7"), ("leaders", "elected", "cell-1 leads, build b7", "")),
    (LeaderDismissed(4, "ada", "slow"), ("leaders", "dismissed", "of epoch 4: slow", "")),
    (Subscribed(STREAM, "f", 1, 1_000, "m:5050"), ("leaders", "stream open", "to m:5050", "")),
    (Subscribed(STREAM, "f", 1, 1_000), ("leaders", "stream open", "to Mesos", "")),
    (StreamEnded(STREAM, "cut"), ("leaders", "stream ended", "cut", "warning")),
    (StreamEnded(STREAM, "removed", True), ("leaders", "stream ended", "removed", "critical")),
    (SafeBegan(7, "half is gone"), ("safety", "safe", "half is gone", "critical")),
    (
        SafeEnded(7, "confirmed", "ada", "power is off", 1),
        (
            "safety",
            "safe ended",
            "the finding of record 7 was confirmed with 1 task: power is off",
            "",
        ),
    ),
    (
        FindingConfirmed(7, 3, "ada", "seen"),
        ("safety", "confirmed", "the finding of record 7: seen", ""),
    ),
    (
        FindingRejected(7, "ada", "not so"),
        ("safety", "rejected", "the finding of record 7: not so", ""),
    ),
    (RecordSkipped(9, "d", "ada", "damaged"), ("safety", "skip", "record 9: damaged", "warning")),
    (InboundLost(3, 8), ("safety", "records lost", "3 to 8", "critical")),
    (
        HostHealthChanged(HOST, "h1", "away", "disk"),
        ("verdicts", "host away", "gets no tasks: disk", "warning"),
    ),
    (
        HostHealthChanged(HOST, "h1", "spared"),
        ("verdicts", "host spared", "would get no tasks, were its group not spared", "warning"),
    ),
    (HostHealthChanged(HOST, "h1", "back"), ("verdicts", "host back", "gets tasks again", "")),
    (
        HostJudged(HOST, "lines", "sick", 700, (Evidence("line", "I/O", "s", 3),)),
        ("verdicts", "verdict", "lines finds it sick, 700 of 1000: I/O (3x)", "warning"),
    ),
    (
        HostJudged(HOST, "lines", "suspect", 300),
        ("verdicts", "verdict", "lines finds it suspect, 300 of 1000", ""),
    ),
    (
        HostProbed(HOST, (Probe("disk", "bad", "full"), Probe("net", "good", "fine"))),
        ("verdicts", "check", "failed disk: full", "warning"),
    ),
    (HostProbed(HOST, (Probe("net", "good", "fine"),)), None),
    (
        TaskSilent(TASK, silent_ms=30_000, detail="No word."),
        ("verdicts", "heartbeat", "its heartbeat stays away for 30.0 s. No word.", "warning"),
    ),
    (TaskSilent(TASK, False), ("verdicts", "heartbeat", "its heartbeat is back", "")),
    (
        HealingChanged("r1", HOST, "h1", "reboot", "failed", "no answer"),
        ("healing", "run failed", "reboot (r1): no answer", "warning"),
    ),
    (
        HealingChanged("r1", HOST, "h1", "reboot", "waiting"),
        ("healing", "run waiting", "reboot (r1)", ""),
    ),
    (
        HealingChanged(
            "r1", HOST, "h1", "reboot", "running", step="ssh", outcome="done", detail="Up."
        ),
        ("healing", "step", "reboot (r1): ssh done. Up.", ""),
    ),
    (
        FleetChanged("web", "sizeOrdered", "busy", 3),
        ("capacity", "sizeOrdered", "group web to 3 hosts: busy", ""),
    ),
    (
        FleetChanged("web", "orderFailed", "no room", instance_id="i-1"),
        ("capacity", "orderFailed", "group web i-1: no room", "warning"),
    ),
    (
        WarmPoolChanged("web", "asked", "no room", "later"),
        ("capacity", "warm pool asked", "group web: no room: later", ""),
    ),
    (
        JobScaled(JOB, PolicyId("p1"), 2, 3, "cpu", 80_000, why="busy"),
        ("capacity", "job scaled", "from 2 to 3 tasks by p1 on cpu: busy", ""),
    ),
    (HostFailed(STREAM, HOST), ("hosts", "lost", "Mesos removed it", "critical")),
    (HostFailed(STREAM), None),
    (HostFailed(STREAM, HOST, "an executor"), None),
    (HostOrdered(HOST, "draining", "ada", "disk"), ("hosts", "ordered draining", "disk", "")),
    (HostMarked(HOST, (), (), "ada", "rack"), ("hosts", "marked", "rack", "")),
    (
        PreemptTask(TASK, HOST, JobId("vip"), "room"),
        ("decisions", "preempted", "for vip: room", ""),
    ),
    (KillTask(TASK, HOST), None),
    (
        KillTask(TASK, HOST, True),
        ("decisions", "inferred kill", "no user asked for it", "warning"),
    ),
    (
        EvictionDecided(JOB, TASK, True, reason="drain"),
        ("decisions", "evicted", "within all budgets: drain", ""),
    ),
    (
        EvictionDecided(JOB, TASK, False, "queue", "0 of 2 left"),
        ("decisions", "eviction refused", "queue: 0 of 2 left", "warning"),
    ),
    (
        RelocationPlanned(JOB, TASK, "taskAge", "by noon", 5),
        ("decisions", "to be moved", "taskAge: by noon", ""),
    ),
    (
        RelocationEnded(JOB, TASK, True, "done"),
        ("decisions", "relocation over", "evicted by its plan: done", ""),
    ),
    (
        RelocationEnded(JOB, TASK, False),
        ("decisions", "relocation over", "it needs not be moved any more", ""),
    ),
    (
        ProposalRefused(ProposalId("5:0"), "launch", "no room"),
        ("decisions", "refused", "launch 5:0: no room", "warning"),
    ),
    (
        TaskMissed(JOB, TASK, HOST, "TASK_UNKNOWN"),
        (
            "decisions",
            "missed",
            "Mesos, asked, says TASK_UNKNOWN; it is waited for",
            "warning",
        ),
    ),
    (
        OrphanSeen(TASK, HOST, "TASK_RUNNING"),
        ("decisions", "orphan seen", "it is TASK_RUNNING", "warning"),
    ),
    (OrphanGone(TASK, "killed"), ("decisions", "orphan gone", "killed", "")),
    (
        JobChanged(JOB, "Finished", "failed", "no retry is left"),
        ("endings", "job ended", "failed: no retry is left", "warning"),
    ),
    (JobChanged(JOB, "Finished", "killed"), None),
    (JobChanged(JOB, "Finished", "normal"), None),
    (JobChanged(JOB, "Accepted"), None),
    (
        JobRejected(SOURCE, (Fault("owner", "is missing", ""), Fault("x", "y", ""))),
        ("requests", "refused", "owner is missing", "warning"),
    ),
    (JobRejected(SOURCE, ()), ("requests", "refused", "no reason was given", "warning")),
    (
        JobSubmitted(JOB, service(1), "ada", "d", "new"),
        ("requests", "job submitted", "new", ""),
    ),
    (
        JobSubmitted(JOB, service(1)),
        ("requests", "job submitted", "no reason was given", ""),
    ),
    (JobKillAsked(JOB, "ada", "old"), ("requests", "job's end", "old", "")),
    (TaskKillAsked(TASK, "ada", "stuck"), ("requests", "task's end", "stuck", "")),
    (
        JobScaleAsked(JOB, 3, maximum=9, why="more"),
        ("requests", "job's size", "desired 3, max 9: more", ""),
    ),
    (JobUpdateAsked(JOB, service(1), "d", why="v2"), ("requests", "job's update", "v2", "")),
    (JobUpdateOrdered(JOB, "pause", why="hot"), ("requests", "update: pause", "hot", "")),
    (JobUpdateOrdered(JOB, "resume"), ("requests", "update: resume", "no reason", "")),
    (Tick(), None),
]


@pytest.mark.parametrize(("thing", "told"), TOLD, ids=lambda each: type(each).__name__)
def test_each_thing_has_its_section_words_and_weight(
    thing: object, told: tuple[str, ...] | None
) -> None:
    assert said_of(thing) == (told and Said(*told))  # type: ignore[arg-type]


def test_the_table_above_has_every_kind_that_is_told() -> None:
    assert {type(thing) for thing, _ in TOLD} == {*_TOLD, Tick}
