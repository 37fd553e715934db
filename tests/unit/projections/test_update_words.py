"""What is said of a job's update and of a cron job: each state and each cause has its words."""

from msgspec.structs import replace

from projections.job_updates import (
    cron_sentences,
    one_update_json,
    serving_version,
    update_sentences,
)
from projections.words import instant
from scheduler.model.descriptor import spec_digest
from scheduler.model.ids import JobId
from scheduler.model.job import Batch, Cron
from scheduler.model.job_updates import JobUpdate, JobUpdateAsked, UpdatePlan
from scheduler.state import CronState, Job
from tests.support.cell import batch, service
from tests.unit.projections.watched import WatchedCell, watched_cell

JOB = JobId("job")
GOING = JobUpdate(3, UpdatePlan(), from_version=1, to_version=4, began_at_ms=0, batch=2)


def job_of(cell: WatchedCell, **fields: object) -> Job:
    """The cell's job, with some fields as they would be later."""
    return replace(cell.state.jobs[JOB], **fields)


def running() -> WatchedCell:
    """A service of two tasks, one of which is not healthy."""
    cell = watched_cell()
    first, _ = cell.run(service(2))
    cell.status(first, "TASK_RUNNING", is_healthy=False)
    return cell


def test_an_update_tells_its_batch_and_how_many_tasks_are_of_each_version() -> None:
    cell = running()
    told = "Update 3 from version 1 to 4 is running, in batch 2: 2 tasks of version 1 (1 healthy)."
    assert list(update_sentences(cell.view, job_of(cell, update=GOING))) == [told]


def test_a_paused_update_says_why_it_is_paused_where_it_is_known() -> None:
    cell = running()
    paused = replace(GOING, is_paused=True)
    (said,) = update_sentences(cell.view, job_of(cell, update=paused))
    assert "is running, paused, in batch 2:" in said
    (said,) = update_sentences(cell.view, job_of(cell, update=replace(paused, why="lunch")))
    assert "is running, paused: lunch, in batch 2:" in said


def test_an_update_that_goes_back_says_because_of_what() -> None:
    cell = running()
    back = replace(GOING, state="rollingBack", why="3 tasks failed")
    first, second = update_sentences(cell.view, job_of(cell, update=back))
    assert "is rollingBack, in batch 2:" in first
    assert second == "It goes back because: 3 tasks failed."


def test_of_past_updates_only_a_last_one_that_was_rolled_back_is_told() -> None:
    cell = running()
    ended = replace(GOING, state="rolledBack", ended_at_ms=cell.now_ms, why="3 tasks failed")
    (said,) = update_sentences(cell.view, job_of(cell, past_updates=(GOING, ended)))
    assert said == (
        f"Update 3 to version 4 was rolled back at {instant(cell.now_ms)}: 3 tasks failed."
    )
    done = replace(ended, state="done")
    assert list(update_sentences(cell.view, job_of(cell, past_updates=(ended, done)))) == []
    assert list(update_sentences(cell.view, job_of(cell))) == []


def test_red_black_serves_from_the_old_set_until_it_is_switched() -> None:
    job = job_of(running(), spec_version=4)
    red_black = replace(GOING, plan=UpdatePlan(strategy="redBlack"))
    assert serving_version(job) == 4
    assert serving_version(replace(job, update=red_black)) == 1
    assert serving_version(replace(job, update=replace(red_black, state="switched"))) == 4
    assert serving_version(replace(job, update=GOING)) is None


def test_one_update_is_found_by_its_number_in_its_job_only() -> None:
    cell = running()
    new = service(2, image="new", image_tag="2")
    cell.copy("jobs", JobUpdateAsked(JOB, new, spec_digest(new), UpdatePlan(), "ada", "news"))
    found = one_update_json(cell.view, JOB, 1)
    assert found is not None
    assert (found["number"], found["actor"], found["why"]) == (1, "ada", "news")
    assert one_update_json(cell.view, JOB, 2) is None
    assert one_update_json(cell.view, JobId("none"), 1) is None


def test_a_cron_job_says_when_it_fires_next_and_what_it_skipped_last() -> None:
    cell = watched_cell()
    kind = Cron(schedule="@hourly", batch=Batch(size=1, runtime_limit_ms=600_000))
    cell.submit(replace(batch(), kind=kind))
    job = job_of(cell)
    assert job.cron is not None
    next_at_ms = job.cron.next_at_ms
    assert next_at_ms is not None
    fires = f"By '@hourly' in UTC it fires next at {instant(next_at_ms)}."
    assert list(cron_sentences(job)) == [fires]
    skipped = replace(job.cron, skipped=2, last_skip="the run before is under way")
    assert list(cron_sentences(replace(job, cron=skipped))) == [
        fires,
        "2 firings started nothing; the last: the run before is under way.",
    ]
    never = replace(skipped, next_at_ms=None, skipped=1)
    (said,) = cron_sentences(replace(job, cron=never))
    assert said.startswith("1 firing started nothing")
    assert list(cron_sentences(replace(job, state="Finished"))) == []


def test_a_run_names_its_cron_job_and_no_schedule() -> None:
    job = job_of(running(), cron_job_id=JobId("nightly"))
    assert list(cron_sentences(job)) == ["It is a run of cron job nightly."]
    assert list(cron_sentences(replace(job, cron=CronState(next_at_ms=1)))) == [
        "It is a run of cron job nightly."
    ]
