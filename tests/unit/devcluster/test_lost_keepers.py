"""Whether the process that kept a container is known to be gone; a stranger with its number is."""

import json
import os
import subprocess
import sys
from pathlib import Path

from connectors.devcluster.agent.store import AgentStore


def kept_by(store: AgentStore, pid: int) -> bool:
    """Whether the store says that a container with this keeper has lost it."""
    folder = store.container("c")
    folder.mkdir(exist_ok=True)
    (folder / "executor.json").write_text(json.dumps({"pid": pid, "task_pid": 1}))
    return not store.has_lost_keeper("c")


def test_a_keeper_lives_as_long_as_its_process(tmp_path: Path) -> None:
    store = AgentStore(tmp_path)
    assert not store.has_lost_keeper("c"), "nothing is known of one that wrote nothing"
    program = "import sys; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        # Its words are there once it speaks; a moment after the start they may be empty.
        assert process.stdout is not None
        process.stdout.readline()
        assert kept_by(store, process.pid)
    finally:
        process.communicate()
    assert not kept_by(store, process.pid)
    # This process lives, and its words do not name the agent's directory.
    assert not kept_by(store, os.getpid())
