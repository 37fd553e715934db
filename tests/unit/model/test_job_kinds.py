"""Streams, cron jobs and sets in a descriptor: read, written again as the same, and refused."""

from typing import Any

import pytest

from scheduler.model.descriptor import descriptor_of, spec_of
from scheduler.model.inbound import Fault
from scheduler.model.job import Batch, Cron, JobSpec, Service, Stream, TaskSet

BATCH = {"size": 2, "runtimeLimitSec": 60, "retryPolicy": {"immediate": {"retries": 3}}}
CRON = {"schedule": "30 2 * * mon-fri", "timeZone": "America/New_York", "batch": BATCH}


def descriptor(**kind: Any) -> dict[str, Any]:
    """A small job of this kind."""
    return {
        "owner": {"teamEmail": "team@example.org"},
        "applicationName": "app",
        "container": {"resources": {"cpu": 1, "memoryMB": 64}, "command": ["true"]},
        **kind,
    }


def read(**kind: Any) -> JobSpec:
    """The job, which must be readable, and written again as the same."""
    spec = spec_of(descriptor(**kind))
    assert isinstance(spec, JobSpec), spec
    assert spec_of(descriptor_of(spec)) == spec
    return spec


def faults(**kind: Any) -> dict[str, str]:
    """The texts of what is wrong, by field."""
    found = spec_of(descriptor(**kind))
    assert isinstance(found, tuple), found
    assert all(isinstance(each, Fault) for each in found)
    return {each.field: each.text for each in found}


def test_a_stream_is_read_and_written() -> None:
    spec = read(stream={"workers": 3, "orderedStart": True})
    assert spec.kind == Stream(workers=3, is_start_ordered=True)
    assert spec.desired == 3


def test_a_cron_job_is_read_with_the_rule_of_its_zone() -> None:
    spec = read(
        cron={
            **CRON,
            "catchUp": "all",
            "catchUpLimit": 4,
            "overlap": "forbid",
            "startingDeadlineSec": 600,
            "historyLimit": 3,
        }
    )
    assert spec.kind == Cron(
        schedule="30 2 * * mon-fri",
        batch=Batch(size=2, runtime_limit_ms=60_000),
        time_zone="America/New_York",
        zone_rule="EST5EDT,M3.2.0,M11.1.0",
        catch_up="all",
        catch_up_max=4,
        overlap="forbid",
        starting_deadline_ms=600_000,
        runs_kept_max=3,
    )
    assert spec.retry.retries == 3
    assert spec.desired == 0


def test_what_is_left_out_is_not_written_into_the_log_as_something_else() -> None:
    spec = read(cron={"schedule": "@daily", "batch": BATCH})
    assert spec.kind == Cron(schedule="@daily", batch=Batch(size=2, runtime_limit_ms=60_000))


def test_sets_are_read_in_order_and_must_add_up() -> None:
    sets = [
        {"name": "dc1", "count": 1, "hostAttributes": {"dc": "1"}},
        {"name": "dc2", "count": 2, "hostAttributes": {"dc": "2"}},
    ]
    spec = read(batch={**BATCH, "size": 3}, sets=sets)
    assert spec.sets == (TaskSet("dc1", 1, (("dc", "1"),)), TaskSet("dc2", 2, (("dc", "2"),)))
    assert faults(batch={**BATCH, "size": 4}, sets=sets) == {
        "sets": "have 3 tasks together, and the job wants 4"
    }
    assert set(faults(batch=BATCH, sets=[{"name": "x", "count": 2}])) == {"sets[0].hostAttributes"}
    assert isinstance(read(service={"capacity": {"desired": 1, "max": 2}}).kind, Service)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ({"stream": {"workers": 0}}, "stream.workers"),
        ({"stream": {"workers": 1, "capacity": {}}}, "stream.capacity"),
        ({"stream": {"workers": 1}, "batch": BATCH}, "stream"),
        ({"cron": CRON, "batch": BATCH}, "cron"),
        ({"cron": {**CRON, "schedule": "0 0 31 feb *"}}, "cron.schedule"),
        ({"cron": {**CRON, "timeZone": "Mars/Olympus"}}, "cron.timeZone"),
        ({"cron": {**CRON, "overlap": "queue"}}, "cron.overlap"),
        ({"cron": {**CRON, "catchUp": "two"}}, "cron.catchUp"),
        ({"cron": {**CRON, "catchUpLimit": 101}}, "cron.catchUpLimit"),
        ({"cron": {"schedule": "@daily"}}, "cron.batch"),
        ({"cron": {**CRON, "batch": {**BATCH, "size": 0}}}, "cron.batch.size"),
        ({"cron": {**CRON, "when": "now"}}, "cron.when"),
        ({"sets": [], "batch": BATCH}, "sets"),
        ({}, "batch"),
    ],
)
def test_what_is_wrong_says_where(kind: dict[str, Any], field: str) -> None:
    assert set(faults(**kind)) == {field}
