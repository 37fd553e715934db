"""Updates of a job's spec: batch by batch or as a whole set, judged by health, and taken back.

Theory. A job under update has tasks of two versions, and ``job.spec_version`` is where it is going:
the new one, or after a rollback the one before. At each tick the fold looks at the job and makes
the next moves, from the state alone. An index moves in place (its task is ended and replaced by one
of the other version) or over a surplus (a task at a new index first, then an old one is given up).

| state | tasks are | ends when |
| --- | --- | --- |
| running | moved in batches; red-black starts the whole new set | all are healthy; switched |
| switched | of both versions, the new set serves (red-black) | the old set was kept long enough |
| rollingBack | moved back, without batches | none of the new version is left |

The one thing to know: the update stops a task that is available only where enough others are
(`_may_stop`), whatever else has failed; tasks that are not available anyway are moved first and
cost nothing. While the cell is safe, or hears nothing of Mesos, an update does not move.
"""

from msgspec.structs import replace

from scheduler.fold.context import Fold, moved_task
from scheduler.fold.jobs import changed_job, is_scaled_down, rename_kill, start_tasks, stored
from scheduler.fold.update_states import end_update, pause, roll_back, told
from scheduler.model.ids import JobId
from scheduler.model.job_updates import JobUpdate, UpdatePlan
from scheduler.model.task import KillInitiated, Started, Task
from scheduler.state import Job
from scheduler.task_table import Given, Input
from scheduler.versions import version_of_new


def look_at_updates(fold: Fold) -> None:
    """Let every update make the moves that are due."""
    for job_id in sorted(fold.state.updating):
        look_at_update(fold, job_id)


def look_at_update(fold: Fold, job_id: JobId) -> None:
    """Let one job's update, where it has one under way, make the moves that are due."""
    state = fold.state
    job = state.jobs[job_id]
    if job.update is None:
        return
    if job.state != "Accepted":
        end_update(fold, job, "ended")
        return
    # Health is not known while Mesos is not heard, and a safe cell does nothing that it infers.
    is_blind = state.safe is not None or state.stream.stream_id is None
    if not (is_blind or job.update.is_paused or not state.clock.is_judging):
        Step(fold, job_id).go()


def resize_updated(fold: Fold, job_id: JobId) -> None:
    """Follow another size of a job of which an update is under way."""
    Step(fold, job_id).resize()


class Step:
    """One look at one update: what stands where, and the moves that follow."""

    def __init__(self, fold: Fold, job_id: JobId) -> None:
        self.fold = fold
        self.job_id = job_id
        job, update = self.job, self.update
        self.now_ms = fold.state.clock.now_ms
        self.desired = job.spec.desired
        self.goal = job.spec_version
        self.plan = update.plan
        self.is_back = update.state == "rollingBack"
        tasks = [fold.state.tasks[each] for each in fold.state.indexes[job_id].values()]
        live = [task for task in tasks if not is_scaled_down(task)]
        self.moved = [task for task in live if _heading(task) == self.goal]
        self.others = [task for task in live if _heading(task) != self.goal]
        self.is_rest = any(task.spec_version != self.goal for task in tasks)
        """Whether any task of the other version is there, be it on its way out."""
        self.available = sum(map(self.is_available, live))
        self.healthy = sum(map(self.is_available, self.moved))

    @property
    def job(self) -> Job:
        """The job as it is by now."""
        return self.fold.state.jobs[self.job_id]

    @property
    def update(self) -> JobUpdate:
        """The update as it is by now."""
        update = self.job.update
        assert update is not None
        return update

    def go(self) -> None:
        """Judge, and move what may be moved."""
        if self._has_failed():
            return
        self._forget_taken()
        if self.update.state == "switched" and not self._is_kept_long_enough():
            self._keep_sizes()
            return
        if self.is_red_black and self.update.state == "running":
            self._set_up()
            return
        self._next_batch()
        self._move()
        if not self.others and not self.is_rest and self._is_all_healthy():
            end_update(self.fold, self.job, "rolledBack" if self.is_back else "done")

    def resize(self) -> None:
        """Follow another size of the job at once, also while the update is paused."""
        if self.is_red_black and self.update.state != "rollingBack":
            self._keep_sizes()
            return
        live = [*self.moved, *self.others]
        if len(live) < self.desired:
            self._start(self.desired - len(live), version_of_new(self.job))
        surplus = len(live) - self.desired - self.surge
        if surplus > 0:
            for task in sorted(live, key=self._worst_first)[:surplus]:
                self._give_up(task)

    # What the plan says, in numbers of now.

    @property
    def is_red_black(self) -> bool:
        """Whether the new set is made whole beside the old one."""
        return self.plan.strategy == "redBlack"

    @property
    def surge(self) -> int:
        """How many tasks more than wanted may run."""
        if self.is_red_black:
            return self.desired
        return self.plan.max_surge.of(self.desired, is_rounded_up=True)

    @property
    def floor(self) -> int:
        """So many tasks must stay available."""
        return self.desired - unavailable_max(self.plan, self.desired)

    @property
    def released(self) -> int:
        """How many indexes may be moved by now, all batches so far together."""
        if self.is_back or self.is_red_black:
            return self.desired
        size = max(1, self.plan.batch.of(self.desired, is_rounded_up=True))
        return min(self.desired, self.update.batch * size)

    def is_available(self, task: Task) -> bool:
        """Whether the task counts: started and healthy, a new one for a time."""
        state = task.state
        if not isinstance(state, Started) or not state.is_healthy or task.next_version:
            return False
        is_new = task.spec_version == self.update.to_version
        wait_ms = self.plan.health_wait_ms if is_new and not self.is_back else 0
        return self.now_ms - max(state.since_ms, state.healthy_since_ms) >= wait_ms

    # Judging.

    def _has_failed(self) -> bool:
        """Whether the update was turned round or stopped just now, because it fails."""
        why = "" if self.is_back else self._failure()
        if not why:
            return False
        if self.plan.is_rolled_back:
            roll_back(self.fold, self.job, self.update, why)
        else:
            pause(self.fold, self.job, self.update, why, is_paused=True)
        return True

    def _failure(self) -> str:
        update = self.update
        since_ms = self.now_ms - self.plan.failure_window_ms
        failures = sum(at_ms > since_ms for at_ms in update.failures_at_ms)
        if failures >= self.plan.failures_max:
            window_s = self.plan.failure_window_ms // 1_000
            return f"crash loop: {failures} new tasks ended within {window_s} s"
        if update.state == "switched":
            return ""
        began_ms = max(update.batch_since_ms, self.fold.state.clock.judging_since_ms)
        is_late = self.now_ms - began_ms >= self.plan.batch_deadline_ms
        if not is_late or self.healthy >= self.released:
            return ""
        return (
            f"batch {update.batch} is not healthy after {self.plan.batch_deadline_ms} ms: "
            f"{self.healthy} of {self.released} new tasks are"
        )

    def _is_all_healthy(self) -> bool:
        """Going back ends once all have moved: nobody waits for health to call it back."""
        return self.is_back or self.healthy >= self.desired

    def _is_kept_long_enough(self) -> bool:
        return self.now_ms - self.update.switched_at_ms >= self.plan.keep_ms

    def _next_batch(self) -> None:
        update = self.update
        is_settled = len(self.moved) + len(self.others) == self.desired
        is_done = self.healthy >= self.released and is_settled
        if self.is_back or self.is_red_black or not is_done or self.released >= self.desired:
            return
        begun = replace(update, batch=update.batch + 1, batch_since_ms=self.now_ms)
        stored(self.fold, replace(self.job, update=begun))
        message = f"update {update.number}: batch {begun.batch}, up to {self.released} tasks"
        self.fold.report(told(self.job, "updateBatch", message))

    # Moving.

    def _set_up(self) -> None:
        """Red-black, before the switch: the new set is started whole, the old one left alone."""
        self._keep_sizes()
        if self.healthy < self.desired:
            return
        update = self.update
        switched = replace(update, state="switched", switched_at_ms=self.now_ms)
        changed_job(self.fold, replace(self.job, update=switched))
        message = (
            f"update {update.number}: version {self.goal} serves, {update.from_version} is kept"
        )
        self.fold.report(told(self.job, "updateSwitched", message))

    def _keep_sizes(self) -> None:
        """Both sets of red-black follow what the job wants."""
        for tasks, version in (
            (self.others, self.update.from_version),
            (self.moved, self.goal),
        ):
            if len(tasks) < self.desired:
                self._start(self.desired - len(tasks), version)
        for surplus in (self.others[self.desired :], self.moved[self.desired :]):
            for task in surplus:
                self._give_up(task)

    def _move(self) -> None:
        """Bring tasks to the goal as far as batches, surplus and the floor let them."""
        moved, others = len(self.moved), len(self.others)
        lacking = self.desired - moved - others
        if lacking > 0:  # The job was made larger.
            self._start(lacking, self.update.from_version)
            others += lacking
        extra = min(self.released - moved, self.desired + self.surge - moved - others)
        if extra > 0:
            self._start(extra, self.goal)
            moved += extra
        for task in sorted(self.moved, key=self._worst_first)[: max(0, moved - self.desired)]:
            if self._may_stop(task):
                self._give_up(task)
                moved -= 1
        for task in sorted(self.others, key=self._worst_first):
            is_surplus = moved + others > self.desired
            if not self._may_stop(task) or not (is_surplus or moved < self.released):
                return
            others -= 1
            if is_surplus:
                self._give_up(task)
            else:
                self._take(task)
                moved += 1

    def _worst_first(self, task: Task) -> tuple[bool, int]:
        """What is not available goes first, and of those that are the highest index."""
        return self.is_available(task), -task.index

    def _may_stop(self, task: Task) -> bool:
        """Whether enough others are available for this one to be stopped; it counts as stopped."""
        if not self.is_available(task):
            return True
        if self.available - 1 < self.floor:
            return False
        self.available -= 1
        return True

    def _start(self, count: int, version: int) -> None:
        start_tasks(self.fold, self.job_id, count, version)

    def _give_up(self, task: Task) -> None:
        """End a task whose index is not needed any more."""
        message = f"update {self.update.number}: version {self.goal} is in its place"
        if isinstance(task.state, KillInitiated):
            rename_kill(self.fold, task, message)
            return
        given = Given(self.now_ms, reason="scaledDown", message=message)
        moved_task(self.fold, task.task_id, Input.KILL_ASKED, given)

    def _take(self, task: Task) -> None:
        """End a task so that its index goes on with the goal's version."""
        state = self.fold.state
        if self.is_available(task):
            taken = tuple(sorted({*self.update.taken, task.index}))
            most = len(self.moved) + len(self.others) - self.floor
            update = replace(self.update, taken=taken, taken_max=most)
            stored(self.fold, replace(self.job, update=update))
        state.tasks[task.task_id] = replace(task, next_version=self.goal)
        self.fold.touch("task", task.task_id)
        message = f"update {self.update.number}: to version {self.goal}"
        given = Given(self.now_ms, reason="killed", message=message)
        moved_task(self.fold, task.task_id, Input.KILL_ASKED, given)

    def _forget_taken(self) -> None:
        """What was taken and is available again, or is gone, does not count any more."""
        there = {task.index for task in (*self.moved, *self.others) if not self.is_available(task)}
        taken = tuple(index for index in self.update.taken if index in there)
        if taken != self.update.taken:
            stored(self.fold, replace(self.job, update=replace(self.update, taken=taken)))


def unavailable_max(plan: UpdatePlan, desired: int) -> int:
    """How many tasks may be unavailable by the update's doing.

    A percentage is rounded down, but an update that may have no surplus either must move somehow.
    """
    if plan.strategy == "redBlack":
        return 0
    most = plan.max_unavailable.of(desired)
    surge = plan.max_surge.of(desired, is_rounded_up=True)
    return min(desired, most if most or surge else 1)


def _heading(task: Task) -> int:
    """The version that the task's index is on its way to."""
    return task.next_version or task.spec_version
