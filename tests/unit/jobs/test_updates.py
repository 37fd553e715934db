"""Updates of a service: batches, health gates, pause, rollback, red-black.

Proven on the pure machine: a world of hosts that start what is launched (healthy or not, by the
image), with the invariants checked after every record and availability counted independently.
"""

from collections import Counter
from typing import Any

from msgspec.structs import replace

from projections.travel.masking import masked_copy, masked_record
from scheduler.digest import canonical_bytes
from scheduler.effects import effect_of
from scheduler.kept import Kept
from scheduler.machine import Machine
from scheduler.model.changes import JobChanged, JobRejected
from scheduler.model.codec import decode_record, encode_record
from scheduler.model.descriptor import spec_digest
from scheduler.model.effects import AcceptOffers
from scheduler.model.ids import JobId
from scheduler.model.job import Batch, Cron, JobSpec, Stream
from scheduler.model.job_updates import JobUpdateAsked, JobUpdateOrdered, Share, UpdatePlan
from scheduler.model.proposals import KillTask, LaunchTasks
from scheduler.model.resources import Need
from scheduler.model.task import Started
from scheduler.rounds.host_views import host_view
from tests.support.cell import CellInMemory, running_cell, service, spec_of
from tests.support.snapshot_and_tail import check_snapshots

JOB = JobId("job")
QUICK: dict[str, Any] = {"health_wait_ms": 5_000, "batch_deadline_ms": 120_000}


def of_image(image: str, desired: int = 10) -> JobSpec:
    """A service that runs an image."""
    return service(desired=desired, image=image, image_tag="1")


class World:
    """A cell whose hosts start all that is launched; images named ``bad`` end at once."""

    def __init__(self, spec: JobSpec, hosts: int = 20) -> None:
        self.cell = running_cell(hosts=hosts, cpus=8)
        self.cell.run(spec)
        self.least_available: list[int] = []
        self.kills = 0

    def ask(self, spec: JobSpec, plan: UpdatePlan, **fields: Any) -> None:
        """Ask for an update."""
        body = JobUpdateAsked(JOB, spec, spec_digest(spec), plan, actor="ada", **fields)
        self.cell.copy("jobs", body)

    def order(self, order: Any, **fields: Any) -> None:
        """Order something of the update."""
        self.cell.copy("jobs", JobUpdateOrdered(JOB, order, actor="ada", **fields))

    def step(self, seconds: int = 1) -> None:
        """Let seconds pass: what is launched starts, what is killed ends."""
        cell = self.cell
        for _ in range(seconds):
            cell.tick()
            for proposal in cell.decide_and_carry_out():
                if isinstance(proposal, KillTask):
                    self.kills += 1
                    host = cell.host_of(proposal.task_id)
                    cell.status(proposal.task_id, "TASK_KILLED")
                    cell.offer(str(host), cpus=1)
            for task in cell.tasks():
                if type(task.state).__name__ == "Launched":
                    cell.status(task.task_id, "TASK_RUNNING")
                    if "bad" in container(cell, task.task_id):
                        cell.status(task.task_id, "TASK_FAILED")
            self.least_available.append(available(cell))

    def until_over(self, seconds_max: int = 900) -> str:
        """Let time pass until no update is under way; how the last one ended."""
        for _ in range(seconds_max):
            if self.job.update is None:
                return str(self.job.past_updates[-1].state)
            self.step()
        raise AssertionError(f"not over: {self.job.update}")

    @property
    def job(self) -> Any:
        """The job."""
        return self.cell.state.jobs[JOB]

    def images(self) -> Counter[str]:
        """How many tasks run each image."""
        return Counter(
            container(self.cell, each.task_id)
            for each in self.cell.tasks()
            if isinstance(each.state, Started)
        )

    def going(self) -> dict[str, Any]:
        """The update under way, if any."""
        return {} if self.job.update is None else {"update": self.job.update}

    def words(self) -> list[str]:
        """The reasons of the job's changes, in order."""
        return [each.reason for each in self.cell.said(JobChanged) if each.reason]


def container(cell: CellInMemory, task_id: Any) -> str:
    """The image of the version that a task says it is of, looked up by hand."""
    task, job = cell.state.tasks[task_id], cell.state.jobs[JOB]
    if task.spec_version == job.spec_version:
        return str(job.spec.container.image)
    (spec,) = (each.spec for each in job.specs if each.version == task.spec_version)
    return str(spec.container.image)


def available(cell: CellInMemory) -> int:
    """Tasks that run and are healthy, counted from the states alone."""
    states = [each.state for each in cell.tasks()]
    return sum(isinstance(each, Started) and each.is_healthy for each in states)


def test_a_rolling_update_moves_batch_by_batch_and_keeps_indexes() -> None:
    world = World(of_image("old"))
    before = {task.index: task.original_id for task in world.cell.tasks()}
    plan = UpdatePlan(batch=Share(count=3), max_unavailable=Share(count=2), **QUICK)
    world.ask(of_image("new"), plan)
    assert world.until_over() == "done"
    assert world.images() == {"new": 10}
    assert min(world.least_available) == 8, "as many as may be unavailable were, and no more"
    assert {task.index: task.original_id for task in world.cell.tasks()} == before
    assert world.words().count("updateBatch") == 3, "10 indexes by 3 are four batches"
    assert world.kills == 10, "each task was ended once"
    assert world.job.spec_version == 2
    assert world.job.specs == ()


def test_each_task_is_launched_by_its_own_version_and_takes_what_that_needs() -> None:
    world = World(of_image("old", 2))
    cell = world.cell
    new = service(2, image="new", image_tag="2", command=("new",), kill_grace_ms=7_000)
    new = replace(new, container=replace(new.container, need=Need(2_000, 1_024, 10)))
    world.ask(new, UpdatePlan(batch=Share(1), max_unavailable=Share(), max_surge=Share(1)))
    launched: dict[str, Any] = {}
    for proposal_id, proposal in cell.decide():
        if isinstance(proposal, LaunchTasks):
            effect = effect_of(cell.state, cell.state.decisions[proposal_id])
            assert isinstance(effect, AcceptOffers)
            launched |= {task.task_id: task for task in effect.tasks}
            cell.carry_out(proposal_id)
    (task,) = launched.values()
    assert task.command == ("new",)
    assert task.container is not None
    assert task.container.full_image == "new:2"
    assert (task.need.cpu_milli, task.kill_grace_ms) == (2_000, 7_000)
    cell.kill_task(cell.tasks()[0].task_id)
    world.step()
    replaced = cell.tasks()[0]
    assert replaced.spec_version == 1, "a task that a user ends comes back as it was"
    host = cell.host_of(task.task_id)
    assert host is not None
    view = host_view(cell.state, host)
    assert view is not None
    assert "new:2" in view.images


def test_with_a_surplus_nothing_is_unavailable() -> None:
    world = World(of_image("old"))
    plan = UpdatePlan(batch=Share(percent=50), max_unavailable=Share(), max_surge=Share(2), **QUICK)
    world.ask(of_image("new"), plan)
    most = 0
    while world.job.update is not None:
        world.step()
        most = max(most, len(world.cell.tasks()))
    assert world.images() == {"new": 10}
    assert min(world.least_available) >= 10
    assert most <= 14, "two more than wanted run, beside those that are being ended"


def test_a_bad_version_rolls_back_on_its_own() -> None:
    world = World(of_image("old"))
    plan = UpdatePlan(batch=Share(count=2), max_unavailable=Share(count=2), **QUICK)
    world.ask(of_image("bad"), plan)
    assert world.until_over() == "rolledBack"
    world.step(10)
    assert world.images() == {"old": 10}
    assert min(world.least_available) == 8
    assert "crash loop: 3 new tasks ended within 600 s" in world.job.past_updates[-1].why
    assert world.job.spec.container.image == "old"
    assert (world.job.spec_version, world.job.last_spec_version) == (1, 2)


def test_a_batch_that_is_never_healthy_misses_its_gate() -> None:
    world = World(of_image("old"))
    plan = UpdatePlan(batch=Share(1), max_unavailable=Share(1), batch_deadline_ms=60_000)
    world.ask(of_image("new"), plan)
    for _ in range(120):
        world.step()
        for task in world.cell.tasks():
            if task.spec_version == 2 and isinstance(task.state, Started):
                world.cell.status(task.task_id, "TASK_RUNNING", is_healthy=False)
        if world.job.update is None:
            break
    assert world.job.past_updates[-1].state == "rolledBack"
    assert "batch 1 is not healthy" in world.job.past_updates[-1].why
    world.step(3)
    assert world.images() == {"old": 10}


def test_a_failed_update_pauses_where_that_is_the_plan_and_goes_on_by_order() -> None:
    world = World(of_image("old"))
    plan = UpdatePlan(batch=Share(2), max_unavailable=Share(2), is_rolled_back=False, **QUICK)
    world.ask(of_image("bad"), plan)
    world.step(60)
    update = world.job.update
    assert update is not None
    assert update.is_paused
    assert "updatePaused" in world.words()
    world.order("rollback", why="seen enough")
    assert world.until_over() == "rolledBack"


def test_pause_holds_every_move_and_resume_lets_it_go_on() -> None:
    world = World(of_image("old"))
    world.ask(of_image("new"), UpdatePlan(batch=Share(1), max_unavailable=Share(1), **QUICK))
    world.step(3)
    world.order("pause", why="lunch")
    world.step(20)
    moved, kills = world.images()["new"], world.kills
    world.step(200)
    assert (world.images()["new"], world.kills) == (moved, kills)
    world.order("resume")
    assert world.until_over() == "done"


def test_red_black_switches_once_the_whole_new_set_is_healthy_and_keeps_the_old() -> None:
    world = World(of_image("old", 5))
    plan = UpdatePlan(strategy="redBlack", keep_ms=60_000, **QUICK)
    world.ask(of_image("new", 5), plan)
    world.step(3)
    assert world.job.update.state == "running"
    world.step(10)
    assert world.job.update.state == "switched"
    assert world.images() == {"new": 5, "old": 5}
    assert world.kills == 0
    assert world.until_over() == "done"
    assert world.images() == {"new": 5}
    assert min(world.least_available) >= 5


def test_red_black_goes_back_at_once_while_the_old_set_is_kept() -> None:
    world = World(of_image("old", 5))
    old = {task.task_id for task in world.cell.tasks()}
    world.ask(of_image("new", 5), UpdatePlan(strategy="redBlack", keep_ms=600_000, **QUICK))
    world.step(15)
    assert world.job.update.state == "switched"
    world.order("rollback", why="customers complain")
    world.step(2)
    assert world.images() == {"old": 5}
    assert {task.task_id for task in world.cell.tasks()} == old, "none was started anew"


def test_an_update_that_is_done_is_rolled_back_by_a_new_one() -> None:
    world = World(of_image("old", 4))
    world.ask(of_image("new", 4), UpdatePlan(**QUICK))
    assert world.until_over() == "done"
    world.order("rollback", number=1)
    assert world.job.update.number == 2
    assert world.until_over() == "done"
    assert world.images() == {"old": 4}
    assert world.job.spec_version == 3


def test_scaling_and_kills_during_an_update() -> None:
    world = World(of_image("old"))
    world.ask(of_image("new"), UpdatePlan(batch=Share(2), max_unavailable=Share(2), **QUICK))
    world.step(4)
    world.cell.scale(desired=14)
    world.step(4)
    assert len(world.cell.tasks()) == 14
    assert world.images()["new"] <= 4, "the larger size is made of the proven version"
    world.cell.kill_task(world.cell.tasks()[3].task_id)
    world.cell.scale(desired=6)
    assert world.until_over() == "done"
    assert world.images() == {"new": 6}


def test_scaling_while_red_black_keeps_both_sets_whole() -> None:
    world = World(of_image("old", 4), hosts=30)
    world.ask(of_image("new", 4), UpdatePlan(strategy="redBlack", keep_ms=60_000, **QUICK))
    world.step(12)
    world.cell.scale(desired=6)
    world.step(12)
    assert world.images() == {"new": 6, "old": 6}
    world.cell.scale(desired=3)
    world.step(2)
    assert world.images() == {"new": 3, "old": 3}
    assert world.until_over() == "done"
    assert world.images() == {"new": 3}


def test_a_killed_job_ends_its_update() -> None:
    world = World(of_image("old", 4))
    world.ask(of_image("new", 4), UpdatePlan(batch=Share(1), **QUICK))
    world.step(2)
    world.cell.kill_job()
    world.step(5)
    assert world.job.state == "Finished"
    assert world.job.past_updates[-1].state == "ended"


def test_a_job_that_ends_within_one_record_leaves_no_update_behind() -> None:
    cell = running_cell(hosts=1)
    cell.submit(of_image("old", 2))
    new = of_image("new", 2)
    cell.copy("jobs", JobUpdateAsked(JOB, new, spec_digest(new), UpdatePlan(max_surge=Share(1))))
    cell.kill_job()
    job = cell.state.jobs[JOB]
    assert (job.state, job.update, job.past_updates[-1].state) == ("Finished", None, "ended")
    cell.tick()


def test_what_cannot_be_updated_is_refused_by_field() -> None:
    world = World(of_image("old", 4))
    world.ask(of_image("new", 4), UpdatePlan(max_unavailable=Share(), max_surge=Share()))
    assert fields(world) == {"maxUnavailable"}
    world.ask(replace(of_image("new"), application_name="other"), UpdatePlan())
    assert fields(world) == {"applicationName"}
    world.ask(of_image("new", 4), UpdatePlan(), if_version=99)
    assert fields(world) == {"ifVersion"}
    world.ask(of_image("new", 4), UpdatePlan())
    world.ask(of_image("newer", 4), UpdatePlan())
    assert fields(world) == {"update"}, "one at a time"
    assert len(world.cell.said(JobRejected)) == 4


def fields(world: World) -> set[str]:
    """The fields of the last refusal."""
    return {each.field for each in world.cell.said(JobRejected)[-1].faults}


def test_the_same_request_again_begins_nothing_and_the_same_spec_only_as_a_restart() -> None:
    world = World(of_image("old", 4))
    world.ask(of_image("new", 4), UpdatePlan(**QUICK))
    version = world.job.version
    world.ask(of_image("new", 4), UpdatePlan(**QUICK))
    assert world.job.version == version
    assert world.until_over() == "done"
    world.ask(of_image("new", 4), UpdatePlan(**QUICK))
    assert "update" not in world.going()
    world.ask(of_image("new", 4), UpdatePlan(is_restart=True, **QUICK))
    assert world.job.update.number == 2
    assert world.until_over() == "done"
    assert world.kills == 8


def test_it_survives_leaders_snapshots_and_replay() -> None:
    world = World(of_image("old"))
    world.ask(of_image("new"), UpdatePlan(batch=Share(2), max_unavailable=Share(2), **QUICK))
    for round_number in range(200):
        if world.job.update is None:
            break
        world.step()
        if round_number % 5 == 0:
            cell = world.cell
            kept: Kept = cell.machine.kept()
            digest = cell.machine.digest.value()
            cell.machine = Machine.restored(kept)
            assert cell.machine.digest.value() == digest
            anew = Machine.restored(kept.copied())
            assert anew.decide() == cell.machine.decide(), "a planner made anew decides the same"
        if round_number % 7 == 0:
            world.cell.elect(f"cell-{round_number}")
            world.cell.subscribe()
            for number in range(1, 21):
                world.cell.offer(f"host{number}", cpus=4)
            for task in world.cell.tasks():
                if isinstance(task.state, Started):
                    world.cell.answer(task.task_id, "TASK_RUNNING")
    assert world.job.past_updates[-1].state == "done"
    assert world.images() == {"new": 10}
    assert world.cell.refolded().digest.value() == world.cell.machine.digest.value()


def test_nothing_moves_while_the_cell_is_blind() -> None:
    world = World(of_image("old"))
    world.cell.stream_ends()
    world.ask(of_image("new"), UpdatePlan(**QUICK))
    for _ in range(30):
        world.cell.tick()
    assert not world.cell.state.killing


def test_a_stream_is_updated_in_place_from_its_highest_index() -> None:
    old = spec_of(Stream(workers=4), 0, {"image": "old", "image_tag": "1"})
    world = World(old)
    new = spec_of(Stream(workers=4), 0, {"image": "new", "image_tag": "1"})
    world.ask(new, UpdatePlan(max_surge=Share(1)))
    assert fields(world) == {"maxSurge"}
    world.ask(new, UpdatePlan(batch=Share(1), max_unavailable=Share(1), **QUICK))
    world.step(2)
    moved = [task.index for task in world.cell.tasks() if task.spec_version == 2]
    assert moved == [3]
    assert world.until_over() == "done"
    assert sorted(task.index for task in world.cell.tasks()) == [0, 1, 2, 3]


def test_a_snapshot_of_any_place_goes_on_to_the_same_bytes() -> None:
    world = World(of_image("old", 4))
    kind = Cron(schedule="*/1 * * * *", batch=Batch(size=1, runtime_limit_ms=60_000))
    world.cell.submit(replace(of_image("old"), kind=kind), "cron")
    ordered = Stream(workers=2, is_start_ordered=True)
    world.cell.submit(spec_of(ordered, 0, {}), "stream")
    world.ask(of_image("bad", 4), UpdatePlan(batch=Share(1), max_unavailable=Share(1), **QUICK))
    world.step(70)
    assert "updateRolledBack" in world.words()
    assert any(job.cron_job_id for job in world.cell.state.jobs.values())
    check_snapshots(world.cell.log, range(20, len(world.cell.log), 37))


def test_no_version_leaves_the_installation_with_its_environment() -> None:
    world = World(service(2, environment=(("TOKEN", "secret-1"),)))
    second = service(2, environment=(("TOKEN", "secret-2"),))
    world.ask(second, UpdatePlan(batch=Share(1), **QUICK))
    assert b"secret-1" in canonical_bytes(world.cell.state)
    masked = canonical_bytes(masked_copy(world.cell.machine).state)
    assert b"TOKEN" in masked
    assert b"secret" not in masked
    records = [encode_record(masked_record(decode_record(each))) for each in world.cell.log]
    assert not any(b"secret" in each for each in records)
