"""The API as an ASGI application: the table of routes, inside the edge.

The one thing to know: `web_app` makes one application for one cell. It starts nothing and keeps
nothing; whoever runs it feeds the cell.
"""

from collections.abc import Collection
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.access.door import Door
from connectors.access.metrics import DoorMetrics
from connectors.web.admission import Admission, AdmissionLimits
from connectors.web.api import WAIT_S_MAX, Api
from connectors.web.cell import Cell, TaskFiles
from connectors.web.edge import Edge
from connectors.web.exec_sessions import Execs
from connectors.web.images import Images
from connectors.web.limits.rules import RateLimits
from connectors.web.metrics import Metrics
from connectors.web.observe_metrics import ObserveMetrics
from connectors.web.observing import Observing
from connectors.web.paths import Paths
from connectors.web.problems import Problem, sentence
from connectors.web.resource import Resource
from connectors.web.routes import ROUTES
from connectors.web.secret_gate import SecretGate
from connectors.web.travelling import NoTravel, Travel
from projections.alerts.whole import Alerting
from projections.rated import RatedDoor
from scheduler.model.reading.faults import nearest_name, shown_text
from scheduler.model.v3.titan import TitanSite

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""What a server that listens on loopback only is called by those who may call it."""


def web_app(
    cell: Cell,
    files: TaskFiles,
    *,
    hosts: Collection[str] = (),
    wait_s: float = WAIT_S_MAX,
    travel: Travel | None = None,
    admission: AdmissionLimits | None = None,
    log_store: str = "",
    registry: CollectorRegistry | None = None,
    rate_limits: RateLimits | None = None,
    images: Images | None = None,
    secrets: SecretGate | None = None,
    execs: Execs | None = None,
    titan: TitanSite | None = None,
    observing: Observing | None = None,
    alerting: Alerting | None = None,
    door: Door | None = None,
    rated: RatedDoor | None = None,
) -> ASGIApp:
    """The REST API of a cell, as an ASGI application.

    ``hosts`` are the names by which it may be called; none given, it answers to any. ``registry``
    is where the process has metrics of its own, which are shown with the API's. Streams of events
    tell of the cell what ``observing`` is told by whoever follows it. ``door`` says who may what;
    none given, everybody may everything.
    """
    books = Admission(cell, admission or AdmissionLimits())
    metrics = Metrics(cell, books, registry)
    api = Api(cell, files, metrics, books, wait_s, travel or NoTravel(), log_store)
    api = replace(api, rate_limits=rate_limits or RateLimits(), images=images or Images())
    api = replace(api, titan=titan or TitanSite(), observing=observing or Observing())
    api = replace(api, secrets=secrets or SecretGate(), execs=execs or Execs())
    api = replace(api, door=door or Door(), rated=rated or RatedDoor())
    if alerting is not None:
        api = replace(api, alerting=alerting)
    metrics.add(ObserveMetrics(api.observing))
    metrics.add(DoorMetrics(api.door.refusals))
    resources = {path: Resource(api, path, operations) for path, operations in ROUTES.items()}
    return Edge(Paths(resources, _no_such_path), api, hosts)


async def _no_such_path(scope: Scope, _: Receive, __: Send) -> None:
    """The 404 of a path that the table does not have."""
    path = scope["path"]
    if path.rstrip("/") != path:
        hint = "leave out the slash at the end"
    else:
        hint = nearest_name(path, ROUTES)
    raise Problem(
        HTTPStatus.NOT_FOUND,
        f"There is no path {shown_text(path)}",
        sentence(hint),
    )
