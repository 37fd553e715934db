"""One value of each type that flumina writes to a log, with every field set.

They are what the golden records hold; a golden record's bytes must decode to exactly these.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.model import (
    autoscaling,
    balancers,
    changes,
    events,
    inbound,
    job_requests,
    job_updates,
    mesos,
    proposals,
)
from scheduler.model.address import Source
from scheduler.model.changes import Change
from scheduler.model.constraint import Constraint
from scheduler.model.events import CellEvent, CellRecord, ClassRefusal, Copied, RuleRefusal
from scheduler.model.ids import (
    CellName,
    CellUuid,
    Generation,
    HostId,
    JobId,
    OfferId,
    ProposalId,
    StreamId,
    TaskId,
)
from scheduler.model.inbound import Fault, InboundBody, PartitionBegan
from scheduler.model.job import Batch, Container, JobSpec, RetryPolicy, Service, TaskSet
from scheduler.model.mesos import HostFacts, MesosRecord, Offer
from scheduler.model.policy import NUMBERS, Policy
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import (
    Amount,
    CapacityGroup,
    Guards,
    InstanceGroup,
    PlacementRules,
    Plugin,
    Profile,
    Selector,
    Tier,
)
from tests.support import (
    samples_disruption,
    samples_fleet,
    samples_health,
    samples_storage,
    samples_webhooks,
)

CELL: Final = CellName("main")
CELL_UUID: Final = CellUuid("0b87e1a2-4c6d-4a54-9d35-1f64a2f0c001")
GENERATION: Final = Generation("0b87e1a2")
JOB: Final = JobId("titus-12345")
TASK: Final = TaskId("titus-12345-worker-1-5")
HOST: Final = HostId("7c29f2a1-9f0e-4b3a-8d4f-55c0e1d20a11-S3")
OFFER: Final = OfferId("7c29f2a1-9f0e-4b3a-8d4f-55c0e1d20a11-O17")
OTHER_OFFER: Final = OfferId("7c29f2a1-9f0e-4b3a-8d4f-55c0e1d20a11-O18")
STREAM: Final = StreamId("d2a3b8f4-8f25-4a5b-8ac1-55ad41c0a111")
PROPOSAL: Final = ProposalId("1042.3")
DIGEST: Final = "00112233445566778899aabbccddeeff"
AT_MS: Final = 1_700_000_000_123
SOURCE: Final = Source("jobs", GENERATION, 0, 17, 16)
FAULT: Final = Fault(
    field="container.resources.cpu",
    text="is -1; it must be from 0.01 to 1024",
    hint="give more",
    code="limit",
)
BALANCER: Final = "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/web/73e2d6bc24d8a067"
SCALING: Final = autoscaling.PolicyId("policy-5f2")
SCALED_BY: Final = autoscaling.Metric(
    "flumina/sqs", "ApproximateNumberOfMessages", "Maximum", (("QueueName", "work"),), "Count", True
)
SCALING_STEP: Final = autoscaling.StepScaling(
    metric=SCALED_BY,
    comparison="GreaterThanThreshold",
    threshold_milli=40_000,
    evaluation_periods=3,
    period_ms=10_000,
    adjustment_type="PercentChangeInCapacity",
    steps=(
        autoscaling.StepAdjustment(10, None, 20_000),
        autoscaling.StepAdjustment(50, 20_000, None),
    ),
    cooldown_ms=60_000,
    magnitude_min=2,
    missing="ignore",
    is_acting=False,
)
SCALING_TARGET: Final = autoscaling.TargetTracking(
    metric=SCALED_BY,
    target_milli=30_000,
    out_cooldown_ms=30_000,
    in_cooldown_ms=120_000,
    is_scale_in_disabled=True,
    period_ms=30_000,
    predefined="ECSServiceAverageCPUUtilization",
    prediction=autoscaling.Prediction(
        horizon_ms=900_000, quantile_milli=900, season_ms=604_800_000, is_only_shown=True
    ),
)
FACTS: Final = HostFacts(
    hostname="host-3.example.org",
    url="http://10.0.0.3:5051",
    attributes=(("rack", "r2"), ("zone", "z1")),
)
RESOURCES: Final = Resources(
    4_000,
    8_192,
    10_000,
    (PortRange(31_000, 31_999), PortRange(33_000, 33_000)),
    network_mbps=1_000,
    gpus=2,
    scalars=(("license", 1_500),),
)
OFFERED: Final = Offer(offer_id=OFFER, host_id=HOST, resources=RESOURCES, facts=FACTS)
CONTAINER: Final = Container(
    need=Need(
        cpu_milli=1_500,
        memory_mib=2_048,
        disk_mib=500,
        ports=2,
        network_mbps=128,
        gpus=1,
        gpu_milli=500,  # Never beside whole ones; here every field is shown.
        gpu_models=("T4", "V100"),
        addresses=1,
        scalars=(("license", 1_000),),
    ),
    command=("/bin/sh", "-c", "echo „grüß dich“"),
    entry_point_words=1,
    environment=(("EMPTY", ""), ("LEVEL", "debug")),
    image="team/worker",
    image_tag="1.4.2",
    image_digest="sha256:" + "ab" * 32,
    security_groups=("sg-12345",),
    iam_role="arn:aws:iam::1234:role/worker",
    attributes=(("a", "b"),),
    hard_constraints=(
        Constraint("hostAttributeIn", "rack", ("r1", "r2")),
        Constraint("uniqueHost"),
    ),
    soft_constraints=(Constraint("zoneBalance", weight=3),),
    kill_grace_ms=30_000,
    security_attributes=(("c", "d"),),
)
SPEC: Final = JobSpec(
    owner_email="owner@example.org",
    application_name="encoder",
    container=CONTAINER,
    kind=Batch(size=20, runtime_limit_ms=3_600_000, is_retried_on_runtime_limit=True),
    retry=RetryPolicy(kind="exponentialBackOff", retries=3, delay_ms=2_000, delay_ms_max=60_000),
    capacity_group="encoders",
    stack="prod",
    detail="eu",
    sequence="001",
    attributes=(("team", "media"),),
    budget=samples_disruption.BUDGET,
    is_enabled=False,  # Only services have it; here every field is shown.
    is_increase_disabled=True,
    is_decrease_disabled=True,
    migration="selfManaged",
    sets=(TaskSet("dc1", 20, (("dc", "dc1"),)),),
    volumes=samples_storage.CLAIMS,
    mounts=samples_storage.MOUNTS,
    addresses=samples_storage.ADDRESSES,
)
OTHER_SPEC: Final = JobSpec(
    owner_email="owner@example.org",
    application_name="api",
    container=Container(need=Need(cpu_milli=100, memory_mib=64), command=("serve",)),
    kind=Service(minimum=1, desired=2, maximum=5),
    retry=RetryPolicy(kind="immediate", retries=0),
    budget=samples_disruption.BUDGET,
    is_enabled=False,
    is_increase_disabled=True,
    is_decrease_disabled=True,
    migration="selfManaged",
)
OTHER_AMOUNT: Final = Amount(12_500, 65_536, 1_048_577, 10_000, 2)
OTHER_GROUP: Final = CapacityGroup(
    name="Studio/encode",
    tier="Batch",
    guarantee=OTHER_AMOUNT,
    limit=Amount(13_000, 65_537, 1_048_578, 10_001, 3),
    weight=3,
    parent="Studio",
    instance=OTHER_AMOUNT,
    instances=4,
    red_black=2,
    service_size_max=2_500,
)
OTHER_SELECTOR: Final = Selector(
    name="no old machines",
    strength="should",
    constraint=Constraint("hostAttributeUnlike", "itype", ("m1", "m2"), weight=3),
    tiers=("Batch",),
    groups=("Studio/encode",),
    applications=("encoder",),
    reason="they are slow: ticket #12",
)
OTHER_INSTANCES: Final = InstanceGroup(
    "batch-m5", "Batch", "PhasedOut", (("preferNoPlacement", "true"),)
)
OTHER_RULES: Final = PlacementRules(
    mode="failover",
    lost_zones=("b", "c"),
    zone_attribute="az",
    evictions=samples_disruption.EVICTION_RULES,
    machine_type_attribute="type",
    machine_group_attribute="asg",
    taints_attribute="keep-off",
    gpu_hosts_take_all=False,
    profiles=(Profile("both", (("nearData", 2), ("packing", 1)), 5, 900),),
    tiers=(
        Tier("Live", "both", "both", ("Batch",), 7, OTHER_AMOUNT),
        Tier("Batch", "both", "both", ("Night",), 8, OTHER_AMOUNT),
    ),
    groups=(
        replace(OTHER_GROUP, name="DEFAULT", parent="Studio/encode", guarantee=OTHER_AMOUNT),
        OTHER_GROUP,
    ),
    guards=Guards(*range(1, 1 + len(Guards.__struct_fields__))),
    selectors=(OTHER_SELECTOR,),
    plugins=(Plugin("fitness", "nearData", "acme-flumina", "1.2.3"),),
    instance_groups=(OTHER_INSTANCES,),
    lend_ms=45_001,
    aging_ms=90_001,
)
"""Every field shown; they need not hold together."""
OTHER_POLICY: Final = Policy(
    **{name: at + 1_001 for at, name in enumerate(NUMBERS)}, placement=OTHER_RULES
)
REFUSALS: Final = (
    ClassRefusal(
        job_id=JOB,
        waiting=7,
        refusals=(
            RuleRefusal("resources", 3, HOST, "500 thousandths of a cpu missing"),
            RuleRefusal("uniqueHost", 1),
        ),
        wake="an offer with more resources, or the end of a task",
    ),
)

MESOS: Final[tuple[MesosRecord | PartitionBegan, ...]] = (
    PartitionBegan(generation=GENERATION),
    mesos.Subscribed(
        stream_id=STREAM,
        framework_id=f"flumina-{CELL_UUID}",
        epoch=1_040,
        heartbeat_interval_ms=15_000,
        master="10.0.0.1:5050",
    ),
    mesos.OffersReceived(stream_id=STREAM, offers=(OFFERED,)),
    mesos.OfferRescinded(stream_id=STREAM, offer_id=OFFER),
    mesos.StatusUpdate(
        stream_id=STREAM,
        task_id=TASK,
        state="TASK_FAILED",
        host_id=HOST,
        source="SOURCE_EXECUTOR",
        reason="REASON_COMMAND_EXECUTOR_FAILED",
        message="Command exited with status 7",
        uuid="dGhlIHV1aWQgaXMgaGVyZQ==",
        observed_at_ms=AT_MS,
        is_healthy=False,
        container_ip="10.1.2.3",
    ),
    mesos.InverseOffersReceived(
        stream_id=STREAM,
        offers=(mesos.InverseOffer(OTHER_OFFER, HOST, from_ms=AT_MS, for_ms=3_600_000),),
    ),
    mesos.InverseOfferRescinded(stream_id=STREAM, offer_id=OTHER_OFFER),
    mesos.HostFailed(stream_id=STREAM, host_id=HOST, executor_id="e", status=1_792),
    mesos.StreamEnded(stream_id=STREAM, why="Framework failed over", is_fatal=True),
    mesos.Unrecognised(
        stream_id=STREAM,
        raw='{"type":"NEW"}',
        task_id=TASK,
        host_id=HOST,
        state="TASK_NEW",
        uuid="dGhlIHV1aWQgaXMgaGVyZQ==",
    ),
)

INBOUND: Final[tuple[InboundBody, ...]] = (
    *(each for each in MESOS if not isinstance(each, mesos.OffersReceived | mesos.OfferRescinded)),
    inbound.JobSubmitted(job_id=JOB, spec=SPEC, actor="ada", digest=DIGEST, why="release 7"),
    inbound.JobKillAsked(job_id=JOB, actor="ada", why="wrong input", if_version=7),
    inbound.JobScaleAsked(
        job_id=JOB, desired=5, minimum=1, maximum=9, actor="ada", why="more load", if_version=7
    ),
    inbound.TaskKillAsked(
        task_id=TASK,
        actor="ada",
        why="hangs",
        is_shrink=True,
        is_minimum_kept=True,
        if_version=7,
    ),
    job_requests.JobProcessesAsked(
        job_id=JOB,
        is_increase_disabled=True,
        is_decrease_disabled=True,
        actor="ada",
        why="sale",
        if_version=7,
    ),
    job_requests.JobEnabledAsked(
        job_id=JOB, is_enabled=False, actor="ada", why="sale", if_version=7
    ),
    job_requests.JobAttributesAsked(
        job_id=JOB,
        attributes=(("team.stage", "test"),),
        removed=("team.owner",),
        actor="ada",
        why="sale",
        if_version=7,
    ),
    job_requests.TaskAttributesAsked(
        task_id=TASK,
        attributes=(("debug", "1"),),
        removed=("seen",),
        actor="ada",
        why="sale",
        if_version=7,
    ),
    job_updates.JobUpdateAsked(
        job_id=JOB,
        spec=SPEC,
        digest=DIGEST,
        plan=job_updates.UpdatePlan(
            strategy="redBlack",
            batch=job_updates.Share(count=2),
            max_unavailable=job_updates.Share(percent=10),
            max_surge=job_updates.Share(count=1),
            health_wait_ms=5_000,
            batch_deadline_ms=60_000,
            failures_max=2,
            failure_window_ms=120_000,
            is_rolled_back=False,
            keep_ms=30_000,
            is_restart=True,
            campaign="openssl",
        ),
        actor="ada",
        why="new version",
        if_version=7,
    ),
    job_updates.JobUpdateOrdered(
        job_id=JOB, order="rollback", number=3, actor="ada", why="it fails", if_version=7
    ),
    job_requests.TaskMoveAsked(
        task_id=TASK,
        source_job_id=JOB,
        target_job_id=JobId("other"),
        actor="ada",
        why="sale",
        if_version=7,
    ),
    inbound.InboundRejected(faults=(FAULT,), digest=DIGEST, job_id=JOB, bytes_total=1_234),
    inbound.InboundLost(first_offset=3, last_offset=17),
    inbound.OffersChanged(
        stream_id=STREAM, first_offset=12, added=(OFFERED,), removed=(OTHER_OFFER,)
    ),
    inbound.PolicyAsked(values={"batch_size_max": 500}, actor="op", why="quiet hours"),
    inbound.RulesAsked(
        rules=OTHER_RULES, values={"batch_size_max": 500}, actor="op", why="May", if_version=3
    ),
    inbound.RulesChangeAsked(
        actor="op",
        why="zone b is dark",
        mode="failover",
        lost_zones=("b",),
        regained_zones=("c",),
        selectors=(OTHER_SELECTOR,),
        removed_selectors=("older",),
        groups=(OTHER_GROUP,),
        removed_groups=("gone",),
        instance_groups=(OTHER_INSTANCES,),
        removed_instance_groups=("left",),
        if_version=4,
    ),
    inbound.HostOrdered(host_id=HOST, standing="draining", actor="op", why="new kernel"),
    balancers.LoadBalancerAdded(
        job_id=JOB, load_balancer_id=BALANCER, actor="ada", why="in front", if_version=2
    ),
    balancers.LoadBalancerRemoved(
        job_id=JOB, load_balancer_id=BALANCER, actor="ada", why="enough", if_version=3
    ),
    autoscaling.ScalingPolicySet(
        job_id=JOB, policy_id=SCALING, spec=SCALING_STEP, actor="ada", why="peaks", if_version=2
    ),
    autoscaling.ScalingPolicySet(job_id=JOB, policy_id=SCALING, spec=SCALING_TARGET),
    autoscaling.ScalingPolicyRemoved(
        job_id=JOB, policy_id=SCALING, actor="ada", why="by hand now", if_version=3
    ),
    autoscaling.MetricObserved(
        points=(autoscaling.MetricPoint(SCALING, 2, AT_MS, 41_500, is_whole=True),),
        failures=(autoscaling.MetricFailure(SCALING, 2, "Prometheus does not answer"),),
        actor="flumina-autoscale",
    ),
    *samples_disruption.REQUESTS,
    *samples_fleet.REPORTS,
    *samples_fleet.REQUESTS,
    *samples_health.INBOUND,
    *samples_storage.REQUESTS,
    *samples_webhooks.REQUESTS,
    inbound.HostMarked(
        host_id=HOST,
        attributes=(("noPlacement", "true"),),
        removed=("team",),
        actor="op",
        why="kernel",
    ),
    inbound.LeaderDismissed(epoch=7, actor="op", why="upgrade"),
    inbound.HostNoiseMeasured(host_id=HOST, noise_milli=250, actor="usage", why="measured"),
    inbound.RecordSkipped(offset=99, digest=DIGEST, actor="op", why="broken build of May 3rd"),
    inbound.OrphanForgotten(task_id=TASK, actor="op", why="stopped by hand", host_id=HOST),
    inbound.FindingConfirmed(finding=1_050, tasks=12, actor="op", why="rack 7 was wiped"),
    inbound.FindingRejected(finding=1_050, actor="op", why="the master had just begun"),
)

EVENTS: Final[tuple[CellEvent, ...]] = (
    events.CellCreated(cell=CELL, cell_uuid=CELL_UUID, generation=GENERATION),
    events.CellContinued(
        cell=CELL,
        cell_uuid=CELL_UUID,
        generation=Generation("1c98f2b3"),
        previous_generation=GENERATION,
        previous_offset=123_456,
        digest_version=1,
        digest=DIGEST,
    ),
    events.FoldVersion(version=1),
    events.PolicySet(version=2, policy=OTHER_POLICY),
    events.LeaderElected(candidate="cell-0", incarnation="8f2c", build="0.1.0"),
    events.Tick(published_offset=1_030),
    events.Mark(),
    events.Checkpoint(
        mark_offset=1_000,
        digest_version=1,
        digest=DIGEST,
        chain=DIGEST,
        sums=(events.KindSums("task", (events.SumCell(3, "0a", "ff"),)),),
    ),
    events.RoundRecord(
        policy_version=2,
        inputs_seen=88,
        mesos_offset=402,
        waiting=9,
        placed=2,
        hosts=4,
        refusals=REFUSALS,
        unexplained=1,
        mode="failover",
        placements=(
            events.ClassPlacement(
                JOB,
                2,
                HOST,
                812,
                (("image", 10), ("packing", 960)),
                HostId("host-4"),
                790,
                (("image", 10), ("packing", 930)),
            ),
        ),
        troughs=events.Troughs(
            (64_000, 262_144, 0, 0, 4_000),
            (8_000, 16_384, 0, 0, 1_000),
            (1_000, 1_024, 0, 0, 0),
            (16_000, 65_536, 0, 0, 0),
            (8_000, 49_152, 0, 0, 0),
        ),
        promises=(events.Promised(HOST, JOB, 2, AT_MS),),
        again_at_ms=AT_MS + 600_000,
    ),
    events.EffectStarted(proposal_id=PROPOSAL),
    samples_health.EFFECT_ENDED,
    proposals.LaunchTasks(
        host_id=HOST,
        offer_ids=(OFFER, OTHER_OFFER),
        launches=(
            proposals.Launch(TASK, (31_000, 31_001), 2, (0, 3)),
            proposals.Launch(TaskId("titus-12345-worker-2-6")),
        ),
    ),
    proposals.DeclineOffers(offer_ids=(OFFER,), refuse_ms=5_000),
    proposals.AcceptInverseOffers(offer_ids=(OTHER_OFFER,), refuse_ms=60_000),
    proposals.DeclineInverseOffers(offer_ids=(OTHER_OFFER,), refuse_ms=60_000),
    proposals.KillTask(task_id=TASK, host_id=HOST, is_inferred=True),
    proposals.PreemptTask(task_id=TASK, host_id=HOST, for_job=JobId("api"), why="guaranteed"),
    proposals.ReconcileTasks(task_ids=(TASK,)),
    proposals.ReconcileAll(),
    proposals.SuppressOffers(),
    proposals.ReviveOffers(),
    *samples_storage.EVENTS,
)

CHANGES: Final[tuple[Change, ...]] = (
    changes.JobAccepted(job_id=JOB, source=SOURCE, is_repeated=True),
    changes.JobRejected(source=SOURCE, faults=(FAULT,), job_id=JOB),
    changes.RequestAccepted(source=SOURCE, what="scale", job_id=JOB),
    changes.JobChanged(
        job_id=JOB,
        state="Accepted",
        reason="scaled",
        message="more load",
        desired=5,
        provenance=(("commit", "4f1c"),),
    ),
    changes.TaskChanged(
        job_id=JOB,
        task_id=TASK,
        state="Finished",
        step="TASK_FAILED COMMAND_EXECUTOR_FAILED",
        reason="failed",
        message="Command exited with status 7",
        host_id=HOST,
        hostname="host-3.example.org",
        observed_at_ms=AT_MS,
        moved_from=JobId("other"),
    ),
    changes.ProposalRefused(proposal_id=PROPOSAL, kind="LaunchTasks", why="offer x is not held"),
    changes.OrphanSeen(task_id=TASK, host_id=HOST, state="TASK_RUNNING"),
    changes.OrphanGone(task_id=TASK, why="TASK_FINISHED"),
    changes.TimeGapped(from_ms=AT_MS, to_ms=AT_MS + 600_000),
    changes.CellPaged(
        what="the framework id is burnt",
        why="Framework has been removed",
        kind="framework id",
        key="0",
        tasks=(TASK,),
        tasks_total=2,
    ),
    changes.SafeBegan(finding=1_050, why="3 orphans"),
    changes.SafeEnded(finding=1_050, how="confirmed", actor="op", why="rack 7", tasks=12),
    changes.JobScaled(
        job_id=JOB,
        policy_id=SCALING,
        before=2,
        after=4,
        metric="Average of flumina/sqs depth",
        threshold_milli=40_000,
        value_milli=41_500,
        why="it was above",
        is_forecast=True,
    ),
    changes.LoadBalancersChanged(job_id=JOB, load_balancer_ids=(BALANCER,)),
    changes.ScalingPolicyChanged(
        job_id=JOB, policy_id=SCALING, state="Error", reason="silent", version=2
    ),
    changes.TaskMissed(job_id=JOB, task_id=TASK, host_id=HOST, state="TASK_GONE"),
    *samples_disruption.CHANGES,
    *samples_fleet.CHANGES,
    *samples_health.CHANGES,
    *samples_storage.CHANGES,
    changes.JobCrashLooping(
        job_id=JOB,
        is_looping=True,
        failures=5,
        window_ms=600_000,
        delay_ms=10_000,
        reason="failed",
    ),
    changes.JobSlaChanged(
        job_id=JOB,
        kind="completion",
        stand="atRisk",
        message="2 of its tasks are expected to end after the deadline",
        deadline_ms=AT_MS + 600_000,
        start_ms=30_000,
    ),
)


def copy_of(body: InboundBody) -> Copied:
    """The copy of an inbound record."""
    return Copied(source=SOURCE, body=body, observed_at_ms=AT_MS)


def record_of(event: CellEvent) -> CellRecord:
    """A record of the cell log with one event."""
    return CellRecord(version=1, epoch=1_040, at_ms=AT_MS, events=(event,))
