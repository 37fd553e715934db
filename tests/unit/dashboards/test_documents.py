"""Documents of dashboards: each thing that may be wrong is one fault, with its field and remedy."""

from typing import Any

import pytest

from projections.dashboards.model import Dashboard, Panel
from projections.dashboards.options import FIELDS_MAX, NUMBER_MAX, TEXT_BYTES_MAX, fields_of
from projections.dashboards.reading import PANELS_MAX, read_dashboard
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import Faults

OPTIONS = "panels[0].options"
WRITE_LIST, WRITE_LINES = "write [a, b]", "write |- and lines below it"


def panel(kind: str, options: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A panel of this kind, in the upper left corner."""
    source = {} if kind == "text" else {"path": "/api/v3/jobs"}
    place = {"x": 0, "y": 0, "width": 3, "height": 2}
    return {"id": "p", "title": "P", "kind": kind, "options": options, **source, **place, **more}


def read(*panels: dict[str, Any], **more: Any) -> tuple[Dashboard, list[Fault]]:
    """The dashboard of these panels, and what is wrong with it."""
    faults = Faults()
    document = {"name": "mine", "title": "Mine", "panels": list(panels), **more}
    return read_dashboard(document, faults), list(faults.all())


def one(kind: str, **options: Any) -> Panel:
    """A panel without faults."""
    found, faults = read(panel(kind, options))
    assert faults == []
    return found.panels[0]


def told(fault: Fault) -> tuple[str, str, str]:
    """Field, words and remedy."""
    return fault.field, fault.text, fault.hint


@pytest.mark.parametrize(
    ("kind", "options", "field", "text", "hint"),
    [
        ("stat", {}, "value", "is missing", "a panel of kind stat needs it"),
        ("stat", {"value": 3}, "value", "is 3; a text is needed", "put it in double quotes"),
        (
            "stat",
            {"value": "n", "warn_above": "3"},
            "warn_above",
            "is the text '3'; a number is needed",
            "write it without quotes",
        ),
        (
            "stat",
            {"value": "n", "warn_above": True},
            "warn_above",
            "is true; a number is needed",
            "write it without quotes",
        ),
        (
            "stat",
            {"value": "n", "alarm_above": NUMBER_MAX + 1},
            "alarm_above",
            f"is {NUMBER_MAX + 1}",
            f"give a number up to {NUMBER_MAX}",
        ),
        (
            "histogram",
            {"value": "n", "scale": "lug"},
            "scale",
            "is 'lug'",
            "did you mean 'log'?",
        ),
        (
            "histogram",
            {"value": "n", "scale": 7},
            "scale",
            "is 7; a text is needed",
            "put it in double quotes",
        ),
        (
            "table",
            {"columns": "a"},
            "columns",
            "is the text 'a'; a list of fields is needed",
            WRITE_LIST,
        ),
        (
            "table",
            {"columns": []},
            "columns",
            "is a list of 0; a list of fields is needed",
            WRITE_LIST,
        ),
        (
            "table",
            {"columns": ["a"] * (FIELDS_MAX + 1)},
            "columns",
            f"has {FIELDS_MAX + 1} entries",
            f"keep at most {FIELDS_MAX}",
        ),
        (
            "text",
            {"text": "  "},
            "text",
            "is the text '  '; a text is needed",
            WRITE_LINES,
        ),
        ("text", {"text": 7}, "text", "is 7; a text is needed", WRITE_LINES),
        (
            "text",
            {"text": "é" * (TEXT_BYTES_MAX // 2) + "x"},
            "text",
            f"is longer than {TEXT_BYTES_MAX} bytes",
            "link to a page instead",
        ),
    ],
)
def test_an_option_that_is_wrong_is_one_fault(
    kind: str, options: dict[str, Any], field: str, text: str, hint: str
) -> None:
    _, faults = read(panel(kind, options))
    assert [told(each) for each in faults] == [(f"{OPTIONS}.{field}", text, hint)]


def test_options_at_their_limits_are_taken() -> None:
    assert one("stat", value="n", warn_above=-NUMBER_MAX, alarm_above=NUMBER_MAX).options == {
        "value": "n",
        "warn_above": -NUMBER_MAX,
        "alarm_above": NUMBER_MAX,
    }
    assert one("histogram", value="n", scale="log").options["scale"] == "log"
    text = "é" * (TEXT_BYTES_MAX // 2)
    assert one("text", text=text).options == {"text": text}
    columns = [f"c{number}" for number in range(FIELDS_MAX)]
    assert len(one("table", columns=columns).options["columns"]) == FIELDS_MAX


def test_titles_and_units_of_columns_are_kept_where_they_are_given() -> None:
    found = one("table", columns=["a", {"field": "b", "title": "B", "unit": "ms"}], count=5)
    assert found.options["columns"] == [
        {"field": "a", "title": "a"},
        {"field": "b", "title": "B", "unit": "ms"},
    ]
    assert list(fields_of(found)) == ["a", "b"]


def test_the_fields_of_a_panel_are_those_that_it_draws() -> None:
    assert list(fields_of(one("log", text="line", level="severity", count=7))) == [
        "line",
        "severity",
    ]
    assert list(fields_of(one("text", text="a"))) == []


def test_a_column_that_is_wrong_is_named_by_its_place() -> None:
    _, faults = read(panel("table", {"columns": ["a", {"title": "B"}, {"field": "c", "x": 1}]}))
    assert [each.field for each in faults] == [
        f"{OPTIONS}.columns[1].field",
        f"{OPTIONS}.columns[2].x",
    ]


def test_an_empty_dashboard_is_told_of_unless_more_is_wrong() -> None:
    _, (fault,) = read()
    assert told(fault) == ("panels", "is empty", "show something")
    _, faults = read(title=7)
    assert [each.field for each in faults] == ["title"]


@pytest.mark.parametrize(
    ("variables", "field", "text"),
    [
        ("job", "variables", "is the text 'job'; a list is needed"),
        (["job", "jub"], "variables[1]", "is the text 'jub', nothing a dashboard can be about"),
        ([7], "variables[0]", "is 7, nothing a dashboard can be about"),
        ([["job"]], "variables[0]", "is a list of 1, nothing a dashboard can be about"),
    ],
)
def test_what_is_no_variable_is_told_of(variables: object, field: str, text: str) -> None:
    _, faults = read(panel("text", {"text": "a"}), variables=variables)
    assert [(each.field, each.text) for each in faults] == [(field, text)]


def test_a_variable_that_is_named_twice_is_one() -> None:
    found, faults = read(panel("text", {"text": "a"}), variables=["job", "job", "task"])
    assert faults == []
    assert [(each.name, each.title) for each in found.variables] == [
        ("job", "Job"),
        ("task", "Task"),
    ]


def test_a_query_that_is_too_long_is_not_parsed() -> None:
    query = "select " + "x" * 65_536
    _, faults = read(panel("stat", {"value": "n"}, query=query, path=""))
    assert told(faults[0]) == (
        "panels[0].query",
        "is longer than 65536 bytes",
        "make several panels",
    )


def test_more_panels_than_a_page_holds_are_refused() -> None:
    _, faults = read(*[panel("text", {"text": "a"})] * (PANELS_MAX + 1))
    assert "64" in faults[0].text
    assert faults[0].field == "panels"
