"""``python -m … MESOSCTL HOME PORT lose|restart|fail-over [AGENT_ID]``: hurts a real Mesos.

It is what the demo's ``--disturb`` calls in ``test_demo_real_mesos.py``; it returns when the deed
is done and, where something comes back, when it is back.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connectors.devcluster.agent.executor import descendants

BACK_S = 40.0


def main(control: str, home: str, port: str, deed: str, agent_id: str = "") -> None:
    """Do the deed."""

    def mesosctl(*words: str) -> None:
        own = {"REAL_MESOS_HOME": home, "REAL_MESOS_PORT": port}
        subprocess.run([control, *words], env={**os.environ, **own}, check=True, timeout=60)

    if deed == "fail-over":
        there = {each["id"] for each in _slaves(port) or [] if each["active"]}
        mesosctl("kill", "master")
        mesosctl("start", "master")

        def has_all() -> bool:
            return there == {each["id"] for each in _slaves(port) or [] if each["active"]}

        _until(has_all, "the master is back, and its agents with it")
        return
    known = [each for each in _slaves(port) or [] if each["id"] == agent_id]
    if not known:
        sys.exit(f"the master at {port} knows no agent {agent_id}")
    found = known[0]
    node = f"agent{int(found['port']) - int(port)}"
    if deed == "lose":
        pid = int((Path(home) / f"{node}.pid").read_text())
        # Executors begin sessions of their own, but are the agent's children.
        below = descendants(pid)
        mesosctl("kill", node)
        for each in below:
            _kill(each)
        return
    before = found.get("reregistered_time")
    mesosctl("kill", node)
    mesosctl("start", node)

    def is_back() -> bool:
        # A master that has just begun hears of its agents one after the other.
        now = [each for each in _slaves(port) or [] if each["id"] == agent_id]
        return any(each["active"] and each.get("reregistered_time") != before for each in now)

    _until(is_back, f"{node} is back")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _slaves(port: str) -> list[dict[str, Any]] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/slaves", timeout=5) as answer:
            return list(json.load(answer)["slaves"])
    except (OSError, ValueError):
        return None


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + BACK_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not within {BACK_S:.0f} s: {what}")
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
