"""A master that does not lead yet: where it sends those who ask, and how it comes to lead.

The one thing to know: it knows nothing of the cluster. The registry is read when it leads, and only
then are there agents, frameworks and a window in which agents may return.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import orjson
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.devcluster.master.front import Quick, quick_protocol
from connectors.devcluster.master.leadership import Leadership, leader_of
from connectors.devcluster.master.scheduler_calls import Answer
from connectors.devcluster.network.cuts import told_by_supervisor
from connectors.devcluster.node import ClusterConfig, end_with_supervisor, log, serve
from connectors.devcluster.words import VERSION_INFO, Json

# The kernel does not tell when the lock is free; it is asked this often.
TRY_SECONDS = 0.05


class Leading(NamedTuple):
    """What a master serves that leads, the long way and the short."""

    app: ASGIApp
    quick: Quick
    settle: Callable[[], None]
    """To be called when calls were answered the short way, before the answers are sent."""


class Front:
    """What a master serves: itself once it leads, and until then the way to the leader."""

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self.leading: Leading | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = self._standing_by(scope) if self.leading is None else self.leading.app
        await answer(scope, receive, send)

    def quick(self, stream_id: str | None, body: bytes) -> Answer | None:
        """The answer of the short way; None where the long one must be gone."""
        return None if self.leading is None else self.leading.quick(stream_id, body)

    def settle(self) -> None:
        """What the short way has left to be done before its answers are sent."""
        if self.leading is not None:
            self.leading.settle()

    def _standing_by(self, scope: Scope) -> Response:
        path = str(scope["path"])
        # These a Mesos master answers whether it leads or not.
        if path in ("/health", "/master/health"):
            return Response()
        if path in ("/version", "/master/version"):
            return _json(VERSION_INFO)
        if path == "/metrics/snapshot":
            return _json({"master/elected": 0.0})
        leader = leader_of(self._config)
        if leader is None:
            return PlainTextResponse("No leader elected", 503)
        location = f"//{leader.host}:{leader.port}"
        if not path.endswith("/redirect"):
            query = scope.get("query_string", b"").decode("latin-1")
            location += path + (f"?{query}" if query else "")
        return Response(status_code=307, headers={"Location": location})


def _json(body: Json) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


async def run_master(config: ClusterConfig, node: str, lead: Callable[[], Leading]) -> None:
    """Serve as the master of this name until the process is ended; ``lead`` makes it the leader."""
    end_with_supervisor()
    gate = told_by_supervisor(node)
    leadership = Leadership(config, node)
    front = Front(config)
    port = config.port_of(node)

    async def stand_by() -> None:
        while not leadership.take():  # noqa: ASYNC110 - a lock of the kernel has no event
            await asyncio.sleep(TRY_SECONDS)
        front.leading = lead()
        log("master leads", node=node, port=port)

    if leadership.take():
        # Before the first request: whoever is the only master never sends anybody away.
        front.leading = lead()
        standing = None
    else:
        standing = asyncio.create_task(stand_by())
    serving = serve(
        front,
        config.host,
        port,
        gate,
        lambda: log("master is listening", port=port),
        protocol=lambda base: quick_protocol(base, front.quick, front.settle),
    )
    await asyncio.gather(serving, *([] if standing is None else [standing]))
