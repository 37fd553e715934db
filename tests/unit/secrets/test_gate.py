"""Submissions with secrets through the API: sealed in what is published, the same when repeated."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from connectors.objects.directory import DirectoryStore
from connectors.secrets.providers import FileProvider, write_key_file
from connectors.secrets.ring import KeyRing
from connectors.secrets.sealing import open_sealed
from connectors.web.app import web_app
from connectors.web.secret_gate import SecretGate
from scheduler.model.foreign import decode_jobs_record
from scheduler.model.foreign_records import encode_submit
from scheduler.model.ids import JobId
from scheduler.model.inbound import InboundRejected
from tests.support.asgi import Answer, call
from tests.support.web_cell import WAIT_S, WebCell, descriptor

JOBS = "/api/v3/jobs"
SECRETS = "/api/flumina/secrets"
ADA = {"X-Flumina-Actor": "ada"}
NAME = "DB_PASSWORD"
VALUE = "canary-7f3a9c"


class There:
    """A cell, an API with a key ring in front of it, and all that was published."""

    def __init__(self, folder: Path, **options: Any) -> None:
        write_key_file(folder / "k")
        self.ring = KeyRing(DirectoryStore(folder / "ring"), FileProvider(folder / "k"))
        self.cell = WebCell()
        self.app = self.app_with(SecretGate(lambda: self.ring, **options))

    def app_with(self, gate: SecretGate) -> ASGIApp:
        return web_app(self.cell, self.cell.files, wait_s=WAIT_S, secrets=gate)

    def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Answer:
        return call(self.app, method, target, body, {**ADA, **headers})

    def submit(self, job_id: str, body: dict[str, Any]) -> Answer:
        return self.ask("POST", f"{JOBS}?jobId={job_id}", body)

    def environment(self, job_id: str) -> dict[str, str]:
        container = self.ask("GET", f"{JOBS}/{job_id}").json["jobDescriptor"]["container"]
        return dict(container["env"])

    def is_clean(self) -> bool:
        written = [value for _, _, value in self.cell.published] + list(self.cell.cell.log)
        return not any(VALUE.encode() in each for each in written)


Make = Callable[..., There]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda **options: There(tmp_path, **options)


def _job(marked: str = "DB_PASSWORD", **environment: str) -> dict[str, Any]:
    made = descriptor()
    made["container"]["env"] = {"DB_PASSWORD": VALUE, "PLAIN": "seen", **environment}
    if marked:
        made["container"]["attributes"] = {"flumina.secretEnvironment": marked}
    return made


def test_a_marked_value_is_sealed_before_anything_is_published(make: Make) -> None:
    there = make()
    assert there.submit("j", _job()).status == 201
    shown = there.environment("j")
    assert shown["PLAIN"] == "seen"
    assert open_sealed(there.ring, "j", "DB_PASSWORD", shown["DB_PASSWORD"]) == VALUE
    assert there.is_clean()


def test_a_star_marks_every_value(make: Make) -> None:
    there = make()
    there.submit("j", _job("*"))
    assert all(each.startswith("flumina-sealed:1:") for each in there.environment("j").values())


def test_the_same_submission_again_is_the_same(make: Make) -> None:
    there = make()
    there.submit("j", _job())
    there.ring.rotate(there.ring.tenants_of("ada@example.org")[0])
    again = there.submit("j", _job())
    assert (again.status, again.headers["x-flumina-repeated"]) == (201, "true")
    other = there.submit("j", _job(**{NAME: "another"}))
    assert other.status == 409, "another value is another job"


def test_what_was_shown_can_be_submitted_again_for_the_same_job_only(make: Make) -> None:
    there = make()
    there.submit("j", _job())
    copied = _job(DB_PASSWORD=there.environment("j")["DB_PASSWORD"])
    assert there.submit("j", copied).headers["x-flumina-repeated"] == "true"
    stolen = there.submit("thief", copied)
    assert stolen.status == 400
    assert "another job or variable" in stolen.json["errorDetails"]
    moved = _job("OTHER", OTHER=copied["container"]["env"]["DB_PASSWORD"])
    assert there.submit("j2", moved).status == 400


def test_an_update_keeps_what_it_does_not_change(make: Make) -> None:
    there = make()
    service = {**_job(), "batch": None, "service": {"capacity": {"desired": 1, "max": 2}}}
    service.pop("batch")
    assert there.submit("s", service).status == 201
    sealed = there.environment("s")["DB_PASSWORD"]
    service["container"]["env"] |= {"DB_PASSWORD": sealed, "PLAIN": "changed"}
    updates = "/api/flumina/jobs/s/updates"
    assert there.ask("POST", updates, {"job": service}).status == 200
    assert sealed.encode() in there.cell.published[-1][2]
    service["container"]["env"] |= {"DB_PASSWORD": VALUE + "2"}
    there.ask("POST", updates, {"job": service})
    assert there.is_clean()


def test_a_dry_run_seals_and_shows_nothing(make: Make) -> None:
    there = make()
    answer = there.ask("POST", f"{JOBS}?dryRun=true", _job())
    assert answer.status == 200
    assert VALUE not in answer.body.decode()
    assert there.ring.tenants() == []


def test_without_a_key_ring_a_job_with_secrets_is_refused(make: Make) -> None:
    there = make()
    there.app = there.app_with(SecretGate())
    answer = there.submit("j", _job())
    assert answer.status == 400
    assert "FLUMINA_SECRET_KEYS" in answer.json["errorDetails"]
    assert there.cell.published == []
    assert there.submit("k", _job(marked="")).status == 201


def test_a_key_provider_that_cannot_be_used_is_said_and_nothing_written(
    make: Make, tmp_path: Path
) -> None:
    there = make()
    (tmp_path / "k").chmod(0o644)
    answer = there.submit("j", _job())
    assert answer.status == 400
    assert "others can read it" in answer.body.decode()
    assert there.cell.published == []


def test_a_publisher_who_seals_nothing_is_refused_by_the_cell(make: Make) -> None:
    """The record is in the topic then, by its writer's hand; it goes no further."""
    there = make()
    body = decode_jobs_record(b"j", encode_submit(JobId("j"), _job(), "ada"))
    assert isinstance(body, InboundRejected)
    (fault,) = body.faults
    assert fault.field == "container.env.DB_PASSWORD"
    assert VALUE not in repr(body)
    assert there.cell.published == []


def test_a_publisher_has_values_sealed_for_him(make: Make) -> None:
    there = make()
    body = {
        "jobId": "j",
        "ownerEmail": "ada@example.org",
        "applicationName": "app",
        "values": {"DB_PASSWORD": VALUE},
    }
    sealed = there.ask("POST", f"{SECRETS}/seal", body).json["values"]["DB_PASSWORD"]
    assert there.submit("j", _job(DB_PASSWORD=sealed)).status == 201
    assert there.is_clean()
    assert there.ask("POST", f"{SECRETS}/seal", {**body, "values": {"A B": "x"}}).status == 400


def test_orders_about_keys_stand_in_the_log_before_they_are_done(make: Make) -> None:
    there = make()
    there.submit("j", _job())
    sealed = there.environment("j")["DB_PASSWORD"]
    tenant = {"ownerEmail": "ada@example.org", "applicationName": "app"}
    rotated = there.ask("POST", f"{SECRETS}/rotate", {**tenant, "why": "a year"})
    assert rotated.json == {"version": 2}
    gone = there.ask("POST", f"{SECRETS}/forget", {"jobId": "j", "why": "she left"})
    assert gone.json == {"tenantKeys": 0, "jobKeys": 1}
    notes = there.cell.view.state.incident_notes.values()
    assert [(each.actor, each.text) for each in notes] == [
        ("ada", "secrets: a new key for app of ada@example.org: a year"),
        ("ada", "secrets: those of job j forgotten: she left"),
    ]
    assert there.environment("j")["DB_PASSWORD"] == sealed, "the log is as it was"
    (keys,) = there.ask("GET", SECRETS).json["items"]
    assert (keys["versions"], keys["jobs"]) == ([1, 2], 0)
    assert there.ask("POST", f"{SECRETS}/forget", {**tenant, "why": "x"}).json["tenantKeys"] == 2
    unknown = {"ownerEmail": "no@body", "why": "x"}
    assert there.ask("POST", f"{SECRETS}/forget", unknown).status == 404
    assert there.ask("POST", f"{SECRETS}/forget", {"why": "x"}).status == 400


def test_nothing_is_forgotten_that_the_log_does_not_say(make: Make) -> None:
    there = make()
    there.submit("j", _job())
    there.cell.is_ingesting = False
    late = there.ask("POST", f"{SECRETS}/forget", {"jobId": "j", "why": "x"})
    assert late.status == 503
    assert there.ask("GET", SECRETS).json["items"][0]["jobs"] == 1


def test_what_looks_secret_is_said_or_refused(make: Make) -> None:
    there = make(detection="warn")
    told = there.submit("j", _job(marked=""))
    assert "DB_PASSWORD" in told.headers["x-flumina-warning"]
    assert VALUE not in told.headers["x-flumina-warning"]
    assert "x-flumina-warning" not in there.submit("k", _job()).headers
    there.app = there.app_with(SecretGate(lambda: there.ring, "refuse"))
    answer = there.submit("l", _job(marked=""))
    assert answer.status == 400
    assert [each["field"] for each in answer.json["faults"]] == ["container.env.DB_PASSWORD"]
    assert VALUE not in json.dumps(answer.json)
