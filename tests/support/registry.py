"""An image registry on loopback that speaks the OCI distribution API as far as a HEAD goes.

A real HTTP server: it wants tokens where a test says so, is slow, silent or broken, and keeps what
it was asked.
"""

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}'


class Registry(ThreadingHTTPServer):
    """Tags by repository, and how it behaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tags: dict[tuple[str, str], bytes] = {}
        self.asked: list[str] = []
        self.status = 0
        """What is answered whatever is asked; 0: what is right."""
        self.delay_s = 0.0
        self.is_digest_told = True
        self.token = ""
        """Without it nobody reads; empty: anybody does."""
        self.login = ""
        """User and password, with a colon between, without which nobody gets a token, or reads
        where there is no token; empty: anybody does."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def push(self, repository: str, tag: str, manifest: bytes = MANIFEST) -> str:
        """Set a tag; the digest that it stands for."""
        self.tags[repository, tag] = manifest
        return f"sha256:{sha256(manifest).hexdigest()}"


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        there = self.server
        assert isinstance(there, Registry)
        there.asked.append(f"{self.command} {self.path}")
        time.sleep(there.delay_s)
        basic = f"Basic {base64.b64encode(there.login.encode()).decode()}"
        is_known = not there.login or self.headers.get("Authorization") == basic
        if self.path.startswith("/token"):
            if not is_known:
                self._send(401, b"", {}, with_body=False)
                return
            self._send(200, f'{{"token": "{there.token}"}}'.encode(), {}, with_body=True)
            return
        if there.status:
            self._send(there.status, b"", {}, with_body=False)
            return
        if there.token and self.headers.get("Authorization") != f"Bearer {there.token}":
            realm = f'Bearer realm="{there.url}/token",service="test",scope="repository:x:pull"'
            self._send(401, b"", {"WWW-Authenticate": realm}, with_body=False)
            return
        if not there.token and not is_known:
            self._send(401, b"", {"WWW-Authenticate": 'Basic realm="test"'}, with_body=False)
            return
        _, _, rest = self.path.partition("/v2/")
        repository, _, tag = rest.rpartition("/manifests/")
        manifest = there.tags.get((repository, tag))
        if manifest is None or "oci.image" not in self.headers.get("Accept", ""):
            self._send(404, b"", {}, with_body=False)
            return
        digest = f"sha256:{sha256(manifest).hexdigest()}"
        headers = {"Docker-Content-Digest": digest} if there.is_digest_told else {}
        self._send(200, manifest, headers, with_body=with_body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


@contextmanager
def registry() -> Iterator[Registry]:
    """A registry that runs inside the ``with``."""
    there = Registry()
    serving = threading.Thread(target=there.serve_forever, args=(0.02,), daemon=True)
    serving.start()
    try:
        yield there
    finally:
        there.shutdown()
        serving.join()
        there.server_close()
