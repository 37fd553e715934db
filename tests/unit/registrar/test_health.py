"""What Eureka says of tasks is told to the cell: changes at once, everything once a minute.

How: a real HTTP server stands for Eureka; the cell's API is the real one over a cell in memory.
"""

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from connectors.discovery.asking import Answer, Asking
from connectors.discovery.eureka import Eureka
from connectors.ports import Endpoint, RegistrationFailed
from scheduler.model.ids import TaskId
from streams.registrar.endpoints import Item, Told
from streams.registrar.health import AGAIN_MS, LOOK_MS, HealthTeller
from tests.support.asgi import call
from tests.support.cell import running_cell, service
from tests.support.registries import registries
from tests.support.web_cell import WebCell

ONE = Endpoint("job-0-1", "job", "10.0.0.1", 31_000, (31_000,), "main", "uuid", "1.4")
TWO = replace(ONE, task_id="job-1-2", address="10.0.0.2")


class Api(Asking):
    """Keeps what is told; fails while it is to."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.told: list[tuple[list[str], list[str]]] = []
        self.fails = False

    async def __call__(self, method: str, path: str, body: Any = None, **_: Any) -> Answer:
        if self.fails:
            raise RegistrationFailed("the API does not answer")
        assert (method, path) == ("POST", "/api/flumina/commands/registry-health")
        self.told.append((body["healthy"], body["unhealthy"]))
        return Answer(200, b"{}")


def told(*endpoints: Endpoint, provider: str = "eureka") -> Told:
    items = tuple(
        Item(each.task_id, "job", "web", each.address, each.ports, "", True, (), (provider,))
        for each in endpoints
    )
    return Told("main", "uuid", "1a2b3c4d", 7, True, items)


def test_changes_are_told_at_once_and_everything_once_a_minute() -> None:
    async def run() -> None:
        with registries() as there:
            registry, api = Eureka(f"http://{there.address}"), Api()
            teller, now_ms = HealthTeller(registry, api), AGAIN_MS
            await registry.register("web", [ONE, TWO])
            await teller.look(told(ONE, TWO, provider="mesos"), now_ms)
            assert api.told == [], "nobody asks for it"
            now_ms += LOOK_MS
            await teller.look(told(ONE, TWO), now_ms)
            assert api.told.pop() == ([ONE.task_id, TWO.task_id], [])
            there.instances["WEB", ONE.task_id]["status"] = "OUT_OF_SERVICE"
            await teller.look(told(ONE, TWO), now_ms + 1)
            assert api.told == [], "it is asked each five seconds"
            now_ms += LOOK_MS
            api.fails = True
            await teller.look(told(ONE, TWO), now_ms)
            api.fails = False
            now_ms += LOOK_MS
            await teller.look(told(ONE, TWO), now_ms)
            assert api.told.pop() == ([], [ONE.task_id])
            now_ms += LOOK_MS
            await teller.look(told(ONE, TWO), now_ms)
            assert api.told == [], "nothing is new"
            await teller.look(told(ONE, TWO), now_ms + AGAIN_MS)
            assert api.told.pop() == ([TWO.task_id], [ONE.task_id])
            await registry.deregister("web", [TWO])
            await teller.look(told(ONE, TWO), now_ms + 3 * AGAIN_MS)
            assert api.told.pop() == ([], [ONE.task_id]), "of TWO the registry says nothing"

    asyncio.run(run())


@pytest.mark.parametrize("words", [{}, {"registry": "consul"}, {"healthy": ["no task"]}])
def test_the_api_takes_what_is_told_and_refuses_what_is_none(words: dict[str, Any]) -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    web = WebCell(cell)
    body = {"registry": "eureka", "healthy": [], "unhealthy": [task_id], "why": "x", **words}
    path = "/api/flumina/commands/registry-health"
    answer = call(web.app, "POST", path, body, {"X-Flumina-Actor": "registrar"})
    assert answer.status == (400 if words else 200), json.dumps(answer.json)
    known = web.cell.state.registry_health.get(("eureka", TaskId(task_id)))
    assert (known is not None and not known.is_healthy) == (not words)
