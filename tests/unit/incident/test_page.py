"""The page of an incident, from values: each table, what is counted, and what is escaped."""

from html import unescape
from re import findall, sub

import pytest
from msgspec.structs import replace

from projections.history import Line
from projections.incident.movers import TEMPLATE_CHARACTERS_MAX, Tally, template_of
from projections.incident.page import TEXTS_OF_STEP_MAX, PageFacts, incident_page
from projections.incident.shapes import (
    MOVERS_MAX,
    TITLES,
    Chain,
    End,
    Incident,
    IncidentLine,
    Mover,
    Movers,
    RuleAlert,
    Section,
    SectionName,
    ShownNote,
)
from projections.travel.causes import Step, Trace

AT_MS = 1_700_000_000_000
TIME = "2023-11-14 22:13:20.000 UTC"
FIRST = End("test/0a0b0c0d:1", AT_MS, "", 1, 3, 5, 0, False)
LAST = replace(
    FIRST, address="test/0a0b0c0d:9", at_ms=AT_MS + 61_000, leader="cell-0", is_safe=True
)
LINE = IncidentLine("test/0a0b0c0d:7[1]", AT_MS, "paged", "look <here>")


def section(name: SectionName, *lines: IncidentLine, total: int = -1) -> Section:
    """A section with these lines."""
    return Section(name, TITLES[name], lines, len(lines) if total < 0 else total)


def incident(*sections: Section) -> Incident:
    """An incident with these sections, the others empty."""
    there = {each.name: each for each in sections}
    return Incident(
        "test",
        FIRST,
        LAST,
        9,
        FIRST.address,
        LAST.address,
        tuple(there.get(name, section(name)) for name in TITLES),
        Movers(),
        {},
        {},
    )


def page(found: Incident, *chains: Chain) -> str:
    """The page's body, without the facts for programs."""
    whole = incident_page(found, chains, PageFacts("1.2.3"))
    return whole.partition("<body>")[2].partition('<script type="application/json"')[0]


def rows(html: str, title: str) -> list[list[str]]:
    """The rows of the first table behind a title, as text."""
    table = html.partition(title)[2].partition("<table")[2].partition("</table>")[0]
    return [
        [unescape(sub("<[^>]+>", " ", cell)).strip() for cell in findall("<t[dh].*?</t[dh]>", row)]
        for row in findall("<tr>(.*?)</tr>", table)
    ]


def test_a_quiet_stretch_says_where_nothing_happened_and_shows_no_empty_table() -> None:
    html = page(incident())
    assert f"Nothing in: {', '.join(TITLES.values())}." in html
    for title in ("When", "What moved most", "Chains of tasks", "Alerts of rules", "Notes"):
        assert f"<h2>{title}</h2>" not in html
    assert "Tasks that entered a state: no task moved. Ends: none." in html
    assert "9 records, 0 alerts" in html
    assert "Written by flumina 1.2.3 from" in html
    assert "Nothing is told of what came later" not in html


def test_both_ends_stand_beside_each_other() -> None:
    html = page(replace(incident(), steps={"Started": 2}, ends={"failed": 1}))
    assert rows(html, "Before and after") == [
        ["", "at the beginning", "at the end"],
        ["Leader", "nobody", "cell-0"],
        ["Policy", "version 1", "version 1"],
        ["Hosts", "3", "3"],
        ["Tasks on hosts", "5", "5"],
        ["Tasks waiting", "0", "0"],
        ["Safe mode", "off", "on"],
    ]
    assert "Tasks that entered a state: 2 Started. Ends: 1 failed." in html


def test_where_something_is_told_everywhere_nothing_is_called_quiet() -> None:
    html = page(incident(*(section(name, LINE) for name in TITLES)))
    assert "Nothing in:" not in html
    assert html.count('<section id="') == len(TITLES)
    assert "<h2>When</h2>" in html


def test_a_line_says_what_it_is_about_who_did_it_and_where_it_stands() -> None:
    lines = (
        replace(LINE, weight="critical", task_id="t", job_id="j", host_id="h", hostname="name"),
        replace(LINE, job_id="j", host_id="h", actor="ada"),
    )
    html = page(incident(section("alerts", *lines, total=5)))
    assert rows(html, "Alerts and pages") == [
        ["time", "what", "about", "by", "", "event"],
        [TIME, "paged", "t name", "", "look <here>", "test/0a0b0c0d:7[1]"],
        [TIME, "paged", "j h", "ada", "look <here>", "test/0a0b0c0d:7[1]"],
    ]
    assert html.count('<b class="critical">paged</b>') == 1
    assert "3 more are in the log." in html
    assert "9 records, 5 alerts" in html


def test_alerts_of_rules_say_when_they_fired_and_whether_they_still_do() -> None:
    alerts = (
        RuleAlert("waits", "page", AT_MS, AT_MS + 1_000, "job=a", "slow"),
        RuleAlert("hosts", "note", AT_MS),
    )
    html = page(replace(incident(), rule_alerts=alerts))
    assert rows(html, "Alerts of rules") == [
        ["fired", "over", "rule", "about", ""],
        [TIME, TIME.replace("20.000", "21.000"), "waits  page", "job=a", "slow"],
        [TIME, "fires", "hosts  note", "", ""],
    ]
    assert "9 records, 2 alerts" in html


def test_movers_of_each_kind_have_their_table_and_the_rest_is_counted() -> None:
    mover = Mover("a <job>", 3, {"Started": 2, "failed": 1}, "test/0a0b0c0d:3", "t", 0, 2)
    movers = Movers(
        jobs=(mover,),
        hosts=(replace(mover, name="h"),),
        failures=(replace(mover, name="f", before=None, after=None),),
        templates=(replace(mover, name="l", numbers={"seen": 3}),),
        untracked=4,
    )
    html = page(replace(incident(), movers=movers))
    titles = findall("<h3>(.*?)</h3>", html)
    assert titles == ["Jobs", "Hosts", "Ways in which tasks failed", "What detectors saw"]
    head = ["name", "moved", "tasks on hosts", "example", "first event"]
    told = "2 Started, 1 failed"
    assert rows(html, "<h3>Jobs") == [head, ["a <job>", told, "0 → 2", "t", "test/0a0b0c0d:3"]]
    assert rows(html, "<h3>Hosts")[1][0] == "h"
    assert rows(html, "<h3>Ways")[1][:3] == ["f", told, ""]
    assert rows(html, "<h3>What")[1][:2] == ["l", "3 seen"]
    assert "4 movements are of others." in html


def test_a_chain_has_its_lines_and_what_led_to_the_last_of_them() -> None:
    line = Line("test/0a0b0c0d:7[1]", AT_MS, "queued", "j", "t")
    texts = tuple(f"text {number}" for number in range(TEXTS_OF_STEP_MAX + 2))
    steps = (
        Step("test/0a0b0c0d:5", 0, 1, texts, sources=("jobs/0a0b0c0d:0:1",)),
        Step("test/0a0b0c0d:7[1]", AT_MS, 0, ("last",), led_to_by=("test/0a0b0c0d:5",)),
    )
    causes = Trace("test/0a0b0c0d:7[1]", "causes", "", steps)
    html = page(incident(), Chain("t", (line,), 3, causes), Chain("u", (line,), 1))
    with_causes, without = html.split("<details>")[1:]
    assert "<summary>t</summary>" in with_causes
    assert rows(with_causes, "summary") == [
        ["time", "what", "event"],
        [TIME, "began to wait for a host", "test/0a0b0c0d:7[1]"],
    ]
    assert "2 older lines are in the log." in with_causes
    led = rows(with_causes, "What led to the last of it")
    assert led[1][0] == ""
    assert "text 5" in led[1][1]
    assert "text 6" not in led[1][1]
    assert "2 more." in led[1][1]
    assert led[1][3] == "jobs/0a0b0c0d:0:1"
    assert led[2] == [TIME, "last", "test/0a0b0c0d:7[1]", "test/0a0b0c0d:5"]
    assert "What led to the last of it" not in without
    assert "older lines" not in without


def test_notes_and_a_halt_are_told() -> None:
    note = ShownNote("test/0a0b0c0d:2", AT_MS, AT_MS, AT_MS, "disk <swap>", "ada", "host1")
    found = replace(incident(), notes=(note,), notes_total=3, halt="It cannot be folded <here>.")
    html = page(found)
    assert rows(html, "Notes")[1] == [TIME, "ada", "host1", "disk <swap>"]
    assert "2 older notes are in the log." in html
    assert "Nothing is told of what came later.</strong> It cannot be folded &lt;here&gt;." in html


def test_what_turns_text_round_is_shown_by_its_number() -> None:
    html = page(incident(section("alerts", replace(LINE, text="a\u202eb\tc"))))
    assert "a\\u202eb\tc" in html


# Movers.


def told(tally: Tally) -> list[tuple[str, dict[str, int]]]:
    """Names and numbers, most first."""
    return [(each.name, each.numbers) for each in tally.most(str)]


def test_of_equal_movers_the_first_to_move_goes_first() -> None:
    tally = Tally()
    for spot, name in enumerate(("late", "early", "most")):
        tally.add(name, "x", (9 - spot, 0))
    tally.add("most", "y", (20, 0), count=2)
    assert told(tally) == [("most", {"x": 1, "y": 2}), ("early", {"x": 1}), ("late", {"x": 1})]


def test_movers_that_nobody_has_room_for_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.incident.movers.TRACKED_MAX", 2)
    tally = Tally()
    for name, count in (("a", 1), ("b", 1), ("c", 2), ("d", 3), ("a", 4)):
        tally.add(name, "x", (1, 0), name * 2, count)
    assert told(tally) == [("a", {"x": 5}), ("b", {"x": 1})]
    assert tally.untracked == 5


def test_the_first_movement_has_its_example_and_its_place() -> None:
    tally = Tally()
    tally.add("a", "x", (3, 1), "first")
    tally.add("a", "x", (4, 0), "second")
    (mover,) = tally.most(lambda spot: f"at {spot[0]}[{spot[1]}]", {"a": 2}, {})
    assert (mover.moved, mover.first_address, mover.example) == (2, "at 3[1]", "first")
    assert (mover.before, mover.after) == (2, 0)


def test_no_more_movers_are_told_than_are_read() -> None:
    tally = Tally()
    for number in range(MOVERS_MAX + 3):
        tally.add(f"job-{number:02}", "x", (number, 0))
    assert [each.name for each in tally.most(str)] == [f"job-{n:02}" for n in range(MOVERS_MAX)]


def test_a_long_message_has_a_short_template() -> None:
    assert len(template_of("word " * 300)) <= TEMPLATE_CHARACTERS_MAX
    assert template_of("took 12 ms") == template_of("took 7 ms")
