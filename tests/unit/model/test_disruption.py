"""Budgets as Titus writes them: what is read is written again, and what cannot be is refused."""

import json
from typing import Any

import pytest

from scheduler.disruption.patterns import is_meant
from scheduler.disruption.windows import is_open, opens_at_ms
from scheduler.model.descriptor import descriptor_of, spec_digest, spec_of
from scheduler.model.disruption import (
    AvailabilityPercentage,
    DisruptionBudget,
    Hours,
    JobBudgetAsked,
    PercentagePerInterval,
    TaskEvictionAsked,
    Window,
)
from scheduler.model.foreign import decode_jobs_record
from scheduler.model.foreign_disruption import encode_evict_task, encode_set_budget
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import InboundRejected
from scheduler.model.job import JobSpec
from scheduler.model.rules_document.windows import window_of, window_text
from scheduler.model.time_zones import zone_rule
from scheduler.model.v3.disruption import written_budget
from tests.support.samples_disruption import BUDGET, REQUESTS
from tests.support.web_cell import descriptor

PACIFIC = zone_rule("PST") or ""
HOUR = 3_600_000
POLICY = {"selfManaged": {"relocationTimeMs": 90_000}}


def read(budget: Any) -> JobSpec:
    """The job with this budget, which must be taken."""
    spec = spec_of(descriptor(disruptionBudget=budget))
    assert isinstance(spec, JobSpec), spec
    return spec


def test_what_spinnaker_writes_is_read() -> None:
    spec = read(
        {
            "availabilityPercentageLimit": {"percentageOfHealthyContainers": 95},
            "ratePercentagePerInterval": {"intervalMs": 600_000, "percentageLimitPerInterval": 5},
            "timeWindows": [
                {
                    "days": ["Monday", "friday"],
                    "hourlyTimeWindows": [{"startHour": 10, "endHour": 16}],
                    "timeZone": "PST",
                }
            ],
            "containerHealthProviders": [],
        }
    )
    assert spec.budget == DisruptionBudget(
        AvailabilityPercentage(95_000),
        PercentagePerInterval(600_000, 5_000),
        (Window((0, 4), (Hours(10, 16),), "PST", "PST8PDT,M3.2.0,M11.1.0"),),
    )


@pytest.mark.parametrize("asked", [each for each in REQUESTS if isinstance(each, JobBudgetAsked)])
def test_every_budget_is_written_as_it_would_be_read(asked: JobBudgetAsked) -> None:
    if asked.budget is None:
        assert read({}).budget is None
        assert read(None).budget is None
        return
    written = json.loads(json.dumps(written_budget(asked.budget)))
    spec = read(written)
    assert spec.budget == asked.budget
    assert spec_of(descriptor_of(spec)) == spec


def test_a_job_without_a_budget_has_the_digest_that_it_always_had() -> None:
    assert "disruptionBudget" not in descriptor_of(read(None))
    assert spec_digest(read(None)) == spec_digest(read({})) != spec_digest(read(POLICY))


@pytest.mark.parametrize("unlimited", [True, {}])
def test_an_unlimited_rate_is_written_in_two_ways(unlimited: Any) -> None:
    assert read({**POLICY, "rateUnlimited": unlimited}) == read(POLICY)


@pytest.mark.parametrize(
    ("budget", "field"),
    [
        ({**POLICY, "rateUnlimited": 5}, "rateUnlimited"),
        ({**POLICY, "rateUnlimited": {}, "ratePerInterval": {}}, ""),
        ({**POLICY, "ratePercentagePerHour": {}}, "ratePercentagePerHour.max"),
        ({"selfManaged": {"relocationTimeMs": -1}}, "selfManaged.relocationTimeMs"),
        ({"unhealthyTasksLimit": 3}, "unhealthyTasksLimit"),
        ({**POLICY, "timeWindows": {}}, "timeWindows"),
        ({**POLICY, "timeWindows": [{}] * 17}, "timeWindows"),
        ({**POLICY, "timeWindows": [{"days": ["Mond"]}]}, "timeWindows[0].days"),
        ({**POLICY, "timeWindows": [7]}, "timeWindows[0]"),
        ({**POLICY, "something": 1}, "something"),
        ("none", ""),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_path(budget: Any, field: str) -> None:
    found = spec_of(descriptor(disruptionBudget=budget))
    assert isinstance(found, tuple)
    assert any(each.field.startswith(f"disruptionBudget{'.' if field else ''}{field}")
               for each in found), found  # fmt: skip


def test_records_are_read_as_they_are_written() -> None:
    job_id, task_id = JobId("titus-12345"), TaskId("titus-12345-worker-1-5")
    value = encode_set_budget(job_id, written_budget(BUDGET), "ada", "peaks", if_version=3)
    assert decode_jobs_record(job_id.encode(), value) == REQUESTS[0]
    value = encode_set_budget(job_id, {})
    assert decode_jobs_record(b"", value) == JobBudgetAsked(job_id, None)
    value = encode_evict_task(task_id, "new kernel", "ada")
    assert decode_jobs_record(job_id.encode(), value) == TaskEvictionAsked(
        task_id, "new kernel", "ada"
    )
    assert isinstance(decode_jobs_record(b"another-job", value), InboundRejected)
    missing = b'{"type":"SetDisruptionBudget","jobId":"titus-1"}'
    assert isinstance(decode_jobs_record(b"", missing), InboundRejected)


# Windows.

MONDAY_8_PACIFIC_MS = 1_699_891_200_000
"""2023-11-13 16:00 UTC."""


def test_a_window_is_open_to_the_end_of_its_last_hour() -> None:
    window = (Window((0,), (Hours(8, 16),), "PST", PACIFIC),)
    assert not is_open(window, MONDAY_8_PACIFIC_MS - 1)
    assert is_open(window, MONDAY_8_PACIFIC_MS)
    assert is_open(window, MONDAY_8_PACIFIC_MS + 9 * HOUR - 1)
    assert not is_open(window, MONDAY_8_PACIFIC_MS + 9 * HOUR)
    assert opens_at_ms(window, MONDAY_8_PACIFIC_MS + 9 * HOUR) == MONDAY_8_PACIFIC_MS + 168 * HOUR


def test_a_window_follows_the_clocks_of_its_zone() -> None:
    """In July eight o'clock in Los Angeles is an hour earlier than in November."""
    window = (Window((), (Hours(8, 8),), "PST", PACIFIC),)
    july_ms = MONDAY_8_PACIFIC_MS - 126 * 24 * HOUR
    assert not is_open(window, july_ms)
    assert is_open(window, july_ms - HOUR)


@pytest.mark.parametrize(
    "text",
    ["Mon-Fri 8-16 America/Los_Angeles", "daily 0-23 UTC", "Sat,Sun 22-23,0-5 Asia/Kathmandu"],
)
def test_a_window_of_a_policy_is_written_as_it_is_read(text: str) -> None:
    window = window_of(text)
    assert isinstance(window, Window)
    assert window_of(window_text(window)) == window


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "days, hours and a time zone are needed"),
        ("Mon-Fri 8-16", "days, hours and a time zone are needed"),
        ("Fri-Mon 8-16 UTC", "no days"),
        ("Mon 16-8 UTC", "no hours of a day"),
        ("Mon 8-24 UTC", "no hours of a day"),
        ("Mon 8-16 Mars/Base", "no time zone"),
    ],
)
def test_a_window_of_a_policy_that_says_nothing_is_refused(text: str, words: str) -> None:
    found = window_of(text)
    assert isinstance(found, tuple)
    assert words in found[0]


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("canary", "canary", True),
        ("canary-7", "canary", False),
        ("canary-7", "canary*", True),
        ("a-canary", "*canary", True),
        ("abcabd", "a*b*d", True),
        ("ab", "ab*b", False),
        ("aXbYc", "a*b*c", True),
        ("aXcYb", "a*b*c", False),
        ("anything", "*", True),
        ("a" * 255, "*a*" * 80 + "b", False),
    ],
)
def test_a_pattern_fits_a_whole_name(name: str, pattern: str, expected: bool) -> None:
    assert is_meant(name, (pattern,)) is expected
