"""The cell's own placement: an index of hosts and a queue, kept in step with the fold's state.

The one thing to know: nothing is remembered here that the state does not say. What the index knows
is brought up to date from the hosts and jobs that changed since the last round, and is the same as
if it were made anew; so a leader that has just been elected decides as the one before it would.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec

from scheduler.disruption.quotas import Quotas
from scheduler.fold.preemption import preemptions_left_of, recent_preemptions
from scheduler.fold.sla import queue_order
from scheduler.model.events import RoundRecord
from scheduler.model.ids import HostId, JobId, OfferId, TaskId
from scheduler.model.job import JobSpec
from scheduler.model.proposals import Launch, LaunchTasks, PreemptTask
from scheduler.model.rules import PlacementRules
from scheduler.model.task import Launched, Queued, Started, StartInitiated, Task
from scheduler.placement.engine import Placement
from scheduler.placement.outcome import Choice
from scheduler.placement.plugins import NO_PLUGINS, Plugins
from scheduler.placement.request import Request
from scheduler.placement.requests_of_jobs import request_of
from scheduler.queue.outcome import Disruption, Promise, RoundLimits, RoundOutcome, RunningTask
from scheduler.queue.usage import Usage
from scheduler.queue.waiting import Queue
from scheduler.rounds.cell_mix import CellMix
from scheduler.rounds.host_views import host_view
from scheduler.rounds.placing import place_round
from scheduler.rounds.records import record_of
from scheduler.rounds.trials import within_trials
from scheduler.rounds.variants import variants_of
from scheduler.state import Job, State
from scheduler.versions import UNIFORM, Variant, is_mixed, spec_of_variant, variant_of

TOLD_AGAIN_MS = 10_000
"""A refusal that stays the same is written again after so long, with the numbers of then."""


class Round(msgspec.Struct, frozen=True):
    """What a round of placement decided: its record, launches by host, and whom it ends."""

    record: RoundRecord
    launches: tuple[LaunchTasks, ...] = ()
    preemptions: tuple[PreemptTask, ...] = ()

    @property
    def offer_ids(self) -> frozenset[OfferId]:
        """The offers that the launches use."""
        return frozenset(offer_id for each in self.launches for offer_id in each.offer_ids)


class Planner:
    """Plans rounds of one cell; made for one state, whose changes it is told by the state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._rules: PlacementRules | None = None
        self._plugins = NO_PLUGINS
        # Made by the first round, as for other rules: most machines only fold, and plan none.
        self._placement: Placement
        self._mix: CellMix
        self._queue: Queue
        self._usage: Usage
        self._requests: dict[JobId, Request] = {}
        self._mixed: dict[JobId, dict[Variant, tuple[Request, int]]] = {}
        """Of jobs of which tasks differ, the request of each variant and its tasks on hosts."""
        self._specs: dict[JobId, JobSpec] = {}
        """What each request was made from."""
        self._counted: dict[JobId, int] = {}
        """Tasks on hosts of each job, as the usage has them."""
        self._hosts: dict[HostId, None] = {}
        """Hosts that the index has."""
        self._used: dict[HostId, None] = {}
        """Hosts that the last round used; what the fold made of that, its state says."""
        self._tell_at_ms = 0
        """When to look again at what this round did not explain anew; 0: at no time."""

    def use(self, plugins: Plugins) -> None:
        """From the next round on, functions of others are these."""
        self._plugins = plugins
        self._rules = None  # An index is made for its plug-ins as for its rules.

    def __reduce__(self) -> tuple[type["Planner"], tuple[State]]:
        """A copy makes an index of its own: all of it follows from the state."""
        return Planner, (self._state,)

    def plan(self) -> Round:
        """One round over all that waits; the state is read and not changed."""
        self._catch_up()
        self._tell_at_ms = 0
        state = self._state
        outcome = place_round(
            self._placement,
            self._queue,
            self._usage,
            state.policy.placement,
            state.clock.now_ms,
            limits=RoundLimits(
                launches_max=state.policy.launches_per_round_max,
                explanations_max=state.policy.refusals_per_round_max,
            ),
            disruption=self._disruption(),
            promises=tuple(self._promises()),
            is_told=self._is_told,
        )
        launches = self._launches(outcome)
        times_ms = [each for each in (outcome.again_at_ms, self._tell_at_ms) if each]
        self._used = dict.fromkeys(each.host_id for each in launches)
        if state.on_trial and (fewer := within_trials(state, launches)) != launches:
            launches = fewer
            times_ms.append(state.clock.now_ms)  # What was cut off goes elsewhere at once.
        record = record_of(state, outcome, self._queue.tasks, min(times_ms, default=0))
        return Round(record, launches, tuple(self._preemptions(outcome)))

    # What changed since the last round.

    def _catch_up(self) -> None:
        state = self._state
        if self._rules != state.policy.placement:
            self._begin_anew(state.policy.placement)
        for job_id in state.jobs_changed:
            self._read_job(job_id)
        state.jobs_changed.clear()
        changed = {**state.hosts_changed, **self._used}
        state.hosts_changed.clear()
        views = []
        for host_id in sorted(changed):
            view = host_view(state, host_id)
            if view is not None:
                views.append(view)
                self._mix.put(view)
                self._hosts[host_id] = None
            elif host_id in self._hosts:
                self._placement.remove_host(host_id)
                self._mix.remove(host_id)
                del self._hosts[host_id]
        self._mix.learn(state, state.policy.placement)
        self._placement.put_hosts(views)
        self._placement.advance(state.clock.now_ms)

    def _begin_anew(self, rules: PlacementRules) -> None:
        """Other rules make other requests, and weigh every host anew."""
        state = self._state
        self._rules = rules
        self._mix = CellMix()
        self._placement = Placement(rules, self._plugins, self._mix.fitness.parts())
        self._queue, self._usage = Queue(), Usage()
        self._requests, self._counted, self._hosts = {}, {}, {}
        self._mixed = {}
        state.is_planned = True
        state.jobs_changed.update(dict.fromkeys([*state.queue, *state.on_hosts]))
        state.hosts_changed.update(dict.fromkeys([*state.host_offers, *state.host_tasks]))

    def _read_job(self, job_id: JobId) -> None:
        """Take over how many tasks of the job wait and run now."""
        state, request = self._state, self._requests.get(job_id)
        job = state.jobs.get(job_id)
        if job_id in self._mixed or (job is not None and is_mixed(job)):
            self._read_mixed(job_id, job)
            if job is None or is_mixed(job):
                return
            request = None
        if request is not None and job is not None and self._specs.get(job_id) is not job.spec:
            request = self._requested_anew(job_id, job, request)
        if request is None:
            if job is None:
                return
            assert self._rules is not None
            request = self._requests[job_id] = request_of(job_id, job.spec, self._rules)
            self._specs[job_id] = job.spec
        count = state.on_hosts.get(job_id, 0)
        if difference := count - self._counted.pop(job_id, 0):
            self._usage.add(request, difference)
        if count:
            self._counted[job_id] = count
        waiting, resting = state.queue.get(job_id, {}), state.resting.get(job_id, {})
        ready = len(waiting) - len(resting)
        if not ready:
            if self._queue.get(request) is not None:
                self._queue.set_waiting(request, 0, 0, (0, 0))
            if not count and not waiting:
                del self._requests[job_id]
                self._specs.pop(job_id, None)
            return
        assert job is not None
        oldest = next(each for each in waiting if each not in resting)
        task_state = state.tasks[oldest].state
        assert isinstance(task_state, Queued)
        placed_at_ms = state.placed_at_ms.get(job_id, 0)
        since_ms = max(task_state.since_ms, task_state.ready_at_ms, placed_at_ms)
        order = queue_order(state, job)
        lately = state.launches_of_jobs.get(job_id, 0)
        self._queue.set_waiting(request, ready, since_ms, order, lately)

    def _requested_anew(self, job_id: JobId, job: Job, before: Request) -> Request | None:
        """The request of a job that is another now; None where what was asked is asked no more."""
        assert self._rules is not None
        self._specs[job_id] = job.spec
        request = request_of(job_id, job.spec, self._rules)
        if request == before:
            return before
        self._forget(job_id)
        return None

    def _forget(self, job_id: JobId) -> None:
        """Take back what the queue and the usage have of a job of which all tasks are alike."""
        request = self._requests.pop(job_id, None)
        if request is None:
            return
        if count := self._counted.pop(job_id, 0):
            self._usage.add(request, -count)
        if self._queue.get(request) is not None:
            self._queue.set_waiting(request, 0, 0, (0, 0))

    def _read_mixed(self, job_id: JobId, job: Job | None) -> None:
        """Take over the tasks of a job that is updated or has sets, variant by variant."""
        state = self._state
        self._forget(job_id)
        for request, count in self._mixed.pop(job_id, {}).values():
            if count:
                self._usage.add(request, -count)
            if self._queue.get(request) is not None:
                self._queue.set_waiting(request, 0, 0, (0, 0))
        if job is None or not is_mixed(job):
            return
        assert self._rules is not None
        found: dict[Variant, tuple[Request, int]] = {}
        for variant, group in variants_of(state, job).items():
            request = request_of(job_id, spec_of_variant(job, variant), self._rules, variant)
            found[variant] = request, group.on_hosts
            if group.on_hosts:
                self._usage.add(request, group.on_hosts)
            if group.ready:
                order = queue_order(state, job)
                since_ms = max(group.since_ms, state.placed_at_ms.get(job_id, 0))
                lately = state.launches_of_jobs.get(job_id, 0)
                self._queue.set_waiting(request, group.ready, since_ms, order, lately)
        if found:
            self._mixed[job_id] = found

    def _request_of(self, task: Task) -> Request:
        """What a task that holds a host asked for."""
        mixed = self._mixed.get(task.job_id)
        if mixed is None:
            return self._requests[task.job_id]
        return mixed[variant_of(self._state.jobs[task.job_id], task)][0]

    def _is_told(self, request: Request, count: int) -> bool:
        """Whether the log has said lately why this class waits."""
        told = self._state.told.get(request.job_id)
        if mixed := self._mixed.get(request.job_id):  # Its classes are told of as one job.
            entries = (self._queue.get(each) for each, _ in mixed.values())
            count = sum(each.count for each in entries if each is not None)
        if told is None or told.waiting != count:
            return False
        again_at_ms = told.at_ms + TOLD_AGAIN_MS
        if self._state.clock.now_ms >= again_at_ms:
            return False
        # What was said may not be all by now: a round looks again, however quiet it is.
        self._tell_at_ms = min(self._tell_at_ms or again_at_ms, again_at_ms)
        return True

    # What the round decided, as events.

    def _launches(self, outcome: RoundOutcome) -> tuple[LaunchTasks, ...]:
        """One launch for each host, in the order in which hosts were chosen first."""
        state = self._state
        by_host: dict[HostId, list[Launch]] = {}
        next_of_class: dict[tuple[JobId, Variant], Iterator[TaskId]] = {}
        for placed in outcome.placed:
            alike = placed.request.job_id, placed.request.variant
            task_ids = next_of_class.get(alike)
            if task_ids is None:
                task_ids = next_of_class[alike] = iter(self._ready_tasks(*alike))
            for choice in placed.outcome.choices:
                launch = _launch_of(next(task_ids), choice)
                by_host.setdefault(choice.host_id, []).append(launch)
        return tuple(
            LaunchTasks(
                host_id=host_id,
                offer_ids=tuple(sorted(state.host_offers[host_id])),
                launches=tuple(launches),
            )
            for host_id, launches in by_host.items()
        )

    def _ready_tasks(self, job_id: JobId, variant: Variant) -> list[TaskId]:
        """The job's tasks of a variant that may be placed now, lowest index first."""
        state = self._state
        resting = state.resting.get(job_id, {})
        ready = [state.tasks[each] for each in state.queue[job_id] if each not in resting]
        if variant != UNIFORM:
            job = state.jobs[job_id]
            ready = [task for task in ready if variant_of(job, task) == variant]
        ready.sort(key=lambda task: task.index)
        return [task.task_id for task in ready]

    def _disruption(self) -> Disruption:
        """What preemption may ask of the cell, and what it has done lately."""
        state = self._state
        by_job = Counter(job_id for _, job_id in recent_preemptions(state))
        quotas = Quotas(state)
        return Disruption(
            tasks_on=self._tasks_on,
            may_disrupt=lambda job_id: min(
                preemptions_left_of(state, job_id), quotas.job_for_others(job_id)
            ),
            preempted_last_hour=by_job.total(),
            preempted_last_hour_of_job=tuple(sorted(by_job.items())),
        )

    def _tasks_on(self, host_id: HostId) -> list[RunningTask]:
        """The tasks of a host that could be ended for others."""
        state, found = self._state, []
        for task_id in sorted(state.host_tasks.get(host_id, ())):
            task = state.tasks[task_id]
            if not isinstance(task.state, Launched | StartInitiated | Started):
                continue
            request = self._request_of(task)
            found.append(
                RunningTask(
                    task_id=task_id,
                    job_id=task.job_id,
                    group=request.group,
                    tier=request.tier,
                    need=request.need,
                    since_ms=task.state.since_ms,
                    is_opportunistic=request.is_opportunistic,
                    is_service=request.is_service,
                )
            )
        return found

    def _promises(self) -> Iterator[Promise]:
        for each in self._state.promises:
            mixed = self._mixed.get(each.job_id, {})
            waiting = (request for request, _ in mixed.values() if self._queue.get(request))
            request = self._requests.get(each.job_id) or next(waiting, None)
            if request is not None:
                yield Promise(each.host_id, request, each.count, each.at_ms)

    def _preemptions(self, outcome: RoundOutcome) -> Iterator[PreemptTask]:
        for each in outcome.preemptions:
            for victim in each.victims:
                yield PreemptTask(victim.task_id, each.host_id, each.request.job_id, each.words)


def _launch_of(task_id: TaskId, choice: Choice) -> Launch:
    return Launch(task_id, choice.ports, choice.interface, choice.gpus)
