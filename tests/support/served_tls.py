"""An application behind our own server, with TLS, in a thread of its own: a real socket."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Self

from starlette.types import ASGIApp

from streams.api.server import Server, listening_socket, server_for, url_of

WAIT_S = 10.0


class ServedByTls:
    """The application at ``url`` while it is entered."""

    def __init__(
        self,
        app: ASGIApp,
        tls: ssl.SSLContext | None,
        ending: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._app, self._tls, self._ending = app, tls, ending
        self._begun = threading.Event()
        self._server: Server | None = None
        self._listener = listening_socket("127.0.0.1", 0)
        self.url = url_of(self._listener, is_tls=tls is not None)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self._server = server_for(self._app, self._begun.set, tls=self._tls)
        asyncio.run(self._served(self._server))

    async def _served(self, server: Server) -> None:
        await server.serve(sockets=[self._listener])
        if self._ending is not None:
            await self._ending()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
