"""POST of a job: names, repetitions, dry runs, and what is answered when the fold is not there yet.

Each test sends requests to the real application over a cell in memory, and looks at the answers
and at the cell's own state.
"""

import asyncio
import json
from typing import Any

import pytest

from connectors.web.cell import Token, Topic
from connectors.web.submitting import derived_id
from scheduler.model.ids import JobId, job_id_fault
from scheduler.model.inbound import InboundLost
from scheduler.model.policy import Policy
from tests.support.asgi import answer, call
from tests.support.cell import CellInMemory, running_cell
from tests.support.web_cell import WebCell, descriptor, service_descriptor

JOBS = "/api/v3/jobs"


def test_a_job_is_made_and_readable_when_the_answer_comes() -> None:
    web = WebCell()
    made = call(web.app, "POST", f"{JOBS}?jobId=titus-1", descriptor())
    assert made.status == 201
    assert made.json == {"id": "titus-1"}
    assert made.headers["location"] == "/api/v3/jobs/titus-1"
    assert made.headers["x-flumina-token"] == "jobs:0:1"
    shown = call(web.app, "GET", made.headers["location"])
    assert shown.status == 200
    assert shown.json["jobDescriptor"]["applicationName"] == "app"
    assert web.cell.state.jobs[JobId("titus-1")].actor == "unknown@127.0.0.1"


def test_the_actor_of_the_header_is_in_the_log_in_utf_8() -> None:
    web = WebCell()
    name = "ada müller".encode()
    made = call(web.app, "POST", f"{JOBS}?jobId=a", descriptor(), {"X-Flumina-Actor": name})
    assert made.status == 201
    assert web.cell.state.jobs[JobId("a")].actor == "ada müller"


def test_without_a_name_each_submission_is_a_job_of_its_own() -> None:
    web = WebCell()
    ids = {call(web.app, "POST", JOBS, descriptor()).json["id"] for _ in range(3)}
    assert len(ids) == 3
    assert ids == set(web.cell.state.jobs)
    assert all(each.startswith("job-") and job_id_fault(each) is None for each in ids)


def test_the_same_key_and_content_is_one_job_and_the_same_answer() -> None:
    web = WebCell()
    key = {"Idempotency-Key": "4f7d2b50-0f0a-4f0e-9a0b-6a3f6f1c2d3e"}
    first = call(web.app, "POST", JOBS, descriptor(), key)
    again = call(web.app, "POST", JOBS, descriptor(), key)
    made = {"id": derived_id(key["Idempotency-Key"])}
    assert (first.status, first.json) == (again.status, again.json) == (201, made)
    assert "x-flumina-repeated" not in first.headers
    assert again.headers["x-flumina-repeated"] == "true"
    assert len(web.cell.state.jobs) == 1


def test_the_same_key_and_other_content_is_a_conflict() -> None:
    web = WebCell()
    key = {"Idempotency-Key": "k"}
    assert call(web.app, "POST", JOBS, descriptor(), key).status == 201
    other = call(web.app, "POST", JOBS, descriptor(applicationName="other"), key)
    assert other.status == 409
    assert other.json["faults"][0]["field"] == "jobId"
    assert len(web.cell.state.jobs) == 1


def test_the_same_name_and_other_content_is_a_conflict() -> None:
    web = WebCell()
    target = f"{JOBS}?jobId=a"
    assert call(web.app, "POST", target, descriptor()).status == 201
    assert call(web.app, "POST", target, descriptor()).status == 201
    assert call(web.app, "POST", target, descriptor(batch={"size": 2})).status == 409


def test_a_repetition_is_answered_while_nobody_leads() -> None:
    """The first answer may have been lost together with the leader."""
    web = WebCell()
    target = f"{JOBS}?jobId=a"
    call(web.app, "POST", target, descriptor())
    web.silent_ms = 60_000
    again = call(web.app, "POST", target, descriptor())
    assert (again.status, again.json) == (201, {"id": "a"})
    accepted = web.cell.state.jobs[JobId("a")].accepted_offset
    assert again.headers["x-flumina-token"] == f"cell:0:{accepted}"
    assert len(web.published) == 1


def test_two_at_once_with_one_key_are_one_job() -> None:
    """Both are published; the fold takes the first and knows the second again."""
    web = WebCell()
    web.is_ingesting = False
    key = {"Idempotency-Key": "k"}

    async def both() -> list[Any]:
        first = asyncio.create_task(answer(web.app, "POST", JOBS, descriptor(), key))
        second = asyncio.create_task(answer(web.app, "POST", JOBS, descriptor(), key))
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(web.published) == 2
        web.ingest()
        return [await first, await second]

    first, second = asyncio.run(both())
    assert first.status == second.status == 201
    assert first.json == second.json
    assert second.headers["x-flumina-repeated"] == "true"
    assert len(web.cell.state.jobs) == 1


def test_a_name_and_a_key_together_are_refused() -> None:
    web = WebCell()
    refused = call(web.app, "POST", f"{JOBS}?jobId=a", descriptor(), {"Idempotency-Key": "k"})
    assert refused.status == 400
    assert refused.json["faults"][0]["field"] == "jobId"


def test_a_fold_that_is_late_gives_a_token_that_a_read_takes() -> None:
    web = WebCell()
    web.is_ingesting = False
    late = call(web.app, "POST", f"{JOBS}?jobId=a", descriptor())
    assert late.status == 202
    assert late.json == {"id": "a", "token": "jobs:0:1"}
    assert call(web.app, "GET", f"{JOBS}/a").status == 404
    waiting = call(web.app, "GET", f"{JOBS}/a?atLeast=jobs:0:1")
    assert waiting.status == 503
    assert waiting.headers["retry-after"] == "1"
    web.ingest()
    assert call(web.app, "GET", f"{JOBS}/a?atLeast=jobs:0:1").status == 200
    header = {"X-Flumina-At-Least": "jobs:0:1"}
    assert call(web.app, "GET", f"{JOBS}/a", headers=header).status == 200


def test_a_read_waits_for_its_token() -> None:
    web = WebCell()
    web.is_ingesting = False
    assert call(web.app, "POST", f"{JOBS}?jobId=a", descriptor()).status == 202

    async def read_while_it_comes() -> int:
        reading = asyncio.create_task(answer(web.app, "GET", f"{JOBS}/a?atLeast=jobs:0:1"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not reading.done()
        web.ingest()
        return (await reading).status

    assert asyncio.run(read_while_it_comes()) == 200


@pytest.mark.parametrize("state", ["silent", "never elected", "halted"])
def test_without_a_leader_nothing_is_published(state: str) -> None:
    web = WebCell(CellInMemory() if state == "never elected" else running_cell())
    web.silent_ms = 10_001 if state == "silent" else 0
    web.halt = "a record of another build" if state == "halted" else ""
    refused = call(web.app, "POST", f"{JOBS}?jobId=a", descriptor())
    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"
    assert "Nothing was written" in refused.json["errorDetails"]
    assert web.published == []


def test_when_kafka_does_not_acknowledge_the_id_is_told() -> None:
    web = WebCell()
    web.fault = "no answer within 5 s"
    refused = call(web.app, "POST", JOBS, descriptor())
    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json["id"].startswith("job-")
    assert "may have been written" in refused.json["errorDetails"]


class LosingCell(WebCell):
    """Kafka drops every record before it is copied; ingest names what is lost."""

    def ingest(self) -> None:
        self.waiting = [
            (topic, InboundLost(first_offset=1, last_offset=1)) for topic, _ in self.waiting
        ]
        super().ingest()


class AnewCell(WebCell):
    """Topic ``jobs`` was made anew: its offsets begin again, below those that were folded."""

    async def publish(self, topic: Topic, key: str, value: bytes) -> Token:
        await super().publish(topic, key, value)
        return Token(topic, 0, 1)


def test_a_record_that_was_lost_is_no_success() -> None:
    web = LosingCell()
    refused = call(web.app, "POST", f"{JOBS}?jobId=a", descriptor())
    assert refused.status == 503
    assert (refused.json["id"], refused.json["token"]) == ("a", "jobs:0:1")
    assert "without an answer" in refused.json["message"]


def test_the_answer_to_an_older_record_of_the_same_number_is_not_ours() -> None:
    web = AnewCell()
    assert call(web.app, "POST", f"{JOBS}?jobId=a", descriptor()).status == 201
    refused = call(web.app, "POST", f"{JOBS}?jobId=b", descriptor(batch={"size": 7}))
    assert refused.status == 503


def test_what_the_cell_refuses_has_the_shape_that_titus_users_know() -> None:
    web = WebCell(running_cell(policy=Policy(batch_size_max=10)))
    refused = call(web.app, "POST", JOBS, descriptor(batch={"size": 11}))
    assert refused.status == 400
    assert refused.json["statusCode"] == 400
    assert refused.json["errorContext"] == {
        "constraintViolations": {"batch.size": "11 tasks exceed the cell's limit of 10"}
    }
    (fault,) = refused.json["faults"]
    assert fault["field"] == "batch.size"
    assert fault["hint"]


def test_limits_of_the_whole_cell_are_429() -> None:
    web = WebCell(running_cell(policy=Policy(active_jobs_max=1)))
    assert call(web.app, "POST", f"{JOBS}?jobId=a", descriptor()).status == 201
    assert call(web.app, "POST", f"{JOBS}?jobId=b", descriptor()).status == 429
    many = WebCell(running_cell(policy=Policy(queued_tasks_max=5)))
    assert call(many.app, "POST", JOBS, descriptor(batch={"size": 6})).status == 429


def test_a_used_sequence_is_400_and_names_the_other_job() -> None:
    web = WebCell()
    named = descriptor(jobGroupInfo={"sequence": "001"})
    assert call(web.app, "POST", f"{JOBS}?jobId=a", named).status == 201
    refused = call(web.app, "POST", f"{JOBS}?jobId=b", named)
    assert refused.status == 400
    assert "active job a" in refused.json["message"]


def test_a_dry_run_says_what_would_be_made_and_writes_nothing() -> None:
    web = WebCell()
    web.silent_ms = 60_000  # Nobody needs to lead for that.
    dry = call(web.app, "POST", f"{JOBS}?dryRun=true&jobId=a", service_descriptor(desired=3))
    assert dry.status == 200
    assert dry.json["dryRun"] is True
    assert dry.json["id"] == "a"
    assert dry.json["jobDescriptor"]["service"]["capacity"]["desired"] == 3
    assert dry.json["jobDescriptor"]["capacityGroup"] == "DEFAULT"
    assert web.published == []
    assert not web.cell.state.jobs


CROWDED = Policy(
    active_jobs_max=1,
    queued_tasks_max=2,
    batch_size_max=3,
    service_size_max=4,
    task_cpu_milli_max=1_000,
    task_memory_mib_max=1_000,
    task_disk_mib_max=1_000,
    task_ports_max=1,
)
BIG = {"cpu": 2, "memoryMB": 2_000, "diskMB": 2_000, "ports": 2}
SUBMISSIONS = {
    "same again": ("known", descriptor()),
    "duplicate id": ("known", descriptor(applicationName="other")),
    "too many jobs": ("new", descriptor()),
    "too big a batch": ("new", descriptor(batch={"size": 4})),
    "too big a service": ("new", service_descriptor(desired=1, maximum=5)),
    "too big a task": ("new", descriptor(container={"resources": BIG, "command": ["true"]})),
    "used name": ("new", descriptor(jobGroupInfo={"stack": "s", "sequence": "1"})),
}


@pytest.mark.parametrize("policy", [Policy(), CROWDED], ids=["roomy", "crowded"])
@pytest.mark.parametrize("case", SUBMISSIONS)
def test_a_dry_run_answers_as_the_fold_does(policy: Policy, case: str) -> None:
    """The same submission, dry and real, is taken or refused with the same status and faults."""
    web = WebCell(running_cell(policy=policy))
    job_id, asked = SUBMISSIONS[case]
    known = descriptor() if case != "used name" else asked
    assert call(web.app, "POST", f"{JOBS}?jobId=known", known).status == 201
    dry = call(web.app, "POST", f"{JOBS}?jobId={job_id}&dryRun=true", asked)
    real = call(web.app, "POST", f"{JOBS}?jobId={job_id}", asked)
    assert (dry.status == 200) == (real.status == 201)
    if real.status != 201:
        assert dry.status == real.status
        assert dry.json == real.json


def test_what_is_published_is_what_every_producer_may_publish() -> None:
    web = WebCell()
    call(web.app, "POST", f"{JOBS}?jobId=a", descriptor(), {"X-Flumina-Actor": "ada"})
    ((topic, key, value),) = web.published
    record = json.loads(value)
    assert (topic, key) == ("jobs", "a")
    assert record["type"] == "SubmitJob"
    assert record["actor"] == "ada"
    assert record["job"]["batch"]["runtimeLimitSec"] == 432_000
