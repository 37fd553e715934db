"""The api process as a test starts, asks and ends it: a real process, a real socket."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

READY_S_MAX = 30.0
POLL_S = 0.02


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON value."""
        return json.loads(self.body)


def asked(
    address: str,
    method: str,
    target: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """The answer of the api at an address to one request on a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, target, data, kind | (headers or {}))
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, names, answer.read())
    finally:
        connection.close()


class ApiProcess:
    """One api process; ends with `close`, whatever the test did to it."""

    def __init__(self, kafka: str, prefix: str, home: Path, *options: str) -> None:
        # Unless a test says otherwise, what the process keeps is the test's own.
        environment = (
            {"FLUMINA_DATA": str(home / "api")}
            | os.environ
            | {
                "KAFKA_BROKERS": kafka,
                "FLUMINA_TOPIC_PREFIX": prefix,
                "PYTHONPATH": str(Path.cwd()),
            }
        )
        self.log = home / f"api-{time.monotonic_ns()}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.api.main", *(options or ("--port", "0"))],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.address = ""

    def until_ready(self) -> "ApiProcess":
        """Return when it listens; `address` is its host and port then."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.address = urlsplit(line.split()[1]).netloc
                return self
        raise AssertionError(f"the api ended before it was ready: {self.log.read_text('utf-8')}")

    def ask(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """The answer to one request on a connection of its own."""
        return asked(self.address, method, target, body, headers)

    def until(
        self, target: str, condition: Callable[[Answer], bool], what: str, timeout_s: float = 30.0
    ) -> Answer:
        """The first answer to a GET of which the condition holds; else fail, and name it."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self.ask("GET", target)
            if condition(answer):
                return answer
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout_s:.0f} s: {what}; {answer}")
            time.sleep(POLL_S)

    def until_healthy(self) -> Answer:
        """Return when the fold has caught up."""
        return self.until("/health", lambda answer: answer.status == 200, "the api is healthy")

    def stop(self, timeout_s: float = 15.0) -> int:
        """End it as a supervisor does; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """End it however it stands; again is nothing."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
