"""Keepers that are gone: a stranger with the number of one is not it, and no task outlives its own.

Also not one whose process first runs when its keeper is dead already.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from connectors.devcluster.agent import executor
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


ORPHAN = """
import os, runpy, sys
program, sandbox = sys.argv[1:]
become_task = runpy.run_path(program)["_become_task"]
go, word = os.pipe()
os.write(word, b"g")
is_gone, gone = os.pipe()
keeper = os.fork()
if keeper == 0:
    keeper = os.getpid()
    if os.fork() == 0:
        os.close(gone)
        os.read(is_gone, 1)  # The keeper is dead before its task's process has run a line.
        spec = {"sandbox": sandbox, "program": "/bin/sh", "env": {}}
        become_task({**spec, "argv": ["sh", "-c", "touch ran"]}, go, keeper)
    os._exit(0)
os.waitpid(keeper, 0)
os.close(gone)
"""


def test_a_task_whose_keeper_died_before_it_ran_does_not_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ORPHAN, executor.__file__, str(tmp_path)]
    # All output is read: whoever holds it, the last fork too, has then ended.
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert not done.stderr, done.stderr
    assert not (tmp_path / "ran").exists()
