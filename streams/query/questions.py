"""What the query process answers: streams, what there is to ask, a look at a query beforehand.

The one thing to know: it joins the web's port to what serves; there is no rule in here.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from connectors.web.kept.ports import NotKept
from connectors.web.query.problems import QueryProblem
from connectors.web.query.routes import Opened
from streams.clock import now_ms
from streams.query.asked import asked_of, checked_query, fields_of, unknown_fields
from streams.query.kept import KeptQueries
from streams.query.matching import streams_of
from streams.query.serving import Serving
from streams.query.sources import SOURCES


class Answers:
    """The port of `connectors.web.query.routes`."""

    def __init__(self, serving: Serving, kept: KeptQueries, registry: CollectorRegistry) -> None:
        self._serving = serving
        self._kept = kept
        self._registry = registry

    async def open(self, parameters: Mapping[str, str], last_event_id: str) -> Opened:
        """The stream of a question; raises `QueryProblem`."""
        asked = asked_of(await self._with_text(parameters), last_event_id, now_ms())
        session = await self._serving.open(asked)
        return Opened(session.pieces(), lambda: self._serving.close(session))

    async def _with_text(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """The parameters with the text of the saved query that they name, if they name one."""
        name = parameters.get("saved")
        if not name:
            return parameters
        if parameters.get("mql"):
            raise QueryProblem(
                "parameter", "Give mql, the text of a query, or saved, the name of one: not both."
            )
        try:
            found = await self._kept.saved(name)
        except NotKept as error:
            raise QueryProblem("kept", str(error), HTTPStatus.SERVICE_UNAVAILABLE) from error
        if found is None:
            raise QueryProblem("saved", f"There is no saved query {name}.", HTTPStatus.NOT_FOUND)
        return {**parameters, "mql": found.kept.mql}

    def sources(self) -> dict[str, Any]:
        """What there is to ask."""
        return {
            "sources": [
                {
                    "name": each.name,
                    "topic": each.topic,
                    "description": each.description,
                    "fields": [field._asdict() for field in each.fields],
                    "history": True,
                }
                for each in SOURCES.values()
            ]
        }

    def check(self, text: str) -> dict[str, Any]:
        """What a query would do; raises `QueryProblem`."""
        query = checked_query(text)
        streams = streams_of(query)
        return {
            "ok": True,
            "plan": {
                "streams": list(streams),
                "topics": list(dict.fromkeys(SOURCES[each].topic for each in streams)),
                "is_windowed": query.window is not None,
                "is_aggregate": query.is_aggregate,
                "limit": query.limit,
                "unknown_fields": unknown_fields(query),
            },
            "fields": fields_of(text),
        }

    def status(self) -> dict[str, Any]:
        """How the process stands."""
        serving = self._serving
        return {
            "readers": len(serving.sessions),
            "hubs": {
                topic: {"readers": len(hub), "is_running": hub.is_running, "records": hub.records}
                for topic, hub in serving.hubs.items()
            },
            "held": serving.budget.total,
            "refused": serving.refused,
        }

    def metrics(self) -> bytes:
        """The metrics in the text format of Prometheus."""
        return generate_latest(self._registry)
