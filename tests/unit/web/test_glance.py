"""What the console draws: columns of hosts, what waits, waits, marks, lines, events.

Each answer is held against the log itself: hosts against the state that the log folds to, waits
against the quantiles of what a recorded day counts, marks and events against their records.
"""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from projections.glance.lines import NAMES, LineCounting, level_number
from projections.glance.waits import BUCKETS_MAX, bucket_width_ms, quantile
from projections.health.blocks import LineRecord
from projections.simulate.recorded import RecordedDay
from projections.travel.questions import LinesOf
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.health import Evidence, HostJudged
from scheduler.model.ids import HostId, JobId
from scheduler.model.inbound import HostOrdered
from scheduler.model.policy import Policy
from scheduler.model.task import Queued
from streams.health.records import HostLines, encode_lines
from streams.travel.answering import Answering
from streams.travel.glancing import LineMessages
from tests.support.asgi import call
from tests.support.cell import BEGAN_AT_MS, CellInMemory, batch, running_cell, service
from tests.support.log_in_memory import LogInMemory
from tests.support.web_cell import WebCell

GLANCE = "/api/flumina/glance"


def _day() -> CellInMemory:
    """Two hosts with room for eight tasks each: of sixty some wait, and then find a place."""
    cell = running_cell(2)
    cell.submit(batch(60, environment=(("PASSWORD", "hunter2"),)), "many")
    cell.launched()
    for round_number in range(4):
        cell.tick(2_000 + round_number * 500)
        for task in list(cell.tasks("many"))[:6]:
            if cell.host_of(task.task_id) is not None:
                cell.status(task.task_id, "TASK_RUNNING")
                cell.status(task.task_id, "TASK_FINISHED")
        cell.offer("host1", 2, name=f"more-{round_number}")
        cell.launched()
    return cell


@pytest.fixture(scope="module")
def web() -> WebCell:
    """A day in which tasks waited, an operator drained a host and a detector spoke."""
    web = WebCell(_day())
    cell = web.cell
    cell.tick()
    evidence = (Evidence(kind="line", text="I/O error, dev sda", source="host-logs:0:1:0"),)
    cell.copy(
        "verdicts",
        HostJudged(
            host_id=HostId("host2"),
            detector="lines",
            standing="suspect",
            score_milli=700,
            evidence=evidence,
        ),
    )
    cell.tick()
    cell.copy(
        "commands",
        HostOrdered(host_id=HostId("host2"), standing="draining", actor="ada", why="disk"),
    )
    cell.set_policy(active_jobs_max=77)
    return web


def _get(web: WebCell, path: str) -> Any:
    answer = call(web.app, "GET", path)
    assert answer.status == 200, answer.body
    return answer.json


def test_hosts_are_the_states_own(web: WebCell) -> None:
    found = _get(web, f"{GLANCE}/hosts")
    state = web.view.state
    assert found["total"] == len(found["id"]) == 2
    for row, host_id in enumerate(found["id"]):
        there = state.host_tasks.get(host_id, {})
        assert found["tasks"][row] == len(there)
        assert found["cpuMilliUsed"][row] == 500 * len(there)
        assert found["cpuMilli"][row] >= found["cpuMilliUsed"][row]
    row = found["id"].index("host2")
    assert found["standings"][found["standing"][row]] == "draining"
    assert found["healths"][found["health"][row]] == "suspect"
    assert found["scoreMilli"][row] == 700
    other = found["id"].index("host1")
    assert found["healths"][found["health"][other]] == "well"


@pytest.mark.parametrize("at", [8, 12, 20, 30])
def test_hosts_and_waiting_at_an_instant_are_those_of_the_log_up_to_it(
    web: WebCell, at: int
) -> None:
    """The same as an api would have said that had folded no more than that."""
    then = WebCell(_prefix(web.cell, at + 1))
    for path in (f"{GLANCE}/hosts", f"{GLANCE}/waiting", f"{GLANCE}/hosts/host1"):
        assert _get(web, f"{path}?at={at}") == _get(then, path)


def _prefix(cell: CellInMemory, end: int) -> CellInMemory:
    shorter = CellInMemory()
    shorter.log[:] = cell.log[:end]
    shorter.machine = cell.refolded(cell.log[:end])
    return shorter


def test_a_host_whole(web: WebCell) -> None:
    found = _get(web, f"{GLANCE}/hosts/name-of-host2")
    assert (found["hostId"], found["standing"], found["orderedBy"]) == ("host2", "draining", "ada")
    assert found["health"]["verdicts"][0]["evidence"][0]["text"] == "I/O error, dev sda"
    assert found["tasksTotal"] == len(found["tasks"])
    assert call(web.app, "GET", f"{GLANCE}/hosts/nobody").status == 404
    assert call(web.app, "GET", f"{GLANCE}/hosts/nobody?at=5").status == 404


def test_what_waits(web: WebCell) -> None:
    found = _get(web, f"{GLANCE}/waiting")
    queued = [each for each in web.cell.state.tasks.values() if isinstance(each.state, Queued)]
    assert found["tasks"] == len(queued) > 0
    (item,) = found["items"]
    assert (item["jobId"], item["tier"], item["tasks"]) == ("many", "Flex", len(queued))
    assert found["tiers"]["Flex"] == len(queued)


def test_jobs_in_a_crash_loop_now_and_before_it_began() -> None:
    cell = running_cell(1, Policy(crash_loop_failures_min=3), cpus=64)
    cell.submit(service(1), "quiet")
    cell.submit(service(3), "svc")
    cell.launched()
    calm = cell.machine.state.next_offset - 1
    for task in list(cell.tasks("svc")):
        cell.status(task.task_id, "TASK_RUNNING")
        cell.status(task.task_id, "TASK_FAILED")
    web = WebCell(cell)
    found = _get(web, f"{GLANCE}/failing")
    (item,) = found["items"]
    loop = cell.state.crash_loops[JobId("svc")]
    assert (found["jobs"], item["jobId"], item["failures"]) == (1, "svc", 3)
    assert (item["lastReason"], item["sinceMs"]) == ("failed", loop.since_ms)
    assert (item["lastMs"], item["delayMs"]) == (loop.last_ms, loop.delay_ms)
    assert found["atMs"] == cell.now_ms
    assert _get(web, "/api/flumina/state")["crashLoops"] == 1
    now = found["offset"]
    assert _get(web, f"{GLANCE}/failing?at={now}") == found
    before = _get(web, f"{GLANCE}/failing?at={calm}")
    assert (before["jobs"], before["items"], before["offset"]) == (0, [], calm)


def test_waits_are_the_quantiles_of_the_log(web: WebCell) -> None:
    """Counted a second time, by changes of the fold and not by notes."""
    machine = Machine()
    day = RecordedDay(machine)
    for offset, data in enumerate(web.cell.log):
        record = decode_record(data)
        day.take(record, machine.apply(offset, record))
    told = day.waits()
    found = _get(web, f"{GLANCE}/waits?from=0")
    (flex,) = [each for each in found["tiers"] if each["tier"] == "Flex"]
    assert told.launched > 16
    assert (flex["launched"], flex["medianMs"]) == (told.launched, told.median_ms)
    assert (flex["p99Ms"], flex["mostMs"]) == (told.p99_ms, told.most_ms)
    assert told.most_ms > 0
    assert sum(flex["counts"]) == sum(flex["launches"]) == told.launched


def test_waits_of_a_part_begin_with_what_waited_there(web: WebCell) -> None:
    """A task that began to wait before the range has its whole wait counted."""
    launched = next(
        offset for offset, data in enumerate(web.cell.log) if offset > 12 and b"LaunchTasks" in data
    )
    part = _get(web, f"{GLANCE}/waits?from={launched - 1}&to={launched}")
    flex = next(each for each in part["tiers"] if each["tier"] == "Flex")
    assert flex["launched"] > 0
    assert flex["mostMs"] >= 2_000


def test_a_range_that_ends_before_it_begins_is_refused(web: WebCell) -> None:
    for name in ("waits", "marks", "lines"):
        assert call(web.app, "GET", f"{GLANCE}/{name}?from=9&to=4").status == 400
    assert call(web.app, "GET", f"{GLANCE}/waits?from=soon").status == 400


def test_a_range_before_the_log_is_empty(web: WebCell) -> None:
    first, second = _rfc3339(BEGAN_AT_MS - 2_000), _rfc3339(BEGAN_AT_MS - 1_000)
    wanted = f"from={first}&to={second}".replace("+", "%2B")
    assert _get(web, f"{GLANCE}/marks?{wanted}")["marks"] == []
    assert sum(each["launched"] for each in _get(web, f"{GLANCE}/waits?{wanted}")["tiers"]) == 0


def test_marks_name_what_happened_and_where(web: WebCell) -> None:
    found = _get(web, f"{GLANCE}/marks?from=0")
    by_what = {each["what"]: each for each in found["marks"]}
    assert {"leader", "verdict: suspect", "ordered", "policy"} <= set(by_what)
    assert by_what["verdict: suspect"]["subject"] == "host2"
    assert "I/O error" in by_what["verdict: suspect"]["text"]
    assert by_what["policy"]["text"].startswith("op: policy 2 was set")
    assert sum(found["counts"].values()) == len(found["marks"]) + found["dropped"]
    times = [each["atMs"] for each in found["marks"]]
    assert times == sorted(times)
    for each in found["marks"]:
        event = _get(web, f"/api/flumina/event?address={each['address']}")
        assert event["address"] == each["address"]


def test_an_event_whole_with_its_place_and_without_secrets(web: WebCell) -> None:
    offset = next(offset for offset, data in enumerate(web.cell.log) if b"hunter2" in data)
    event = _get(web, f"/api/flumina/event?address=test/0a0b0c0d:{offset}[0]")
    submitted = next(
        each
        for index in range(event["events"])
        if "spec"
        in (each := _get(web, f"/api/flumina/event?address=test/0a0b0c0d:{offset}[{index}]"))[
            "event"
        ].get("body", {})
    )
    assert (submitted["topic"], submitted["partition"], submitted["offset"]) == ("cell", 0, offset)
    assert submitted["kind"] == "Copied"
    assert "PASSWORD" in json.dumps(submitted)
    assert "hunter2" not in json.dumps(submitted)
    refused = {
        "/api/flumina/event": 400,
        "/api/flumina/event?address=soon": 400,
        "/api/flumina/event?address=test/0a0b0c0d:99999[0]": 400,
        f"/api/flumina/event?address=test/0a0b0c0d:{offset}[999]": 404,
        "/api/flumina/event?address=test/ffffffff:1[0]": 400,
    }
    for target, status in refused.items():
        assert call(web.app, "GET", target).status == status, target


class _Lines:
    """Host logs that are kept in memory."""

    def __init__(self, messages: list[LineMessages]) -> None:
        self.kept = messages

    async def messages(self, first_ms: int, end_ms: int) -> tuple[list[LineMessages], list[str]]:
        return [each for each in self.kept if first_ms <= each.at_ms <= end_ms], []


def _message(offset: int, at_ms: int, *lines: str) -> LineMessages:
    value = encode_lines(HostLines(host_id="host1", lines=list(lines), times_ms=[at_ms]))
    return LineMessages(0, offset, at_ms, b"host1", value)


def test_lines_by_level_and_template_with_new_ones_marked() -> None:
    cell = running_cell(1)
    cell.pass_ms(40 * 60_000)
    first, now = cell.now_ms - 10 * 60_000, cell.now_ms
    kept = [
        _message(0, first - 60_000, "INFO took 12 ms", "WARN slow disk"),
        _message(1, first + 1_000, "INFO took 700 ms", "ERROR medium error, dev sda"),
        _message(2, first + 2_000, "INFO took 3 ms", "no level here"),
        LineMessages(0, 3, first + 3_000, None, b"\xff no record"),
    ]
    answering = Answering(LogInMemory(cell.log), lines=_Lines(kept))
    question = LinesOf(_rfc3339(first), _rfc3339(now))
    found = msgspec.to_builtins(asyncio.run(answering.answer(question)))
    assert (found["lines"], found["linesBefore"]) == (4, 2)
    levels = {each["level"]: each["lines"] for each in found["levels"]}
    assert (levels["error"], levels["info"], levels["none"]) == (1, 2, 1)
    new = {each["text"] for each in found["templates"] if each["isNew"]}
    assert new == {"ERROR medium error, dev sda", "no level here"}
    took = next(each for each in found["templates"] if "took" in each["text"])
    assert (took["lines"], took["source"], took["isNew"]) == (2, "host-logs:0:1:0", False)
    assert found["missing"] == ("1 records that are no lines, see dead-letters",)


def _rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat()


def test_nothing_is_called_new_where_nothing_is_known_of_before() -> None:
    counting = LineCounting(0, 1_000, 2_000)
    counting.take(LineRecord("h", ["ERROR bad"], [1_500], "host-logs:0:0", "host-logs:0", 1_500))
    found = counting.glance()
    assert (found.new_total, found.templates[0].is_new) == (0, False)


def test_more_lines_than_are_counted_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.glance.lines.LINES_MAX", 3)
    counting = LineCounting(0, 1_000, 2_000)
    counting.take(LineRecord("h", ["a"] * 5, [1_500], "s", "l", 1_500))
    found = counting.glance()
    assert (found.lines, found.missing) == (3, ("2 lines beyond the first 3: ask for less time",))


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("FATAL no memory", "critical"),
        ("ERROR no disk", "error"),
        ("WARN slow", "warning"),
        ("INFO ok", "info"),
        ("DEBUG x", "debug"),
        ("a line", "none"),
    ],
)
def test_levels(line: str, level: str) -> None:
    assert NAMES[level_number(line)] == level


@pytest.mark.parametrize("span_ms", [0, 1_000, 3_600_000, 86_400_000, 10**12])
def test_a_range_has_no_more_buckets_than_a_chart_shows(span_ms: int) -> None:
    width = bucket_width_ms(BEGAN_AT_MS, BEGAN_AT_MS + span_ms)
    assert span_ms // width + 1 <= BUCKETS_MAX


def test_quantiles_are_values_that_were_there() -> None:
    assert [quantile(list(range(1, 11)), each) for each in (50, 90, 99)] == [6, 10, 10]
    assert quantile([], 50) == 0
