"""HTTP that no client can talk into another protocol: what it offers to speak is passed over.

The one thing to know: Java's own client offers HTTP/2 with every call (``Upgrade: h2c``). Mesos
reads such a call like any other; the parser below uvicorn stops behind its head, before the body.
"""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class NeverUpgrading(HttpToolsProtocol):
    """The HTTP protocol of uvicorn, for which ``Upgrade`` is a header without a meaning."""

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._offers_upgrade():
                head = self._head_without_offer()
                self.parser = httptools.HttpRequestParser(self)
                self.data_received(head + data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        """Begin with the request, unless it is to be read again without its offer."""
        if not self._offers_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is there."""
        if not self._offers_upgrade():
            super().on_message_complete()

    def _offers_upgrade(self) -> bool:
        # CONNECT counts as an upgrade too, has no header to take away, and is refused as it is.
        return self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers)

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])
