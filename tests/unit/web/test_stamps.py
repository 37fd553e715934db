"""What the cell says of a job itself: who made it, why, where; nobody can submit those words."""

from scheduler.model.ids import JobId
from tests.support.asgi import call
from tests.support.web_cell import WebCell, descriptor

FORGED = {
    "titus.createdBy": "somebody else",
    "titus.cell": "elsewhere",
    "titus.callReason": "because",
    "titus.sanitization.skipped": "true",
    "titus.runtimePrediction.seconds": "1",
    "mine": "stays",
}


def test_who_why_and_where_are_stamped_and_forged_ones_are_stripped() -> None:
    web = WebCell()
    actor = {"X-Flumina-Actor": "ada@example.org"}
    path = "/api/v3/jobs?jobId=job&why=nightly%20run"
    assert call(web.app, "POST", path, descriptor(attributes=FORGED), actor).status == 201
    shown = call(web.app, "GET", "/api/v3/jobs/job").json["jobDescriptor"]["attributes"]
    assert shown == {
        "mine": "stays",
        "titus.callReason": "nightly run",
        "titus.cell": "test",
        "titus.createdBy": "ada@example.org",
    }
    job = web.cell.state.jobs[JobId("job")]
    assert job.spec.attributes == (("mine", "stays"),)


def test_jobs_are_found_by_who_made_them() -> None:
    web = WebCell()
    for name in ("ada", "bob"):
        path = f"/api/v3/jobs?jobId={name}-1"
        assert call(web.app, "POST", path, descriptor(), {"X-Flumina-Actor": name}).status == 201
    found = call(web.app, "GET", "/api/v3/jobs?attributes=titus.createdBy:bob").json["items"]
    assert [each["id"] for each in found] == ["bob-1"]


def test_what_is_shown_and_sent_again_is_the_same_submission() -> None:
    web = WebCell()
    assert call(web.app, "POST", "/api/v3/jobs?jobId=job", descriptor()).status == 201
    shown = call(web.app, "GET", "/api/v3/jobs/job").json["jobDescriptor"]
    again = call(web.app, "POST", "/api/v3/jobs?jobId=job", shown)
    assert again.status == 201
    assert again.headers["x-flumina-repeated"] == "true"
