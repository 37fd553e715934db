"""A day on which anything may happen to a cell: in any order, late, doubled, lost, or nonsense.

`AnyDay` is a state machine of hypothesis, which chooses the deeds and makes a failure small; long
days with a seed call the same deeds. The `CellInMemory` in it checks after each record: every
invariant over the whole state, derived indexes against the tasks, each accepted launch against the
offers it uses, and that `decide` is pure. At the end (`teardown`): the log folded from zero, and
folded with every record given twice, leads to the same state byte by byte; what was reported never
had two live tasks of one index; no offer was used twice; and the cell comes to rest.
"""

from collections import defaultdict
from typing import Any, Final, get_args

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from scheduler.digest import canonical_bytes
from scheduler.machine import Machine
from scheduler.model.autoscaling import (
    Metric,
    MetricFailure,
    MetricObserved,
    MetricPoint,
    PolicyId,
    Prediction,
    ScalingPolicyRemoved,
    ScalingPolicySet,
    ScalingRequest,
)
from scheduler.model.changes import TaskChanged
from scheduler.model.codec import decode_record
from scheduler.model.constraint import Constraint
from scheduler.model.events import (
    Checkpoint,
    EffectStarted,
    LeaderElected,
    Mark,
    Tick,
)
from scheduler.model.ids import HostId, JobId, OfferId, StreamId, TaskId
from scheduler.model.inbound import (
    HostOrdered,
    InboundLost,
    OrphanForgotten,
    RulesAsked,
    RulesChangeAsked,
    TaskKillAsked,
)
from scheduler.model.job import Batch, JobSpec, RetryPolicy, Service
from scheduler.model.job_requests import (
    JobAttributesAsked,
    JobEnabledAsked,
    JobProcessesAsked,
    TaskAttributesAsked,
    TaskMoveAsked,
)
from scheduler.model.mesos import MesosTaskState, StreamEnded
from scheduler.model.policy import Policy
from scheduler.model.proposals import (
    DeclineOffers,
    KillTask,
    Launch,
    LaunchTasks,
    PreemptTask,
    Proposal,
    ReconcileAll,
    ReconcileTasks,
    ReviveOffers,
    SuppressOffers,
)
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import Guards
from scheduler.model.task import (
    Disconnected,
    Finished,
    KillInitiated,
    Launched,
    Started,
    StartInitiated,
    place_of,
)
from tests.support.cell import copied, offer_of, spec_of, subscription
from tests.support.counted_uses import Watched
from tests.support.derived import check_digest
from tests.support.scaling import step, step_in, target
from tests.support.sick_days import sick_deed

HOSTS: Final = ("host1", "host2", "host3")
JOBS: Final = ("alpha", "beta", "gamma", "delta")
POLICY: Final = Policy(
    launches_per_round_max=3,
    queued_tasks_max=12,
    finished_tasks_max=6,
    finished_jobs_max=2,
    orphans_max=2,
    offers_held_max=4,
    offer_hold_ms=20_000,
    inferred_kills_per_hour=2,
    reconcile_tasks_max=2,
    refusals_per_round_max=2,
    suppress_after_ms=30_000,
    launch_timeout_ms=25_000,
    start_timeout_ms=35_000,
    service_start_timeout_ms=30_000,
    killing_timeout_ms=20_000,
    healing_hosts_max=1,
    unstarted_tasks_per_job_max=3,
    finished_tasks_per_job_max=3,
    finished_keep_ms=120_000,
    collect_every_ms=30_000,
    unreachable_timeout_ms=15_000,
)

CHOICE = st.integers(0, 11)
WORDS: Final = (
    "",
    "Executor terminated",
    "Command exited with status 1",
    "service unavailable",
    "no space left on device",
    "internal error",
    "manifest unknown",
)
"""What Mesos may say of an end: whose fault it was."""
NEEDS = st.builds(
    Need,
    cpu_milli=st.sampled_from([100, 700, 1_500]),
    memory_mib=st.sampled_from([32, 512]),
    disk_mib=st.sampled_from([0, 50]),
    ports=st.sampled_from([0, 0, 1, 3]),
)
CONSTRAINTS = st.sampled_from(
    [
        (),
        (),
        (),
        (Constraint("uniqueHost"),),
        (Constraint("exclusiveHost"),),
        (Constraint("awayFromJob", "", ("alpha",)),),
    ]
)
SPECS = st.builds(
    lambda kind, retries, need, hard, soft, sequence, delay_ms: replace(
        spec_of(kind, retries, {"need": need, "hard_constraints": hard, "soft_constraints": soft}),
        retry=RetryPolicy("exponentialBackOff", retries, delay_ms, 4 * delay_ms),
        sequence=sequence,
    ),
    kind=st.one_of(
        st.builds(
            Batch,
            size=st.integers(1, 4),
            runtime_limit_ms=st.sampled_from([10_000, 10**9]),
            is_retried_on_runtime_limit=st.booleans(),
        ),
        st.builds(Service, minimum=st.just(0), desired=st.integers(0, 4), maximum=st.just(6)),
    ),
    retries=st.integers(0, 2),
    need=NEEDS,
    hard=CONSTRAINTS,
    soft=CONSTRAINTS,
    sequence=st.sampled_from(["", "", "001"]),
    delay_ms=st.sampled_from([0, 3_000]),
)
RESOURCES = st.builds(
    lambda cpu, memory, low, count: Resources(
        cpu, memory, 100, (PortRange(low, low + count),) if count else ()
    ),
    cpu=st.sampled_from([0, 800, 4_000]),
    memory=st.sampled_from([0, 600, 4_000]),
    low=st.sampled_from([31_000, 31_002]),
    count=st.integers(0, 4),
)
TASK_STATES = st.sampled_from(get_args(MesosTaskState))
FATES: Any = st.sampled_from(["sent", "sent", "refused", "unknown"])
NEXT: Final[dict[type, tuple[MesosTaskState, ...]]] = {
    Launched: ("TASK_RUNNING", "TASK_STARTING", "TASK_RUNNING", "TASK_DROPPED", "TASK_ERROR"),
    StartInitiated: ("TASK_RUNNING", "TASK_FAILED"),
    Started: ("TASK_FINISHED", "TASK_UNREACHABLE", "TASK_FAILED", "TASK_RUNNING"),
    Disconnected: ("TASK_RUNNING", "TASK_GONE", "TASK_UNREACHABLE"),
    KillInitiated: ("TASK_KILLED", "TASK_UNREACHABLE", "TASK_FINISHED", "TASK_KILLING"),
    Finished: ("TASK_RUNNING", "TASK_FINISHED", "TASK_UNREACHABLE"),
}
SPANS_MS = st.sampled_from([0, 500, 1_000, 5_000, 20_000, 59_000, 60_000, 61_000, 600_000])


SCALINGS = (
    step(period_ms=1_000, evaluation_periods=1, cooldown_ms=2_000),
    target(period_ms=1_000, prediction=Prediction(2_000, season_ms=60_000)),
    step_in(period_ms=1_000, evaluation_periods=1, metric=Metric("flumina/job", "waitingTasks")),
)


class AnyDay(RuleBasedStateMachine):
    """Whatever can be written to a cell's log, and much that never should be."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = Watched(POLICY)
        self.streams: list[StreamId] = [StreamId("never-open")]
        self.offer_ids: list[OfferId] = [OfferId("never-offered")]
        self.epochs: list[int] = []
        self.mark: tuple[int, str] | None = None

    @initialize(is_running=st.sampled_from([True, True, True, False]), spec=SPECS)
    def begin(self, is_running: bool, spec: JobSpec) -> None:
        """Most days begin with a leader, a stream, and a job that runs."""
        if is_running:
            self.elect()
            self.subscribe()
            self.cell.submit(spec, "alpha")
            self.work(["sent"], [0, 0, 0])

    def task_id(self, choice: int) -> TaskId:
        """A task that the cell knows, or a stranger."""
        known = sorted(self.cell.state.tasks)
        return known[choice % len(known)] if known and choice < 11 else TaskId(f"x{choice}")

    def elect(self, candidate: str = "cell-0", *, has_tick: bool = True) -> None:
        """Another leads; its first tick comes, or not yet."""
        self.cell.epoch = self.cell.write(LeaderElected(candidate=candidate, incarnation="i"))
        self.epochs.append(self.cell.epoch)
        if has_tick:
            self.cell.write(Tick())

    def subscribe(self, *, is_stale: bool = False) -> None:
        """A stream is opened, by this leader or late by an earlier one."""
        stream_id = StreamId(f"stream-{len(self.cell.log)}")
        epoch = self.epochs[0] if is_stale and self.epochs else self.cell.epoch
        self.cell.copy("mesos", subscription(stream_id, epoch))
        if epoch == self.cell.epoch:
            self.streams.append(stream_id)

    def offered(self, host: str, resources: Resources) -> None:
        """A host is offered."""
        self.offer_ids.append(OfferId(f"offer-{len(self.cell.log)}"))
        self.cell.offers(offer_of(self.offer_ids[-1], host, resources))

    # The good days.

    @rule(fates=st.lists(FATES, min_size=1, max_size=3), whats=st.lists(CHOICE, max_size=4))
    def work(self, fates: list[Any], whats: list[int]) -> None:
        """Offers come, rounds are carried out, tasks are heard of."""
        self.cell.stream_id = self.streams[-1]
        if self.cell.state.queue:
            for host in HOSTS:
                self.offered(host, Resources(4_000, 4_000, 500, (PortRange(31_000, 31_009),)))
        for count in range(4):
            for at, (proposal_id, _) in enumerate(self.cell.decide()):
                self.cell.carry_out(proposal_id, fates[(count + at) % len(fates)])
        for what in whats:
            self.go_on(what)

    @rule(choice=CHOICE)
    def go_on(self, choice: int) -> None:
        """What could be heard of a task next is heard."""
        self.cell.stream_id = self.streams[-1]
        there = [(key, each) for key, each in sorted(self.cell.state.tasks.items())]
        likely = [(key, NEXT[type(each.state)]) for key, each in there if type(each.state) in NEXT]
        if likely:
            task_id, states = likely[choice % len(likely)]
            words = WORDS[choice % len(WORDS)]
            self.cell.status(task_id, states[choice % len(states)], message=words)

    @rule(after_ms=SPANS_MS, is_tick=st.sampled_from([True, True, False]))
    def time_passes(self, after_ms: int, is_tick: bool) -> None:
        """Time passes, with or without a tick."""
        self.cell.now_ms += after_ms
        self.cell.write(Tick() if is_tick else Mark())

    @precondition(lambda self: self.streams)
    @rule(host=st.sampled_from(HOSTS), deed=st.integers(0, 200))
    def health_is_told(self, host: str, deed: int) -> None:
        """A verdict, a check, a silent task, a lost host, a runbook, an operator's word."""
        self.cell.stream_id = self.streams[-1]
        sick_deed(self.cell, HostId(host), deed)

    # Users and operators.

    @rule(name=st.sampled_from(JOBS), spec=SPECS)
    def submit(self, name: str, spec: JobSpec) -> None:
        """A job, perhaps under a name that is taken."""
        self.cell.submit(spec, name)

    @rule(
        name=st.sampled_from(JOBS),
        sizes=st.tuples(*[st.one_of(st.none(), st.integers(0, 7))] * 3),
    )
    def scale(self, name: str, sizes: tuple[int | None, int | None, int | None]) -> None:
        """Another size is asked for."""
        self.cell.scale(*sizes, job_id=name)

    @rule(
        name=st.sampled_from(JOBS),
        policy=st.sampled_from([PolicyId("p"), PolicyId("q")]),
        deed=st.integers(0, 9),
        value=st.integers(0, 300),
    )
    def scaled_by_itself(self, name: str, policy: PolicyId, deed: int, value: int) -> None:
        """A scaling policy comes, changes or goes; its metric speaks, or cannot be read."""
        job_id, known = JobId(name), self.cell.state.scaling_policies.get(policy)
        version = known.version if known else 1
        if deed < 3:
            body: ScalingRequest = ScalingPolicySet(job_id, policy, SCALINGS[deed])
        elif deed == 3:
            body = ScalingPolicyRemoved(job_id, policy)
        elif deed == 4:
            body = MetricObserved(failures=(MetricFailure(policy, version, "away"),))
        else:
            now_ms = self.cell.now_ms - 1_000 * (deed - 5)
            body = MetricObserved((MetricPoint(policy, version, now_ms, 1_000 * value),))
        self.cell.copy("jobs" if deed < 4 else "commands", body)

    @rule(choice=CHOICE, is_shrink=st.booleans())
    def kill_task(self, choice: int, is_shrink: bool) -> None:
        """A task's end is asked for."""
        self.cell.kill_task(self.task_id(choice), is_shrink=is_shrink)

    @rule(
        name=st.sampled_from(JOBS),
        other=st.sampled_from(JOBS),
        choice=CHOICE,
        switches=st.tuples(*[st.sampled_from([None, True, False])] * 2),
        if_version=st.sampled_from([None, None, None, 1, 2]),
    )
    def ask_of_what_lives(
        self, name: str, other: str, choice: int, switches: Any, if_version: int | None
    ) -> None:
        """A task is moved, or what a job or task says and lets happen is changed."""
        job_id, task_id = JobId(name), self.task_id(choice)
        known = self.cell.state.tasks.get(task_id)
        source = known.job_id if known is not None and choice % 3 else JobId(other)
        pairs = (("team", "a"),) if choice % 2 else ()
        self.cell.copy(
            "jobs",
            TaskMoveAsked(task_id, source, job_id, if_version=if_version),
            JobProcessesAsked(job_id, switches[0], switches[1], if_version=if_version),
            JobEnabledAsked(JobId(other), is_enabled=choice % 2 == 0),
            JobAttributesAsked(job_id, pairs, removed=("team",) if not pairs else ()),
            TaskAttributesAsked(self.task_id(choice + 1), pairs, if_version=if_version),
            TaskKillAsked(task_id, is_shrink=True, is_minimum_kept=True, if_version=if_version),
        )

    @rule(
        name=st.sampled_from(JOBS),
        policy=st.sampled_from(
            [
                "launch_timeout_ms",
                "orphans_max",
                "queued_tasks_max",
                "unstarted_tasks_per_job_max",
                "nothing",
            ]
        ),
        value=st.sampled_from([0, 1, 15_000]),
        deed=CHOICE,
    )
    def order(self, name: str, policy: str, value: int, deed: int) -> None:
        """A job is ended, a number changed, an orphan dealt with."""
        if deed < 4:
            self.cell.kill_job(name)
        elif deed < 8:
            self.cell.set_policy(**{policy: value})
        else:
            known = [*sorted(self.cell.state.orphans), TaskId("x")]
            forgotten = OrphanForgotten(task_id=known[deed % len(known)], actor="op", why="done")
            self.cell.copy("commands", forgotten)

    @rule(
        host=st.sampled_from(HOSTS),
        standing=st.sampled_from(["enabled", "lastChoice", "draining", "disabled"]),
        mode=st.sampled_from(["normal", "failover", None]),
        zones=st.tuples(*[st.sampled_from(["", "a", "b"])] * 2),
        limits=st.tuples(*[st.sampled_from([0, 1, 3])] * 3),
    )
    def place_otherwise(
        self, host: str, standing: Any, mode: Any, zones: Any, limits: tuple[int, int, int]
    ) -> None:
        """A host is taken out or let in, switches are turned, guard rails set."""
        order = HostOrdered(HostId(host), standing, actor="op", why="test")
        lost, back = ((zone,) if zone else () for zone in zones)
        switches = RulesChangeAsked("op", "test", mode, lost, back)
        guards = Guards(
            launching_per_host_max=limits[0],
            launches_per_host_per_minute=limits[1],
            launches_per_job_per_minute=limits[2],
            quality_window_ms=60_000,
            quality_least_milli=300,
        )
        rules = replace(self.cell.state.policy.placement, guards=guards)
        self.cell.copy("commands", order, switches, RulesAsked(rules, {}, "op", "test"))

    # Mesos, at its worst.

    @rule(
        choice=CHOICE,
        state=TASK_STATES,
        has_uuid=st.booleans(),
        late=CHOICE,
        is_healthy=st.sampled_from([None, True, False]),
    )
    def status(
        self, choice: int, state: Any, has_uuid: bool, late: int, is_healthy: bool | None
    ) -> None:
        """Anything is said of any task, on any stream."""
        is_late = late >= 9
        self.cell.stream_id = self.streams[late % len(self.streams) if is_late else -1]
        uuid = "dXVpZA==" if has_uuid else ""
        words = WORDS[choice % len(WORDS)]
        self.cell.status(
            self.task_id(choice), state, uuid=uuid, is_healthy=is_healthy, message=words
        )

    @rule(host=st.sampled_from(HOSTS), resources=RESOURCES, late=CHOICE, gone=st.integers(0, 30))
    def offers(self, host: str, resources: Resources, late: int, gone: int) -> None:
        """Odd resources are offered, others taken back, sometimes on a stream that is over."""
        self.cell.stream_id = self.streams[late % len(self.streams) if late >= 9 else -1]
        self.offered(host, resources)
        self.cell.rescind(self.offer_ids[gone % len(self.offer_ids)])

    @rule(choice=CHOICE, late=CHOICE)
    def streams_change(self, choice: int, late: int) -> None:
        """A stream is over, or another is opened, or an old leader opens one too late."""
        if choice < 3:
            stream_id = self.streams[-1] if late < 8 else self.streams[late % len(self.streams)]
            self.cell.copy("mesos", StreamEnded(stream_id=stream_id, why="test"))
        self.subscribe(is_stale=choice > 9)

    # The log: elections, copies that repeat or are missing, effects out of order, nonsense.

    @rule(choice=CHOICE)
    def leaders_change(self, choice: int) -> None:
        """Another leads; it may be slow to tick and to subscribe."""
        self.elect(f"cell-{choice % 3}", has_tick=choice != 5)
        if choice < 8:
            self.subscribe()

    @precondition(lambda self: self.cell.copied)
    @rule(choice=st.integers(0, 40), count=st.integers(1, 3), skipped=st.integers(1, 3))
    def ingest_is_confused(self, choice: int, count: int, skipped: int) -> None:
        """It writes copies once more, and forgets others: none of them is taken."""
        begin = choice % len(self.cell.copied)
        marks = dict(self.cell.state.watermarks)
        again = [
            each
            for each in self.cell.copied[begin : begin + count]
            if each.source.lane in marks and each.source.offset <= marks[each.source.lane].offset
        ]
        too_far = self.cell.inbound.get("mesos", -1) + skipped
        gap = copied("mesos", too_far + 1, too_far, subscription(StreamId("gap"), self.cell.epoch))
        self.cell.write(*again, gap)
        assert self.cell.state.watermarks == marks

    @precondition(lambda self: self.epochs and "mesos" in self.cell.inbound)
    @rule(count=st.integers(1, 3))
    def kafka_loses(self, count: int) -> None:
        """Records were dropped before they were copied."""
        last = self.cell.inbound["mesos"]
        self.cell.write(copied("mesos", last + count, last, InboundLost(last + 1, last + count)))

    @precondition(lambda self: len(self.epochs) > 1)
    @rule(choice=CHOICE)
    def an_old_leader_writes(self, choice: int) -> None:
        """Nothing that a leader writes whose epoch is over changes anything."""
        before = self.cell.machine.digest.value()
        self.cell.now_ms += 70_000
        events = (Tick(), ReconcileAll(), EffectStarted(self.cell.proposal_ids[-1]))
        self.cell.write(events[choice % 3], epoch=self.epochs[choice % (len(self.epochs) - 1)])
        self.cell.now_ms -= 70_000
        assert self.cell.machine.digest.value() == before

    @rule()
    def marked(self) -> None:
        """The leader marks a place, and later says what its digest was there."""
        if self.mark is not None and self.mark[0] in self.cell.machine.marks:
            self.cell.write(Checkpoint(self.mark[0], 1, self.mark[1]))
        offset = self.cell.write(Mark())
        digest = self.cell.machine.marks.get(offset)
        self.mark = (offset, digest) if digest else None

    @rule()
    def decide(self) -> None:
        """A round is written, and nobody carries it out yet."""
        self.cell.decide()

    @rule(choice=st.integers(0, 30), ended=st.integers(0, 30), fate=FATES)
    def effects(self, choice: int, ended: int, fate: Any) -> None:
        """An effect is started and another ended, or is said to be."""
        proposal_ids = self.cell.proposal_ids
        self.cell.start(proposal_ids[-1 - choice % len(proposal_ids)])
        self.cell.end(proposal_ids[-1 - ended % len(proposal_ids)], fate=fate)

    @rule(
        kind=st.integers(0, 8),
        choice=st.integers(0, 30),
        host=st.sampled_from(HOSTS),
        tasks=st.lists(CHOICE, max_size=3),
        ports=st.lists(st.integers(31_000, 31_004), max_size=3),
    )
    def propose_nonsense(
        self, kind: int, choice: int, host: str, tasks: list[int], ports: list[int]
    ) -> None:
        """A wrong `decide` proposes anything: the fold accepts only what is safe."""
        offer_id = self.offer_ids[-1 - choice % len(self.offer_ids)]
        offers = (offer_id, *self.cell.state.host_offers.get(HostId(host), {}))
        queued = [each for there in self.cell.state.queue.values() for each in there]
        task_ids = [
            queued[each % len(queued)] if queued and each < 9 else self.task_id(each)
            for each in tasks
        ]
        scarce = (choice % 2, (choice % 3,)) if choice > 24 else (-1, ())
        launches = tuple(Launch(each, tuple(ports), *scarce) for each in task_ids)
        live = sorted(each for there in self.cell.state.host_tasks.values() for each in there)
        victim = live[choice % len(live)] if live and choice % 3 else self.task_id(choice)
        place = place_of(self.cell.state.tasks[victim].state) if victim in live else None
        there = place.host_id if place and choice % 4 else HostId(host)
        job_id = next((each for each in self.cell.state.queue if each not in victim), JobId("-"))
        proposals: tuple[Proposal | PreemptTask, ...] = (
            LaunchTasks(HostId(host), offers, launches),
            LaunchTasks(HostId(host), offers[1:], launches),
            DeclineOffers(offers[:2], refuse_ms=1),
            KillTask(self.task_id(choice % 12), HostId(host), is_inferred=True),
            ReconcileTasks(tuple(task_ids)),
            ReconcileAll(),
            SuppressOffers(),
            ReviveOffers(),
            PreemptTask(victim, there, job_id, "its guarantee"),
        )
        self.cell.write(proposals[kind], proposals[kind])

    # What is promised.

    @invariant()
    def an_offer_is_used_once(self) -> None:
        """No two launches that may have left use the same offer."""
        for offer_id, by in self.cell.uses.items():
            assert len(by) <= 1, f"{offer_id} used by {by}"

    def teardown(self) -> None:
        """At the end of the day."""
        check_digest(self.cell.machine)
        self._folded_again_it_is_the_same()
        self._no_index_had_two_live_tasks()
        self._the_cell_comes_to_rest()

    def _folded_again_it_is_the_same(self) -> None:
        wanted = canonical_bytes(self.cell.state)
        again = self.cell.refolded()
        assert again.digest.value() == self.cell.machine.digest.value()
        assert canonical_bytes(again.state) == wanted
        assert again.decide() == self.cell.machine.decide()
        twice = Machine()
        for offset, data in enumerate(self.cell.log):
            for _ in range(2):
                twice.apply(offset, decode_record(data))
        assert canonical_bytes(twice.state) == wanted

    def _no_index_had_two_live_tasks(self) -> None:
        live: dict[tuple[str, str], set[str]] = defaultdict(set)
        moved: set[str] = set()
        for change in self.cell.said(TaskChanged):
            index = change.task_id.rpartition("-worker-")[2].partition("-")[0]
            if change.moved_from is not None:  # Its index is not in its name any more.
                moved.add(change.task_id)
                live[change.moved_from, index].discard(change.task_id)
            if change.task_id in moved:
                continue
            there = live[change.job_id, index]
            if change.state == "Finished":
                there.discard(change.task_id)
            else:
                there.add(change.task_id)
            assert len(there) <= 1, f"index {index} of {change.job_id} has {there}"

    def _the_cell_comes_to_rest(self) -> None:
        """With a leader, a stream and answers, `decide` falls silent, and says why it waits."""
        self.elect()
        self.subscribe()
        for fate in ("sent", "unknown", "sent"):
            self.cell.tick(1_000)
            self.cell.decide_and_carry_out(fate)
            assert self.cell.machine.decide() == ()
