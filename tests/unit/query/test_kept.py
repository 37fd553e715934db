"""What is kept by name: folded from records, checked before it is written, served by paths.

How: the routes inside the query process' application, over a book in memory instead of a topic.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connectors.web.kept.routes import DASHBOARDS, SAVED, STREAMS, kept_routes
from connectors.web.query.app import QueryApp
from connectors.web.query.console import ConsoleFiles
from connectors.web.query.pass_through import PassThrough
from projections.dashboards.model import Dashboard
from projections.query.kept import Entry, Kept, KeptBook, Sort, encoded
from streams.dashboards.files import Dashboards
from tests.support.asgi import Answer, answer

ANN = {"X-Flumina-Actor": "ann"}
LOST = "select host_id, count(*) as 'n' from tasks window 10 group by host_id"
AT_MS = 1_763_800_000_000


class InMemory:
    """A topic without Kafka: records stand in a list, and are read anew by each question."""

    def __init__(self) -> None:
        self.records: list[bytes] = []

    def book(self) -> KeptBook:
        book = KeptBook()
        for offset, record in enumerate(self.records):
            book.take(offset, record)
        return book

    async def entries(self, sort: Sort) -> Sequence[Entry]:
        return self.book().of(sort)

    async def put(self, kept: Kept) -> int:
        self.records.append(encoded(kept))
        return len(self.records) - 1

    def stream_status(self, name: str) -> dict[str, Any]:
        return {"state": f"{name} runs"}


class Delivered:
    """The delivered dashboards."""

    def __init__(self) -> None:
        self._files = Dashboards(Path("no-such-folder"))

    def all(self) -> tuple[list[tuple[Dashboard, bool]], list[dict[str, Any]]]:
        found = self._files.all()
        return [(each.dashboard, each.is_own) for each in found if each.dashboard], []


class Web:
    """The application, asked once for each call."""

    def __init__(self) -> None:
        self.kept = InMemory()
        self._routes = kept_routes(self.kept, Delivered(), lambda: AT_MS)

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] = ANN
    ) -> Answer:
        async def asked() -> Answer:
            api = PassThrough("http://127.0.0.1:1")
            try:
                app = QueryApp(self._routes, api, ConsoleFiles())
                return await answer(app, method, path, body, headers)
            finally:
                await api.close()

        return asyncio.run(asked())


def test_a_query_is_saved_shown_replaced_and_removed_with_who_did_it() -> None:
    web = Web()
    assert web("GET", SAVED).json == {"saved": []}
    body = {"mql": LOST, "description": "who loses most"}
    made = web("PUT", f"{SAVED}/lost", body)
    assert (made.status, made.json["actor"], made.json["atMs"]) == (201, "ann", AT_MS)
    again = web("PUT", f"{SAVED}/lost", {"mql": "select *"}, {"X-Flumina-Actor": "bob"})
    assert (again.status, again.json["version"]) == (200, 1)
    shown = web("GET", f"{SAVED}/lost")
    assert shown.headers["etag"] == '"1"'
    assert shown.json == again.json | {"actor": "bob", "description": ""}
    assert web("GET", SAVED).json == {"saved": [shown.json]}
    assert web("DELETE", f"{SAVED}/lost").json == {"name": "lost", "version": 2}
    assert web("GET", f"{SAVED}/lost").status == 404
    assert web("DELETE", f"{SAVED}/lost").status == 404
    assert len(web.kept.records) == 3  # Nothing is forgotten of who did what.


def test_what_cannot_be_asked_is_refused_with_its_place() -> None:
    web = Web()
    bad = web("PUT", f"{SAVED}/x", {"mql": "select *\nwhere a >< 3"})
    assert (bad.status, bad.json["code"], bad.json["line"]) == (400, "query", 2)
    assert bad.json["caret"].endswith("^")
    pattern = web("PUT", f"{SAVED}/x", {"mql": "select * where a ==~ /(?=x)/"})
    assert (pattern.status, pattern.json["code"]) == (400, "query")
    assert web("PUT", f"{SAVED}/x", {"mql": "select *"}, {}).status == 400
    assert web("PUT", f"{SAVED}/Not.A.Name", {"mql": "select *"}).status == 400
    misspelt = web("PUT", f"{SAVED}/x", {"mq1": "x"}).json["faults"]
    assert [each["field"] for each in misspelt] == ["mql", "mq1"]
    for body in (b"[]", b"{", b'{"mql": 3}', b'{"mql": "select *", "mql": "select *"}'):
        headers = ANN | {"Content-Type": "application/json"}
        assert web("PUT", f"{SAVED}/x", body, headers).status == 400
    empty = web("PUT", f"{SAVED}/x", {"mql": ""}).json["faults"]
    assert [(each["field"], each["text"]) for each in empty] == [("mql", "is empty")]
    assert web("POST", f"{SAVED}/x", {"mql": "select *"}).status == 405
    assert web.kept.records == []


def test_a_stream_needs_a_place_for_its_rows_and_an_end_of_its_windows() -> None:
    web = Web()
    sink: dict[str, Any] = {"metric": {"name": "lost_tasks", "value": "n", "labels": ["host_id"]}}
    made = web("PUT", f"{STREAMS}/lost", {"mql": LOST, "sink": sink, "start": "begin"})
    assert made.status == 201
    assert made.json["sink"] == {
        "metric": {"name": "lost_tasks", "kind": "counter", "value": "n", "labels": ["host_id"]}
    }
    assert made.json["status"] == {"state": "lost runs"}
    faulty: list[tuple[dict[str, Any], str]] = [
        ({}, "names 0 places"),
        ({"topic": True, "alert": {}}, "names 2 places"),
        ({"metric": {"name": "Lost-Tasks"}}, "sink.metric.name"),
        ({"metric": {"name": "x", "kind": "gauge"}}, "sink.metric.value"),
        ({"metric": {"name": "x", "labels": ["a b"]}}, "sink.metric.labels[0]"),
        ({"alert": {"severity": "loud"}}, "sink.alert.severity"),
        ({"topics": True}, "sink"),
        ({"topic": False}, "sink.topic"),
    ]
    for sink, words in faulty:
        bad = web("PUT", f"{STREAMS}/x", {"mql": LOST, "sink": sink})
        assert bad.status == 400
        assert words in bad.json["message"], bad.json
    endless = {"mql": "select count(*) from tasks", "sink": {"topic": True}}
    bad = web("PUT", f"{STREAMS}/x", endless)
    assert "holds all events for ever" in bad.json["message"]
    assert [each["name"] for each in web("GET", STREAMS).json["streams"]] == ["lost"]


def test_what_a_stranger_wrote_into_the_topic_is_counted_and_passed_over() -> None:
    book = KeptBook()
    for offset, record in enumerate((b"", b"\xff", b"{}", b"[1]", b'{"sort": "other"}')):
        book.take(offset, record)
    assert (book.unreadable, book.entries) == (5, {})
    kept = Kept(sort="saved", name="a", actor="ann", at_ms=1, mql="select *")
    book.take(5, encoded(kept))
    book.take(5, encoded(Kept(sort="saved", name="a", actor="ann", at_ms=1)))  # The same again.
    assert [each.version for each in book.of("saved")] == [5]


def test_a_dashboard_is_about_what_the_address_says() -> None:
    web = Web()
    listed = {each["name"]: each for each in web("GET", DASHBOARDS).json["dashboards"]}
    assert listed["job"]["variables"] == [{"name": "job", "title": "Job", "kind": "id"}]
    bare = web("GET", f"{DASHBOARDS}/job").json
    assert (bare["missing"], bare["values"]) == (["job"], {})
    about = web("GET", f"{DASHBOARDS}/job?job=web-1").json
    assert about["missing"] == []
    assert about["panels"][0]["path"] == "/api/v3/jobs/web-1/why"
    assert web("GET", f"{DASHBOARDS}/job?job=a'b").status == 400
    assert web("GET", f"{DASHBOARDS}/job?joob=a").json["faults"][0]["field"] == "joob"
    assert web("GET", f"{DASHBOARDS}/jobb").status == 404
