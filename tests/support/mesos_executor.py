"""A small custom executor for tests: each task's ``data`` is a shell script that it runs.

The one thing to know: it is run by its path, with nothing but the standard library, by a Mesos
agent, and lives on what that agent puts into its environment. It ends when its last task has ended
and everything that it said was acknowledged.
"""

import base64
import http.client
import json
import os
import subprocess
import threading
import time
import uuid
from contextlib import closing
from typing import Any

Json = dict[str, Any]

IDS = {
    "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
    "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
}
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class Executor:
    """The tasks that were launched, and what the agent has not acknowledged."""

    def __init__(self) -> None:
        self._tasks = 0
        self._unacknowledged: set[str] = set()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Obey the agent until nothing is left to do."""
        connection, answer = _post({"type": "SUBSCRIBE", **IDS, "subscribe": {}})
        with closing(connection), answer:
            while length := answer.readline():
                if self._heard(json.loads(answer.read(int(length)))):
                    return

    def _heard(self, event: Json) -> bool:
        match event["type"]:
            case "LAUNCH":
                self._launch([event["launch"]["task"]])
            case "LAUNCH_GROUP":
                self._launch(event["launch_group"]["task_group"]["tasks"])
            case "ACKNOWLEDGED":
                with self._lock:
                    self._unacknowledged.discard(event["acknowledged"]["uuid"])
                    return self._tasks == 0 and not self._unacknowledged
            case "SHUTDOWN":
                return True
            case _:
                pass
        return False

    def _launch(self, tasks: list[Json]) -> None:
        self._tasks += len(tasks)
        for task in tasks:
            threading.Thread(target=self._run, args=(task,), daemon=True).start()

    def _run(self, task: Json) -> None:
        script = base64.b64decode(task.get("data", "")).decode() or "true"
        self._update(task, "TASK_RUNNING")
        status = subprocess.run(["/bin/sh", "-c", script], check=False).returncode
        with self._lock:
            self._tasks -= 1
        self._update(task, "TASK_FINISHED" if status == 0 else "TASK_FAILED")

    def _update(self, task: Json, state: str) -> None:
        status = {
            "task_id": task["task_id"],
            "executor_id": IDS["executor_id"],
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
            "timestamp": time.time(),
        }
        with self._lock:
            self._unacknowledged.add(status["uuid"])
        connection, answer = _post({"type": "UPDATE", **IDS, "update": {"status": status}})
        with closing(connection), answer:
            assert answer.status == 202, answer.read()


def _post(call: Json) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    host, _, port = os.environ["MESOS_AGENT_ENDPOINT"].partition(":")
    connection = http.client.HTTPConnection(host, int(port))
    connection.request("POST", "/api/v1/executor", json.dumps(call), HEADERS)
    return connection, connection.getresponse()


if __name__ == "__main__":
    Executor().run()
