"""An ASGI application behind a real socket, served by a thread of its own, as the api serves it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp

from streams.api.server import listening_socket, server_for, url_of

READY_S_MAX = 20.0


@dataclass(frozen=True)
class Served:
    """Where it is, and the loop that answers."""

    url: str
    loop: asyncio.AbstractEventLoop

    def do(self, what: Callable[[], object]) -> None:
        """Have the loop do something, between two requests."""

        async def done() -> None:
            what()

        asyncio.run_coroutine_threadsafe(done(), self.loop).result(READY_S_MAX)


@contextmanager
def served(app: ASGIApp, port: int = 0) -> Iterator[Served]:
    """Serve it for as long as the ``with`` lasts."""
    begun, found = threading.Event(), list[Served]()
    listener = listening_socket("127.0.0.1", port)
    server = server_for(app, begun.set)

    def run() -> None:
        async def serve() -> None:
            found.append(Served(url_of(listener), asyncio.get_running_loop()))
            await server.serve(sockets=[listener])

        asyncio.run(serve())

    thread = threading.Thread(target=run, name="served")
    thread.start()
    try:
        assert begun.wait(READY_S_MAX)
        yield found[0]
    finally:
        server.should_exit = True
        thread.join(READY_S_MAX)
        listener.close()
