"""Who may publish: while the cell is level, within an actor's share, and never past the books.

Each test sends requests to the real application over a cell in memory whose leader copies nothing
while the test says so; what the cell passed is off the books again.
"""

import pytest
from starlette.types import ASGIApp

from connectors.web.admission import AdmissionLimits
from connectors.web.app import web_app
from scheduler.model.address import Source
from scheduler.model.events import Copied
from scheduler.model.ids import Generation
from scheduler.model.inbound import PartitionBegan
from tests.support.asgi import Answer, call
from tests.support.web_cell import WAIT_S, WebCell, descriptor

LIMITS = AdmissionLimits(behind_ms_max=5_000, waiting_max=5, waiting_of_actor_max=3)


def _web() -> tuple[WebCell, ASGIApp]:
    """A cell whose leader is away from its inbound topics, and an API with small books."""
    web = WebCell()
    web.is_ingesting = False
    return web, web_app(web, web.files, wait_s=WAIT_S / 50, admission=LIMITS)


def _submit(app: ASGIApp, number: int, actor: str = "ada") -> Answer:
    path = f"/api/v3/jobs?jobId=job-{number}"
    return call(app, "POST", path, descriptor(), {"X-Flumina-Actor": actor})


def _metric(app: ASGIApp, name: str) -> float:
    lines = call(app, "GET", "/metrics").body.decode().splitlines()
    (value,) = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")]
    return float(value)


def test_one_who_sends_without_end_is_told_to_wait_and_others_are_not() -> None:
    web, app = _web()
    answers = [_submit(app, number, "mallory") for number in range(6)]
    assert [each.status for each in answers] == [202, 202, 202, 429, 429, 429]
    assert answers[3].headers["retry-after"] == "1"
    assert "an actor's share" in answers[3].json["message"]
    assert _submit(app, 7, "ada").status == 202
    assert len(web.published) == 4, "what is refused is not written"
    assert _metric(app, "flumina_api_requests_waiting") == 4


def test_the_books_have_an_end_whoever_asks() -> None:
    _, app = _web()
    statuses = [_submit(app, number, f"actor-{number}").status for number in range(6)]
    assert statuses == [202] * 5 + [503]


def test_what_the_cell_has_passed_is_off_the_books() -> None:
    web, app = _web()
    for number in range(4):
        _submit(app, number)
    assert _submit(app, 4).status == 429
    web.ingest()
    assert _submit(app, 5).status == 202
    assert _metric(app, "flumina_api_requests_waiting") == 1


def test_a_cell_that_is_behind_takes_nothing_more_and_says_for_how_long() -> None:
    web, app = _web()
    assert _submit(app, 1).status == 202
    web.silent_ms = 4_000
    assert _submit(app, 2).status == 202
    web.silent_ms = 6_000
    assert _metric(app, "flumina_api_behind_seconds") == 6
    refused = _submit(app, 3, "bob")
    assert refused.status == 503
    assert refused.headers["retry-after"] == "5"
    assert "6 s behind" in refused.json["message"]
    web.ingest()
    web.silent_ms = 0
    assert _submit(app, 4, "bob").status == 202


def test_operators_are_heard_also_while_the_cell_is_behind() -> None:
    web, app = _web()
    _submit(app, 1)
    web.silent_ms = 6_000
    order = {"offset": 3, "digest": "0" * 32, "why": "it is broken"}
    skipped = call(app, "POST", "/api/flumina/commands/skip", order, {"X-Flumina-Actor": "ada"})
    assert skipped.status != 503, skipped


def test_a_request_that_kafka_did_not_take_is_off_the_books() -> None:
    web, app = _web()
    web.fault = "no answer within 5 s"
    assert [_submit(app, number).status for number in range(7)] == [503] * 7
    assert _metric(app, "flumina_api_requests_waiting") == 0


def test_requests_in_a_topic_that_was_made_anew_are_not_waited_for_for_ever() -> None:
    web, app = _web()
    _submit(app, 0)
    web.ingest()
    _submit(app, 1)
    _submit(app, 2)
    web.waiting.clear()
    another = Generation("feedbeef")
    began = PartitionBegan(generation=another)
    web.cell.write(Copied(Source("jobs", another, 0, 0, -1), began, observed_at_ms=0))
    web.silent_ms = 6_000
    _ = web.view
    assert _submit(app, 3).status == 202


@pytest.mark.parametrize("reason", ["behind", "full", "actor"])
def test_each_reason_is_counted(reason: str) -> None:
    web, app = _web()
    for number in range(4 if reason == "actor" else 6):
        _submit(app, number, "ada" if reason == "actor" else f"actor-{number}")
    if reason == "behind":
        web.silent_ms = 6_000
        _submit(app, 9)
    lines = call(app, "GET", "/metrics").body.decode().splitlines()
    name = f'flumina_api_requests_turned_away_total{{reason="{reason}"}}'
    assert f"{name} 1.0" in lines
