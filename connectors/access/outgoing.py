"""What a part of ours shows where it asks: a token, and how it believes the server.

The one thing to know: a token's file is read anew when it changes, so a token is rotated without a
restart. No token ever stands in a URL.
"""

import ssl
from pathlib import Path

from connectors.access.tls import ClientFiles, client_context
from connectors.access.watched import Watched


class NoToken(Exception):
    """A token's file that cannot be used; the text says why."""


class Credentials:
    """A token (or none), and the certificates of a client."""

    def __init__(
        self, token: str = "", token_file: Path | None = None, files: ClientFiles | None = None
    ) -> None:
        """Raises `NoToken`."""
        self._token = token
        self._file: Watched[str] | None = None
        self.files = files or ClientFiles()
        self._context: ssl.SSLContext | None = None
        if token_file is not None:
            try:
                self._file = Watched((token_file,), lambda: token_file.read_text("utf-8").strip())
            except (OSError, UnicodeDecodeError) as error:
                raise NoToken(f"the token in {token_file} cannot be read: {error}") from error

    @property
    def token(self) -> str:
        """The token as it is now; empty where there is none."""
        return self._file.value() if self._file is not None else self._token

    def headers(self) -> dict[str, str]:
        """What every request says of who asks."""
        token = self.token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def verify(self, url: str) -> ssl.SSLContext:
        """The same as httpx wants it for this address; raises `NoTls`.

        An address without TLS gets a context that believes nobody: to read the certificates of all
        authorities takes 20 ms, which a command line that asks a cell nearby would wait for.
        """
        if url.startswith("https:"):
            return self.context()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def context(self) -> ssl.SSLContext:
        """How servers are believed; raises `NoTls`."""
        if self._context is None:
            self._context = client_context(self.files)
        return self._context
