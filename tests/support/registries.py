"""A Consul agent and a Eureka server on loopback, as far as the registrar speaks with them.

Real HTTP servers. They forget what a test has them forget, answer with an error where it says so,
and keep what they were asked.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]


class Registries(ThreadingHTTPServer):
    """What is registered, by id, and how it behaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.services: dict[str, Json] = {}
        """Of Consul."""
        self.checks: dict[str, str] = {}
        self.instances: dict[tuple[str, str], Json] = {}
        """Of Eureka, by application and id."""
        self.heartbeats: list[str] = []
        self.asked: list[str] = []
        self.status = 0
        """What is answered whatever is asked; 0: what is right."""

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server_address[1]}"

    def answer(self, method: str, path: str, body: Json) -> tuple[int, object]:
        """Status and body."""
        self.asked.append(f"{method} {path}")
        words = [unquote(each) for each in path.strip("/").split("/")]
        if self.status:
            return self.status, "broken"
        if words[:2] == ["eureka", "apps"]:
            return self._eureka(method, words[2:], body)
        match method, words:
            case "PUT", ["v1", "agent", "service", "register"]:
                self.services[body["ID"]] = body
                self.checks[f"service:{body['ID']}"] = body["Check"]["Status"]
                return 200, ""
            case "PUT", ["v1", "agent", "service", "deregister", name]:
                self.checks.pop(f"service:{name}", None)
                return (200, "") if self.services.pop(name, None) else (404, "Unknown service ID")
            case "PUT", ["v1", "agent", "check", word, name]:
                if name not in self.checks:
                    return 404, "Unknown check ID"
                self.checks[name] = {"pass": "passing", "fail": "critical"}[word]
                return 200, ""
            case "GET", ["v1", "agent", "services"]:
                return 200, {
                    name: {"ID": name, "Service": each["Name"], "Meta": each["Meta"]}
                    for name, each in self.services.items()
                }
            case _:
                return 400, "no such path"

    def _eureka(self, method: str, words: list[str], body: Json) -> tuple[int, object]:
        match method, words:
            case "POST", [app]:
                self.instances[app, body["instance"]["instanceId"]] = body["instance"]
                return 204, ""
            case "DELETE", [app, name]:
                return (200, "") if self.instances.pop((app, name), None) else (404, "")
            case "PUT", [app, name]:
                self.heartbeats.append(name)
                return (200, "") if (app, name) in self.instances else (404, "")
            case "GET", [app]:
                found = [each for (of, _), each in self.instances.items() if of == app]
                if not found:
                    return 404, ""
                shown = found if len(found) > 1 else found[0]
                return 200, {"application": {"name": app, "instance": shown}}
            case _:
                return 400, "no such path"


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        there = self.server
        assert isinstance(there, Registries)
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = there.answer(self.command, self.path, json.loads(data) if data else {})
        told = b"" if body == "" else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the names that the base calls

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


@contextmanager
def registries() -> Iterator[Registries]:
    """Both, running inside the ``with``."""
    there = Registries()
    serving = threading.Thread(target=there.serve_forever, args=(0.02,), daemon=True)
    serving.start()
    try:
        yield there
    finally:
        there.shutdown()
        serving.join()
        there.server_close()
