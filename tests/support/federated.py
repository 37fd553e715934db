"""Two cells' APIs on loopback, a third address where nobody answers, and the front of all.

The one thing to know: each cell is a `CellInMemory` behind the real API, served over real HTTP; its
hosts do what they are told when the test calls `work`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import orjson

from connectors.federation.app import front_app
from connectors.federation.cells import Cells
from connectors.federation.configuration import Configuration, FederatedCell, Route
from connectors.federation.front import CELL, Front
from connectors.federation.records import ConfigurationSet, FederationRecord, decode, encode
from connectors.web.app import LOOPBACK_NAMES
from scheduler.model.task import KillInitiated, Launched
from streams.api.server import listening_socket, server_for, url_of
from streams.kafka.ports import free_ports
from tests.support.web_cell import WebCell
from tests.support.world import service_of

HOSTS_MAX = 20
"""Of each cell, so that no test goes on for ever."""


class Federation:
    """Two cells that answer, one that does not, and the front of all."""

    def __init__(self, urls: dict[str, str], cells: dict[str, WebCell]) -> None:
        self.cells = cells
        self.configuration = Configuration(
            cells=tuple(FederatedCell(name, url) for name, url in urls.items() if name != "front"),
            default="one",
            stack="prod",
            routes=(Route(cell="two", application_name="video"),),
            timeout_ms=2_000,
        )
        self.front_url = urls["front"]

    async def ask(
        self, method: str, target: str, body: Any = None, **headers: str
    ) -> tuple[int, Mapping[str, str], Any]:
        """Status, headers and JSON of the front's answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession() as http,
            http.request(
                method,
                self.front_url + target,
                data=None if body is None else orjson.dumps(body),
                headers={"Content-Type": "application/json", **named} if body else named,
            ) as answer,
        ):
            return answer.status, answer.headers, msgspec.json.decode(await answer.read())

    async def submit(
        self, job_id: str, application: str = "test", size: int = 2, **headers: str
    ) -> str:
        """Submit a service; the cell that has it."""
        body = {**service_of(size, "sleep 60"), "applicationName": application}
        status, told, _ = await self.ask("POST", f"/api/v3/jobs?jobId={job_id}", body, **headers)
        assert status == 201, told
        return told[CELL]

    def without_third(self) -> None:
        """From here on only the two that answer are in the federation."""
        cells = tuple(each for each in self.configuration.cells if each.name != "three")
        self.configuration = msgspec.structs.replace(self.configuration, cells=cells)


@asynccontextmanager
async def federation() -> AsyncIterator[Federation]:
    cells = {name: WebCell() for name in ("one", "two")}
    asking = Cells()
    there: list[Federation] = []
    front = front_app(Front(lambda: there[0].configuration, asking), LOOPBACK_NAMES)
    urls, servers, tasks = {}, [], []
    for name, app in (("one", cells["one"].app), ("two", cells["two"].app), ("front", front)):
        listener, is_ready = listening_socket("127.0.0.1", 0), asyncio.Event()
        server = server_for(app, is_ready.set)
        servers.append(server)
        tasks.append(asyncio.create_task(server.serve(sockets=[listener])))
        await is_ready.wait()
        urls[name] = url_of(listener)
    urls["three"] = f"http://127.0.0.1:{free_ports(1)[0]}"
    there.append(Federation(urls, cells))
    try:
        yield there[0]
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)
        await asking.close()


def work(web: WebCell) -> None:
    """Let the cell decide, and its hosts start and end what they are told to."""
    cell = web.cell
    if not cell.state.offers and len(cell.state.hosts) < HOSTS_MAX:
        # An offer that was used does not come back here; a host more does as well.
        cell.offer(f"more-{len(cell.log)}")
    cell.decide_and_carry_out()
    for task_id, task in list(cell.state.tasks.items()):
        if isinstance(task.state, Launched):
            cell.status(task_id, "TASK_RUNNING")
        elif isinstance(task.state, KillInitiated):
            cell.status(task_id, "TASK_KILLED")
    cell.tick()
    cell.decide_and_carry_out()


class JournalInMemory:
    """Topic ``federation`` as a list, each record through its bytes."""

    def __init__(self, configuration: Configuration) -> None:
        self.records: list[FederationRecord] = []
        self.configuration: Configuration | None = None
        self._put(
            ConfigurationSet(at_ms=0, configuration=configuration, actor="test", why="a test")
        )

    async def append(self, *records: FederationRecord) -> None:
        for each in records:
            self._put(each)

    async def catch_up(self) -> None:
        """Nothing is behind: there is one list."""

    def _put(self, record: FederationRecord) -> None:
        record = decode(encode(record))
        self.records.append(record)
        if isinstance(record, ConfigurationSet):
            self.configuration = record.configuration
