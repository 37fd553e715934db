"""An executor for the contract tests that the test itself plays, over the agent's HTTP API.

The one thing to know: the executor's process is a shell that writes down its environment and waits;
whoever knows its ids may speak for it, because neither cluster asks executors who they are.
"""

import http.client
import json
import queue
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.contract.mesos_master.master_client import (
    JSON_HEADERS,
    PATIENCE_S,
    QUIET_S,
    Framework,
    Json,
    Reply,
    agents,
    fresh_uuid,
    request,
    scalars,
    task,
)

EXECUTOR = "/slave(1)/api/v1/executor"


def agent_port(port: int, agent_id: str) -> int:
    """The port of an agent, by its id."""
    slaves = request(port, "GET", "/slaves").json["slaves"]
    return int(next(s["port"] for s in slaves if s["id"] == agent_id))


def executor_info(executor_id: str, script: str = "exec sleep 600", /, **more: Any) -> Json:
    """An ExecutorInfo whose process runs the script."""
    info: Json = {
        "type": "CUSTOM",
        "executor_id": {"value": executor_id},
        "command": {"value": script},
        "resources": scalars(0.1, 32, disk=10),
        # What tests leave behind is gone soon.
        "shutdown_grace_period": {"nanoseconds": 10**9},
        **more,
    }
    return {k: v for k, v in info.items() if v is not None}


# Every stream that a test opened; the fixture in conftest closes them after each test.
open_executor_streams: list["ExecutorStream"] = []


class ExecutorStream:
    """The answer to a SUBSCRIBE, and its events as they come."""

    def __init__(self, port: int, call: Json) -> None:
        self.events: queue.Queue[Json] = queue.Queue()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self._connection.connect()
        # http.client forgets the socket when the answer says that the connection will close.
        self._socket = self._connection.sock
        self._connection.request("POST", EXECUTOR, json.dumps(call), JSON_HEADERS)
        self._answer = self._connection.getresponse()
        headers = {k.lower(): v for k, v in self._answer.getheaders()}
        status = self._answer.status
        text = "" if status == 200 else self._answer.read().decode()
        self.reply = Reply(status, text, headers)
        self._reader = threading.Thread(target=self._read, daemon=True)
        if status == 200:
            self._reader.start()
            open_executor_streams.append(self)
        else:
            self._connection.close()

    def _read(self) -> None:
        with suppress(OSError, http.client.HTTPException, ValueError):
            while length := self._answer.readline():
                self.events.put(json.loads(self._answer.read(int(length))))
        self.events.put({"type": "END OF STREAM"})

    def close(self) -> None:
        """Break the connection."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(PATIENCE_S)
        self._answer.close()
        self._connection.close()


class Executor:
    """The executor's side of the v1 executor API."""

    def __init__(self, port: int, framework: Framework, executor_id: str) -> None:
        self.port = port
        self.ids: Json = {
            "framework_id": {"value": framework.framework_id},
            "executor_id": {"value": executor_id},
        }
        self.executor_id = executor_id
        self.events: queue.Queue[Json] = queue.Queue()

    def post(
        self, body: str, path: str = EXECUTOR, headers: Mapping[str, str | None] | None = None
    ) -> Reply:
        """The answer to a request with these headers beside or instead of the usual ones."""
        sent = {**JSON_HEADERS, **(headers or {})}
        kept = {name: value for name, value in sent.items() if value is not None}
        return request(self.port, path=path, body=body, headers=kept)

    def call(self, kind: str, **body: Any) -> Reply:
        """The answer to a call."""
        return self.post(json.dumps({"type": kind, **self.ids, **body}))

    def subscribe(self, **subscription: Any) -> Reply:
        """Subscribe; the events come from now on, if the answer is 200."""
        call = {"type": "SUBSCRIBE", **self.ids, "subscribe": subscription}
        stream = ExecutorStream(self.port, call)
        if stream.reply.status == 200:
            self._stream, self.events = stream, stream.events
        return stream.reply

    def close(self) -> None:
        """Break the stream, as an executor that dies does."""
        self._stream.close()

    def next(self) -> Json:
        """The next event."""
        return self.events.get(timeout=PATIENCE_S)

    def expect(self, *kinds: str) -> list[Json]:
        """The next events, which must be of these kinds."""
        found = [self.next() for _ in kinds]
        assert [event["type"] for event in found] == list(kinds)
        return found

    def is_quiet(self) -> bool:
        """Whether nothing comes for a moment."""
        with suppress(queue.Empty):
            self.events.get(timeout=QUIET_S)
            return False
        return True

    def status(self, task_id: str, state: str, **more: Any) -> Json:
        """A status as an executor makes it."""
        status = {
            "task_id": {"value": task_id},
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "executor_id": self.ids["executor_id"],
            "uuid": fresh_uuid(),
            "timestamp": time.time(),
            **more,
        }
        return {k: v for k, v in status.items() if v is not None}

    def update(self, task_id: str, state: str, **more: Any) -> Json:
        """Send an update; the answer is its status."""
        status = self.status(task_id, state, **more)
        reply = self.call("UPDATE", update={"status": status})
        assert (reply.status, reply.text) == (202, "")
        return status


def launched(
    framework: Framework, tmp_path: Path, info: Json, *task_ids: str, **more: Any
) -> Executor:
    """Launch the tasks on an executor, which is up when this returns, and has not subscribed."""
    offer = framework.offers()[0]
    tasks = [task(i, offer, command=None, executor=info, **more) for i in task_ids]
    framework.launch([offer], tasks)
    return _when_up(framework, tmp_path, info, offer)


def launched_group(framework: Framework, tmp_path: Path, info: Json, *task_ids: str) -> Executor:
    """The same with a task group."""
    offer = framework.offers()[0]
    launch_group(framework, offer, info, [task(i, offer, command=None) for i in task_ids])
    return _when_up(framework, tmp_path, info, offer)


def launch_group(framework: Framework, offer: Json, info: Json, tasks: list[Json]) -> None:
    """Launch a task group on an offer."""
    info = {**info, "framework_id": {"value": framework.framework_id}}
    group = {"executor": info, "task_group": {"tasks": tasks}}
    body = {
        "offer_ids": [offer["id"]],
        "operations": [{"type": "LAUNCH_GROUP", "launch_group": group}],
        "filters": {"refuse_seconds": 0.1},
    }
    assert framework.call("ACCEPT", body).status == 202


def _when_up(framework: Framework, tmp_path: Path, info: Json, offer: Json) -> Executor:
    executor_id = info["executor_id"]["value"]
    deadline = time.monotonic() + PATIENCE_S
    while not environment_file(tmp_path, executor_id).exists():
        assert time.monotonic() < deadline, f"the executor {executor_id} is not up"
        time.sleep(0.01)
    port = agent_port(framework.port, offer["agent_id"]["value"])
    return Executor(port, framework, executor_id)


def environment_file(tmp_path: Path, executor_id: str) -> Path:
    """Where an executor of ``waiting`` writes its environment."""
    return tmp_path / f"{executor_id}.env"


def waiting(tmp_path: Path, executor_id: str, **more: Any) -> Json:
    """An executor that says that it is up, and exits with the status it finds in a file."""
    file = environment_file(tmp_path, executor_id)
    end = tmp_path / f"{executor_id}.exit"
    script = (
        f"env > '{file}.new'; mv '{file}.new' '{file}'; "
        f"while [ ! -s '{end}' ]; do sleep 0.05; done; exit $(cat '{end}')"
    )
    return executor_info(executor_id, script, **more)


def let_exit(tmp_path: Path, executor_id: str, status: int) -> None:
    """Let an executor of ``waiting`` exit."""
    (tmp_path / f"{executor_id}.exit").write_text(f"{status}\n")


def zone_of(framework: Framework, agent_id: str) -> str:
    """The name of the node that an agent is."""
    zones = {v: k for k, v in agents(framework.port).items()}
    return "agent" + zones[agent_id][1:]
