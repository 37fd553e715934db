"""Health checks and checks of one task, run by its keeper beside it.

The one thing to know: like ``executor.py`` this is run by its path with nothing but the standard
library, and only for tasks that ask for checks. Each check is a child process, so that none can
hold up the keeper; one that takes too long is killed with all its process group.
"""

import json
import os
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NoReturn

# The defaults of Mesos' HealthCheck and CheckInfo.
DELAY_SECONDS = 15.0
INTERVAL_SECONDS = 10.0
TIMEOUT_SECONDS = 20.0
GRACE_SECONDS = 10.0
FAILURES_MAX = 3
# Mesos checks with ``curl -L``, which follows as many.
REDIRECTS_MAX = 50
# A check without an interval would otherwise never let the processor go.
PAUSE_SECONDS_MIN = 0.01
_ADDRESS = "127.0.0.1"

Json = dict[str, Any]
Report = Callable[[Json], None]
BecomeCommand = Callable[[Json, int, int], NoReturn]


class Checks:
    """The checks of a task: when each is due, the child that runs it, and what it led to."""

    def __init__(self, spec: Json, become_command: BecomeCommand, report: Report) -> None:
        self._kinds: list[_Check] = []
        asked = spec["checks"]
        if "health_check" in asked:
            self._kinds.append(_HealthCheck(asked["health_check"], spec, become_command, report))
        if "check" in asked:
            self._kinds.append(_ResultCheck(asked["check"], spec, become_command, report))

    def due_at(self) -> float | None:
        """When to look next."""
        return min((k.due_at for k in self._kinds if k.due_at is not None), default=None)

    def look(self) -> None:
        """Start the checks whose time has come, and end those that take too long."""
        now = time.monotonic()
        for kind in self._kinds:
            if kind.due_at is not None and now >= kind.due_at:
                kind.be_due(now)

    def child_ended(self, pid: int, wait_status: int) -> bool:
        """Whether this child was a check; its result is reported if it is news."""
        for kind in self._kinds:
            if kind.pid == pid:
                kind.ended(wait_status)
                return True
        return False

    def stop(self) -> None:
        """Check no more: the task ends or has ended."""
        for kind in self._kinds:
            kind.stop()

    def latest(self) -> Json:
        """What the last reports said, for an agent that may have missed them."""
        facts: Json = {}
        for kind in self._kinds:
            facts |= kind.latest
        return facts


class _Check(ABC):
    """One check: its timing and its child."""

    def __init__(
        self, info: Json, spec: Json, become_command: BecomeCommand, report: Report
    ) -> None:
        self.info = info
        self.pid = 0
        self.latest: Json = {}
        self._spec = spec
        self._become_command = become_command
        self._report = report
        self._interval = max(info.get("interval_seconds", INTERVAL_SECONDS), PAUSE_SECONDS_MIN)
        self._timeout = info.get("timeout_seconds", TIMEOUT_SECONDS)
        self._reader = -1
        self._is_timed_out = False
        self.started_at = time.monotonic()
        self.due_at: float | None = self.started_at + info.get("delay_seconds", DELAY_SECONDS)

    def be_due(self, now: float) -> None:
        """Start the child, or end it because its time is over."""
        if self.pid == 0:
            self._start()
            # Mesos: a timeout of zero is none.
            self.due_at = now + self._timeout if self._timeout else None
        else:
            self._is_timed_out = True
            self.due_at = None
            self._kill()

    def _start(self) -> None:
        self._is_timed_out = False
        reader, writer = os.pipe()
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            self._become_check(writer, keeper)
        os.close(writer)
        self.pid, self._reader = pid, reader

    def _become_check(self, writer: int, keeper: int) -> NoReturn:
        if self.info["type"] == "COMMAND":
            go_reader, go_writer = os.pipe()
            os.write(go_writer, b"g")
            self._become_command(self._command_spec(), go_reader, keeper)
        signal.set_wakeup_fd(-1)
        os.setsid()
        try:
            probe = _http_status if self.info["type"] == "HTTP" else _tcp_connects
            result = probe(self.info, self._timeout or None)
        except (OSError, HTTPException, ValueError) as error:
            result = {"error": str(error)}
        os.write(writer, json.dumps(result).encode())
        os._exit(0)

    def _command_spec(self) -> Json:
        command = self.command()
        is_shell = command.get("shell", True)
        value = command.get("value", "")
        given = command.get("environment", {}).get("variables", [])
        environment = {v["name"]: v["value"] for v in given if "value" in v}
        return {
            **self._spec,
            "program": "/bin/sh" if is_shell else value,
            "argv": ["sh", "-c", value] if is_shell else command.get("arguments") or [value],
            "env": {**self._spec["env"], **environment},
            # As with Mesos' executors, whatever a check prints is beside the task's errors.
            "stdout": "stderr",
        }

    @abstractmethod
    def command(self) -> Json:
        """The command of a COMMAND check."""

    def ended(self, wait_status: int) -> None:
        """The child is gone."""
        os.set_blocking(self._reader, False)
        try:
            text = os.read(self._reader, 4096)
        except BlockingIOError:
            # Something the check left behind still holds the other end.
            text = b""
        os.close(self._reader)
        # What a check started and did not end goes with it.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.pid, self._reader = 0, -1
        self.due_at = time.monotonic() + self._interval
        result = json.loads(text) if text else {}
        if self._is_timed_out:
            result = {"error": f"has not returned after {self._timeout:g}secs; aborting"}
        elif self.info["type"] == "COMMAND":
            result = {"exit_code": os.waitstatus_to_exitcode(wait_status)}
        self.judge(result)

    @abstractmethod
    def judge(self, result: Json) -> None:
        """Report the result if it is news."""

    def stop(self) -> None:
        """Check no more."""
        self.due_at = None
        if self.pid:
            self._kill()
            os.close(self._reader)
            self.pid, self._reader = 0, -1

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        # The group is made by the child itself, which may not have come so far.
        os.kill(self.pid, signal.SIGKILL)


class _HealthCheck(_Check):
    """Healthy or not; after so many failures in a row the task is to be killed."""

    _failures = 0
    _has_succeeded = False

    def command(self) -> Json:
        return dict(self.info["command"])

    def judge(self, result: Json) -> None:
        if self._is_good(result):
            if not self._has_succeeded or self._failures:
                self._tell(is_healthy=True, is_kill_due=False)
            self._has_succeeded = True
            self._failures = 0
            return
        grace = self.info.get("grace_period_seconds", GRACE_SECONDS)
        if not self._has_succeeded and time.monotonic() <= self.started_at + grace:
            return
        self._failures += 1
        failures_max = self.info.get("consecutive_failures", FAILURES_MAX)
        self._tell(is_healthy=False, is_kill_due=self._failures >= failures_max)

    def _is_good(self, result: Json) -> bool:
        match self.info["type"]:
            case "COMMAND":
                return bool(result.get("exit_code") == 0)
            case "HTTP":
                return int(result.get("status_code", 0)) in range(200, 400)
            case _:
                return bool(result.get("succeeded"))

    def _tell(self, *, is_healthy: bool, is_kill_due: bool) -> None:
        self.latest = {"healthy": is_healthy}
        self._report({"healthy": is_healthy, "is_kill_due": is_kill_due})


class _ResultCheck(_Check):
    """Any result, told when it changes; what it means is for the framework to say."""

    def command(self) -> Json:
        return dict(self.info["command"]["command"])

    def judge(self, result: Json) -> None:
        kind = self.info["type"]
        if kind == "TCP" and "error" in result and not self._is_timed_out:
            result = {"succeeded": False}
        # A check that could not be made has no result, which is a result too.
        result.pop("error", None)
        status = {"type": kind, kind.lower(): result}
        if self.latest.get("check_status", {"type": kind, kind.lower(): {}}) != status:
            self.latest = {"check_status": status}
            self._report({"check_status": status})


def _http_status(info: Json, timeout: float | None) -> Json:
    http = info["http"]
    scheme, port, path = http.get("scheme", "http"), http["port"], http.get("path", "/")
    for _ in range(REDIRECTS_MAX):
        if scheme == "https":
            connection: HTTPConnection = _unverified(port, timeout)
        else:
            connection = HTTPConnection(_ADDRESS, port, timeout=timeout)
        connection.request("GET", path or "/", headers={"Accept": "*/*"})
        answer = connection.getresponse()
        target = answer.getheader("Location")
        if not 300 <= answer.status < 400 or target is None:
            return {"status_code": answer.status}
        connection.close()
        if not target.startswith("/"):
            scheme, _, rest = target.partition("://")
            host, _, path = rest.partition("/")
            path = f"/{path}"
            port = int(host.rpartition(":")[2]) if ":" in host else (80, 443)[scheme == "https"]
        else:
            path = target
    return {"error": f"more than {REDIRECTS_MAX} redirections"}


def _unverified(port: int, timeout: float | None) -> HTTPSConnection:
    """As ``curl -k`` does: a task's own certificate is nobody's whom this computer knows."""
    import ssl  # noqa: PLC0415 - 20 ms that only an https check has to spend

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(_ADDRESS, port, timeout=timeout, context=context)


def _tcp_connects(info: Json, timeout: float | None) -> Json:
    with socket.create_connection((_ADDRESS, info["tcp"]["port"]), timeout):
        return {"succeeded": True}
