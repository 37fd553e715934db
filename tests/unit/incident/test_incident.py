"""An incident is gathered from the log alone: what it tells, its pages, its file, its slice.

The day has what the demo's incident has: a host that is lost with its tasks, a host that a detector
finds sick, a changed policy, a task that fails with a secret in its message; and a note of it.
"""

import asyncio
import zipfile
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from projections.incident.gathering import Gathering
from projections.incident.shapes import LINES_KEPT_MAX, TITLES, Incident, RuleAlert
from projections.masking import MASK
from projections.travel.questions import IncidentOf, IncidentPageOf
from scheduler.digest import canonical_bytes
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.inbound import PolicyAsked
from streams.travel.answering import Answering
from streams.travel.bundle_file import CELL_LOG, BundleFile
from streams.travel.bundle_log import BundleLog, BundleSnapshot
from streams.travel.replaying import Replaying
from tests.support.asgi import call
from tests.support.cell import CellInMemory, batch, running_cell
from tests.support.incident_day import SECRET, incident_day
from tests.support.log_in_memory import LogInMemory
from tests.support.web_cell import WebCell

WHO = {"X-Flumina-Actor": "ada"}
PATH = "/api/flumina/incident"


@pytest.fixture(scope="module")
def web() -> WebCell:
    """The day, behind the API."""
    return incident_day()


def ask(web: WebCell, target: str) -> Any:
    """The JSON of an answer that is good."""
    found = call(web.app, "GET", target)
    assert found.status == 200, found.body
    return found.json


def lines(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The lines of a section."""
    return next(each["lines"] for each in found["sections"] if each["name"] == name)


def test_all_of_the_day_is_told_with_addresses(web: WebCell) -> None:
    found = ask(web, f"{PATH}?from=1")
    assert [each["name"] for each in found["sections"]] == list(TITLES)
    (policy,) = lines(found, "policy")
    assert policy["actor"] == "bob"
    assert "12.345s" in policy["text"] or "12345" in policy["text"]
    assert "slower" in policy["text"]
    assert [each["what"] for each in lines(found, "hosts")] == ["lost", "ordered draining"]
    verdict = lines(found, "verdicts")[0]
    assert (verdict["hostId"], verdict["weight"]) == ("host2", "warning")
    assert "EXT4-fs error" in verdict["text"]
    (ending,) = lines(found, "endings")
    assert ending["jobId"] == "shop"
    assert lines(found, "leaders")[-1]["what"] == "stream open"
    assert any(each["what"] == "job submitted" for each in lines(found, "requests"))
    for section in found["sections"]:
        for line in section["lines"]:
            trace = ask(web, f"/api/flumina/trace?address={line['address']}")
            assert trace["address"] == line["address"]


def test_movers_name_jobs_hosts_failures_and_lines(web: WebCell) -> None:
    movers = ask(web, f"{PATH}?from=1")["movers"]
    job = movers["jobs"][0]
    assert (job["name"], job["numbers"]["failed"], job["before"]) == ("shop", 1, 0)
    assert [each["name"] for each in movers["hosts"]] == ["name-of-host1"]
    (failure,) = movers["failures"]
    assert failure["numbers"] == {"tasks": 1}
    assert failure["example"].startswith("shop-worker-")
    (template,) = movers["templates"]
    assert template["moved"] == 2
    assert "<*>" in template["name"]


def test_a_section_is_paged(web: WebCell) -> None:
    whole = ask(web, f"{PATH}?from=1&section=requests&limit=50")
    assert whole["total"] == len(whole["lines"]) >= 1
    leaders = ask(web, f"{PATH}?from=0&section=leaders&limit=1")
    assert (len(leaders["lines"]), leaders["nextSkip"]) == (1, 1)
    rest = ask(web, f"{PATH}?from=0&section=leaders&skip=1")
    assert leaders["lines"] + rest["lines"] == ask(web, f"{PATH}?from=0&section=leaders")["lines"]


def test_a_stretch_has_only_what_is_in_it(web: WebCell) -> None:
    policy = lines(ask(web, f"{PATH}?from=1"), "policy")[0]
    at = int(policy["address"].partition(":")[2].partition("[")[0])
    assert lines(ask(web, f"{PATH}?from=1&to={at - 1}"), "policy") == []
    assert lines(ask(web, f"{PATH}?from={at - 1}&to={at}"), "policy") == [policy]
    assert lines(ask(web, f"{PATH}?from={at}"), "policy") == []


def test_the_chain_of_a_task_goes_back_to_its_submission(web: WebCell) -> None:
    task_id = lines(ask(web, f"{PATH}?from=1"), "endings")[0]["taskId"]
    chain = ask(web, f"{PATH}/tasks/{task_id}")
    assert chain["total"] == len(chain["lines"]) > 3
    steps = chain["causes"]["steps"]
    assert "submitted" in steps[0]["texts"][0]
    assert "TASK_FAILED" in steps[-1]["texts"][0]
    assert call(web.app, "GET", f"{PATH}/tasks/shop").status == 400
    assert call(web.app, "GET", f"{PATH}/tasks/nobody-worker-0-1").status == 404


def test_a_note_is_written_and_shown_where_it_belongs(web: WebCell) -> None:
    body = {"text": "host1 lost its <b>power</b>", "from": "-5s", "to": "-1s", "about": "host1"}
    written = call(web.app, "POST", f"{PATH}/notes", body, headers=WHO)
    assert written.status == 200, written.body
    (note,) = ask(web, f"{PATH}?from=1")["notes"]
    assert (note["actor"], note["about"], note["text"]) == ("ada", "host1", body["text"])
    assert ask(web, f"{PATH}/notes")["items"] == [note]
    assert ask(web, f"{PATH}?from=1&to=4")["notes"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": ""}, "text"),
        ({}, "text"),
        ({"text": "x", "from": "soon"}, "from"),
        ({"text": "x", "to": "1042"}, "to"),
        ({"text": "x", "wrong": 1}, "wrong"),
        ({"text": "x", "from": "-1s", "to": "-5s"}, "toMs"),
    ],
)
def test_a_bad_note_is_refused(web: WebCell, body: dict[str, Any], field: str) -> None:
    refused = call(web.app, "POST", f"{PATH}/notes", body, headers=WHO)
    assert refused.status == 400
    assert [each["field"] for each in refused.json["faults"]] == [field]


def test_a_note_needs_somebody(web: WebCell) -> None:
    assert call(web.app, "POST", f"{PATH}/notes", {"text": "x"}).status == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?from=soon", 400),
        ("?from=5&to=4", 400),
        ("?from=now", 400),
        ("?from=1&to=99999", 400),
        ("?from=1&section=wrong", 400),
        ("?from=1&limit=0", 400),
        ("?from=1&skip=-1", 400),
    ],
)
def test_what_cannot_be_asked_is_refused(web: WebCell, query: str, status: int) -> None:
    refused = call(web.app, "GET", f"{PATH}{query}")
    assert refused.status == status
    assert refused.json["message"]


class Read(HTMLParser):
    """What a browser would see in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.facts = ""
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = "" if tag == self._in else self._in

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.facts += data
        else:
            self.texts.append(data)


def test_the_file_asks_for_nothing_runs_nothing_and_hides_secrets(web: WebCell) -> None:
    answer = call(web.app, "GET", f"{PATH}/page?from=1")
    assert answer.status == 200, answer.body
    assert answer.headers["content-disposition"].startswith('attachment; filename="incident-test-')
    page = answer.body.decode()
    assert SECRET not in page
    assert f"password={MASK}" in page
    read = Read(page)
    assert {name for _, given in read.tags for name in given} & {"src", "href", "style"} == set()
    assert not any(name.startswith("on") for _, given in read.tags for name in given)
    assert "img" not in {tag for tag, _ in read.tags}
    scripts = [given for tag, given in read.tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "facts"}]
    policy = next(g["content"] for t, g in read.tags if t == "meta" and "http-equiv" in g)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "\x1b" not in page
    facts = msgspec.json.decode(read.facts)
    assert facts["incident"]["cell"] == "test"
    assert any(each["taskId"].startswith("shop-worker-") for each in facts["chains"])
    assert "What led to the last of it" in "".join(read.texts)


def test_the_slice_is_of_the_same_events_and_replays(web: WebCell, tmp_path: Path) -> None:
    found = ask(web, f"{PATH}?from=6")
    answer = call(web.app, "GET", f"{PATH}/slice?from={found['replayFrom']}&to={found['replayTo']}")
    assert answer.status == 200, answer.body
    path = tmp_path / "slice.zip"
    path.write_bytes(answer.body)
    with zipfile.ZipFile(BytesIO(answer.body)) as whole:
        for name in ("report.md", "report.html", "diff.json", "manifest.json"):
            assert SECRET.encode() not in whole.read(name), name
    file = BundleFile(path)
    for record in file.slice(CELL_LOG):
        assert SECRET.encode() not in (record.value or b"")
    manifest = file.manifest
    assert (manifest.first_offset, manifest.end_offset) == (7, 7 + found["records"])
    asked = Answering(BundleLog(file), BundleSnapshot(file))
    replayed = asyncio.run(
        Replaying(asked.machine, asked.snapshots).run(manifest.first_offset, manifest.end_offset)
    )
    assert replayed.digest == manifest.digest
    file.close()


def test_alerts_of_rules_are_told_where_they_fired_within_the_stretch() -> None:
    cell = running_cell(1)
    cell.tick(60_000)
    begin = cell.now_ms

    def fired(rule: str, after_ms: int, over_ms: int) -> RuleAlert:
        return RuleAlert(rule, "page", begin + after_ms, over_ms and begin + over_ms)

    given = (
        fired("over before", -9_000, -5_000),
        fired("over within", -9_000, 1_000),
        fired("fires", 1_000, 0),
        fired("fired later", 9_000, 0),
    )
    first = cell.state.next_offset - 1
    cell.tick(5_000)
    asked = IncidentOf(str(first), "now", alerts=given)
    answer = asyncio.run(Answering(LogInMemory(cell.log)).ask(asked))
    found = msgspec.json.decode(answer, type=Incident)
    assert [each.rule for each in found.rule_alerts] == ["over within", "fires"]
    asked_page = IncidentPageOf(str(first), "now", alerts=given)
    page = msgspec.json.decode(asyncio.run(Answering(LogInMemory(cell.log)).ask(asked_page)))
    assert "Alerts of rules" in page["html"]


def test_an_ending_that_is_said_again_is_one() -> None:
    cell = running_cell(1)
    (task_id,) = cell.run(batch(), "job")
    cell.status(task_id, "TASK_FAILED", message="once")
    cell.status(task_id, "TASK_FAILED", message="twice")
    found = ask(WebCell(cell), f"{PATH}?from=1")
    assert found["ends"] == {"failed": 1}
    assert found["steps"]["Finished"] == found["steps"]["Launched"] == 1
    assert [each["taskId"] for each in lines(found, "endings") if each.get("taskId")] == [task_id]


def test_the_state_that_a_slice_begins_with_has_no_secret(web: WebCell, tmp_path: Path) -> None:
    last = web.cell.state.next_offset - 1
    assert SECRET.encode() in canonical_bytes(web.cell.state)
    answer = call(web.app, "GET", f"{PATH}/slice?from={last - 1}&to={last}")
    path = tmp_path / "slice.zip"
    path.write_bytes(answer.body)
    file = BundleFile(path)
    machine = Answering(BundleLog(file), BundleSnapshot(file)).machine
    view = asyncio.run(machine.view_at(file.manifest.end_offset))
    assert view.state.tasks.keys() == web.cell.state.tasks.keys()
    assert SECRET.encode() not in canonical_bytes(view.state)
    file.close()


def test_lines_are_bounded_and_all_are_counted() -> None:
    cell = CellInMemory()
    cell.elect()
    for _ in range(LINES_KEPT_MAX + 10):
        cell.copy("commands", PolicyAsked(values={"orphans_max": 0}, actor="x", why="y"))
    machine = Machine()
    gathering = Gathering(machine.state)
    for offset, data in enumerate(cell.log):
        record = decode_record(data)
        gathering.take(offset, record, machine.apply(offset, record))
    section = gathering.section("requests", 5_000)
    assert section.total == LINES_KEPT_MAX + 10
    assert (len(section.lines), section.dropped) == (LINES_KEPT_MAX, 10)
