"""Bad questions are refused before a stream begins, in a sentence that says what to do.

How: the parameters of the stream are read as the process reads them.
"""

import pytest

from connectors.web.query.problems import QueryProblem
from streams.kafka.topics import TOPICS
from streams.query.asked import asked_of, checked_query, unknown_fields, when_of
from streams.query.sources import SOURCES

NOW_MS = 1_763_800_000_000
GOOD = {"mql": "select * from tasks"}


def refused(**parameters: str) -> QueryProblem:
    """How these parameters are refused."""
    names = {"begin": "from"}
    given = GOOD | {names.get(name, name): value for name, value in parameters.items()}
    with pytest.raises(QueryProblem) as caught:
        asked_of(given, "", NOW_MS)
    return caught.value


def test_a_text_that_does_not_parse_is_refused_with_its_place() -> None:
    """Line, column, and a caret below it."""
    body = refused(mql="select a\nfrm tasks").body()
    assert (body["line"], body["column"], body["position"]) == (2, 1, 9)
    assert body["caret"] == "frm tasks\n^"
    assert "Expected one of" in body["message"]
    assert {"name": "task_id", "type": "text", "stream": "tasks"} in body["fields"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "There is no query"),
        ("select * from tsks", "Did you mean tasks?"),
        ("select *", "names no stream"),
        ("select a from tasks join hst 5 seconds on a", "There is no stream hst"),
        ("select a from tasks where " + "(" * 100 + "a == 1" + ")" * 100, "64"),
        ("select a from tasks where s ==~ /(?=x)y/", "patterns"),
        ("x" * 70_000, "65536"),
        ("select count(*) from tasks", "WINDOW 10"),
        ("select a from tasks order by a", "something only when its stream ends"),
    ],
)
def test_queries_that_cannot_be_asked(text: str, says: str) -> None:
    """Each with what is wrong."""
    message = refused(mql=text).message
    assert says.lower() in message.lower()


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"begin": "yesterday"}, "is no place"),
        ({"begin": "2026-11-22T12:00:00"}, "time zone"),
        ({"delivery": "some"}, "or all"),
        ({"sample": "-1"}, "milliseconds"),
        ({"sample": "9" * 15}, "milliseconds"),
        ({"client": "a b"}, "letters"),
        ({"subscription": "1"}, "name the client too"),
        ({"form": "live"}, "Did you mean from?"),
        ({"to": "live"}, "nothing"),
        ({"begin": "-1m", "to": "-5m"}, "before"),
        ({"begin": "5", "to": "2"}, "to=2 is not behind from=5"),
        ({"begin": "5", "to": "5"}, "the first that is not read"),
        ({"to": "begin"}, "to is a time"),
        ({"last_event_id": "1; drop"}, "no id"),
        ({"mql": "select * from tasks window 5", "client": "a", "subscription": "1"}, "shared"),
    ],
)
def test_parameters_that_mean_nothing(parameters: dict[str, str], says: str) -> None:
    """Each with what would."""
    assert says in refused(**parameters).message


def test_an_end_lets_an_aggregate_be_asked() -> None:
    """Up to now, it says something."""
    given = {"mql": "select count(*) from tasks", "from": "begin", "to": "live"}
    asked = asked_of(given, "", NOW_MS)
    assert asked.end is not None
    assert asked.topics == ("job-events",)


def test_places_in_time() -> None:
    """Ago, and as a time with its zone."""
    assert when_of("-5m", "from", NOW_MS).at_ms == NOW_MS - 300_000
    assert when_of("2025-11-22T08:26:40Z", "from", NOW_MS).at_ms == NOW_MS
    assert when_of("17", "from", NOW_MS).offset == 17
    assert when_of("cell:0:17", "from", NOW_MS).place is not None


def test_the_header_goes_before_where_the_question_began() -> None:
    """A browser that comes again sends the same address, and the id."""
    asked = asked_of({**GOOD, "from": "begin"}, "job-events:0:12;3", NOW_MS)
    assert asked.resumed is not None
    assert asked.resumed.sequence == 3


def test_fields_that_no_event_is_described_with_are_told() -> None:
    """They are null and no error; what the query itself calls something is known."""
    query = checked_query(
        "select host_id, count(*) as 'n', stat from tasks window 5 group by host_id order by n desc"
    )
    assert unknown_fields(query) == ["stat"]


def test_every_topic_is_a_stream() -> None:
    """None that is not there, and none left out but the one without records."""
    assert {each.topic for each in SOURCES.values()} == {each.name for each in TOPICS} - {"leaders"}


def test_a_time_before_all_records_is_their_begin() -> None:
    """Kafka knows no time before 1970."""
    assert when_of("0001-01-01T00:00:00Z", "from", NOW_MS).at_ms == 0


def test_the_caret_of_a_long_query_is_shown_with_what_is_about_it() -> None:
    """Nobody finds a place in column 5,000 of a line."""
    text = "select " + ", ".join(f"a{number}" for number in range(600)) + " frm tasks"
    body = refused(mql=text).body()
    line, caret = body["caret"].split("\n")
    assert len(line) < 210
    assert line[caret.index("^")] == text[body["position"]]
