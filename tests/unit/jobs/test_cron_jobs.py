"""Cron jobs: firings, catch-up, overlap, deadline, history; all by the log's clock.

Proven on the pure machine: time is the test's, a firing is what the fold makes of a tick.
"""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.machine import Machine
from scheduler.model.changes import JobChanged, JobRejected
from scheduler.model.ids import JobId
from scheduler.model.job import Batch, Cron, JobSpec
from scheduler.model.job_requests import JobEnabledAsked
from scheduler.model.job_updates import JobUpdateAsked
from scheduler.model.time_zones import zone_rule
from tests.support.cell import CellInMemory, batch, running_cell

NIGHTLY = JobId("nightly")
MINUTE = 60_000


def cron(schedule: str = "*/10 * * * *", **fields: Any) -> JobSpec:
    """A cron job of one small task a run."""
    kind = Cron(schedule=schedule, batch=Batch(size=1, runtime_limit_ms=600_000), **fields)
    return replace(batch(), kind=kind)


def cell_at(text: str) -> CellInMemory:
    """A cell with room, at this time."""
    cell = running_cell(hosts=4)
    at_ms = int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)
    assert at_ms > cell.now_ms
    cell.now_ms = at_ms
    cell.tick(0)
    cell.tick(1_000)
    return cell


def runs(cell: CellInMemory) -> list[str]:
    """The ids of all runs that were made, in order."""
    said = cell.said(JobChanged)
    return [each.message for each in said if each.reason == "cronFired"]


def skips(cell: CellInMemory) -> list[str]:
    """What was told of firings that started nothing."""
    return [each.message for each in cell.said(JobChanged) if each.reason == "cronSkipped"]


def finish(cell: CellInMemory, run: str) -> None:
    """Let a run's task end well."""
    cell.launched()
    cell.status(cell.task(0, run).task_id, "TASK_RUNNING")
    cell.status(cell.task(0, run).task_id, "TASK_FINISHED")


def away(cell: CellInMemory, hours: float) -> None:
    """Nobody leads for hours; then somebody does."""
    cell.now_ms += int(hours * 3_600_000)
    cell.elect("cell-9")
    cell.tick()


def test_each_firing_starts_a_job_of_its_own() -> None:
    cell = cell_at("2027-05-04T09:55:00")
    cell.submit(cron(), NIGHTLY)
    assert cell.state.jobs[NIGHTLY].spec.desired == 0
    cell.pass_ms(26 * MINUTE)
    assert runs(cell) == [
        "nightly-20270504T1000Z",
        "nightly-20270504T1010Z",
        "nightly-20270504T1020Z",
    ]
    run = cell.state.jobs[JobId(runs(cell)[0])]
    assert run.cron_job_id == NIGHTLY
    assert dict(run.spec.attributes) == {
        "flumina.cron.job": "nightly",
        "flumina.cron.firing": "2027-05-04T10:00:00Z",
    }
    finish(cell, runs(cell)[0])
    listed = cell.state.jobs[NIGHTLY].cron.runs  # type: ignore[union-attr]
    assert [(each.state, each.reason) for each in listed] == [
        ("Finished", "normal"),
        ("Accepted", ""),
        ("Accepted", ""),
    ]


def test_a_zone_decides_which_instant_an_hour_is() -> None:
    cell = cell_at("2027-03-27T12:00:00")
    rule = zone_rule("Europe/Berlin")
    assert rule is not None
    cell.submit(cron("30 2 * * *", time_zone="Europe/Berlin", zone_rule=rule), NIGHTLY)
    cell.pass_ms(48 * 60 * MINUTE)
    # On 28 March clocks go from 2:00 to 3:00: it fires at that instant, and the day after at 2:30.
    assert runs(cell) == ["nightly-20270328T0100Z", "nightly-20270329T0030Z"]


@pytest.mark.parametrize(
    ("policy", "made", "skipped"),
    [("none", 0, 18), ("one", 1, 17), ("all", 5, 13)],
)
def test_what_was_missed_while_nobody_led(policy: Any, made: int, skipped: int) -> None:
    cell = cell_at("2027-05-04T09:05:00")
    cell.submit(cron(catch_up=policy, catch_up_max=5), NIGHTLY)
    away(cell, 3)
    assert len(runs(cell)) == made
    assert cell.state.jobs[NIGHTLY].cron.skipped == skipped  # type: ignore[union-attr]
    assert runs(cell)[-1:] == (["nightly-20270504T1200Z"] if made else [])


def test_what_is_later_than_its_deadline_is_not_made_up_for() -> None:
    cell = cell_at("2027-05-04T09:05:00")
    cell.submit(cron(catch_up="all", starting_deadline_ms=25 * MINUTE), NIGHTLY)
    away(cell, 3)
    assert runs(cell) == ["nightly-20270504T1150Z", "nightly-20270504T1200Z"]


def test_overlap_allow_forbid_and_replace() -> None:
    cell = cell_at("2027-05-04T09:55:00")
    for word in ("allow", "forbid", "replace"):
        cell.submit(cron(overlap=word), f"of-{word}")
    cell.pass_ms(16 * MINUTE)
    states = {job_id: job.state for job_id, job in cell.state.jobs.items() if job.cron_job_id}
    assert states == {
        "of-allow-20270504T1000Z": "Accepted",
        "of-allow-20270504T1010Z": "Accepted",
        "of-forbid-20270504T1000Z": "Accepted",
        "of-replace-20270504T1000Z": "Finished",
        "of-replace-20270504T1010Z": "Accepted",
    }
    assert skips(cell) == ["2027-05-04T10:10Z: run of-forbid-20270504T1000Z still lives"]
    finish(cell, "of-forbid-20270504T1000Z")
    cell.pass_ms(10 * MINUTE)
    assert "of-forbid-20270504T1020Z" in runs(cell)


def test_a_run_that_a_user_is_ending_is_ended_once() -> None:
    cell = cell_at("2027-05-04T09:55:00")
    for name in ("of-replace", "of-kill"):
        cell.submit(cron(overlap="replace"), name)
    cell.pass_ms(6 * MINUTE)
    made = runs(cell)
    cell.launched()
    for run in made:
        cell.status(cell.task(0, run).task_id, "TASK_RUNNING")
        cell.kill_job(run)
    cell.kill_job("of-kill")
    cell.pass_ms(10 * MINUTE)
    ending = [each.job_id for each in cell.said(JobChanged) if each.state == "KillInitiated"]
    assert sorted(ending) == sorted([*made, "of-kill"])
    assert "of-replace-20270504T1010Z" in runs(cell)


def test_a_firing_whose_id_is_taken_is_skipped() -> None:
    cell = cell_at("2027-05-04T09:55:00")
    cell.submit(batch(), "nightly-20270504T1000Z")
    cell.submit(cron(), NIGHTLY)
    cell.pass_ms(6 * MINUTE)
    assert skips(cell) == ["2027-05-04T10:00Z: a job nightly-20270504T1000Z exists"]
    assert runs(cell) == []


def test_only_so_many_ended_runs_are_listed() -> None:
    cell = cell_at("2027-05-04T09:55:00")
    cell.submit(cron(runs_kept_max=2), NIGHTLY)
    for _ in range(5):
        cell.pass_ms(10 * MINUTE)
        cell.offer(f"host-{len(cell.log)}")
        finish(cell, runs(cell)[-1])
    listed = cell.state.jobs[NIGHTLY].cron.runs  # type: ignore[union-attr]
    assert [each.job_id for each in listed] == runs(cell)[-2:]


def test_killing_it_ends_its_runs_and_its_schedule() -> None:
    cell = cell_at("2027-05-04T09:55:00")
    cell.submit(cron(), NIGHTLY)
    cell.pass_ms(6 * MINUTE)
    cell.kill_job(NIGHTLY)
    assert {job.state for job in cell.state.jobs.values()} == {"Finished"}
    cell.pass_ms(30 * MINUTE)
    assert len(runs(cell)) == 1
    assert not cell.state.cron_jobs


def test_a_disabled_one_fires_not_and_an_update_is_for_runs_to_come() -> None:
    cell = cell_at("2027-05-04T09:55:00")
    cell.submit(cron(), NIGHTLY)
    cell.copy("jobs", JobEnabledAsked(NIGHTLY, is_enabled=False))
    cell.pass_ms(6 * MINUTE)
    assert runs(cell) == []
    assert skips(cell) == ["2027-05-04T10:00Z: the job is disabled"]
    cell.copy("jobs", JobEnabledAsked(NIGHTLY, is_enabled=True))
    cell.copy("jobs", JobUpdateAsked(NIGHTLY, cron("5 * * * *"), "other"))
    cell.pass_ms(70 * MINUTE)
    assert runs(cell) == ["nightly-20270504T1005Z", "nightly-20270504T1105Z"]


def test_the_cell_s_limits_hold_for_runs_too() -> None:
    cell = cell_at("2027-05-04T09:55:00")
    cell.set_policy(active_jobs_max=1)
    cell.submit(cron(), NIGHTLY)
    cell.pass_ms(6 * MINUTE)
    assert "2 active jobs exceed the cell's limit of 1" in skips(cell)[0]


def test_an_id_that_leaves_no_room_for_those_of_its_runs_is_refused() -> None:
    cell = cell_at("2027-05-04T09:55:00")
    cell.submit(cron(), "n" * 50)
    (fault,) = cell.said(JobRejected)[0].faults
    assert fault.field == "jobId"
    assert "at most 49 characters" in fault.hint


def test_it_goes_on_from_a_snapshot_and_replays_to_the_same_bytes() -> None:
    cell = cell_at("2027-05-04T09:55:00")
    cell.submit(cron(), NIGHTLY)
    cell.pass_ms(6 * MINUTE)
    cell.machine = Machine.restored(cell.machine.kept())
    cell.pass_ms(10 * MINUTE)
    assert len(runs(cell)) == 2
    assert cell.refolded().digest.value() == cell.machine.digest.value()
