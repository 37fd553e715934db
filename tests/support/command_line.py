"""`flumina` as a person runs it: words and an environment in, output and an exit code out."""

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pytest

from streams.cli.main import main
from streams.supervise.up_file import UpView, running_up

ROOT = Path(__file__).parents[2]
UP_TIMEOUT_S = 120.0
COMMAND_TIMEOUT_S = 150.0
# What an environment of a developer could bring in.
FOREIGN = ("KAFKA_BROKERS", "MESOS_MASTER", "FLUMINA_API", "FLUMINA_TOPIC_PREFIX", "FLUMINA_CELLS")


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """The environment of this process with a data directory of its own and an actor."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    own = {"FLUMINA_DATA": str(data_dir), "FLUMINA_ACTOR": "tester", "PYTHONPATH": str(ROOT)}
    return {**kept, **own, **more}


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def flumina(data_dir: Path, *words: str, text: str = "", **more: str) -> Done:
    """What one command printed, and its exit code.

    It runs in this process, which saves the second in which Python starts; `process` is for what
    must not.
    """
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    given = io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8")
    with (
        patch.dict(os.environ, environment(data_dir, **more), clear=True),
        patch.object(sys, "stdin", given),
        redirect_stdout(streams[0]),
        redirect_stderr(streams[1]),
        pytest.raises(SystemExit) as left,
    ):
        main(words)
    out, errors = (each.buffer.getvalue().decode() for each in streams)
    return Done(int(left.value.code or 0), out, errors)


def process(data_dir: Path, *words: str, **more: str) -> Done:
    """As `flumina`, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *words],
        cwd=ROOT,
        env=environment(data_dir, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def processes_naming(text: str) -> list[int]:
    """The processes with this text in their command line, those that have ended left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in words:
            found.append(int(entry.name))
    return found


class UpProcess:
    """One `flumina up`, until `close`."""

    def __init__(self, data_dir: Path, *words: str, **more: str) -> None:
        self.data_dir = data_dir
        self.output = data_dir.with_name(f"{data_dir.name}.output")
        with self.output.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli.main", "up", *words],
                cwd=ROOT,
                env=environment(data_dir, **more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def until_up(self) -> UpView:
        """What it tells about itself, once everything runs."""
        deadline = time.monotonic() + UP_TIMEOUT_S
        while time.monotonic() < deadline:
            found = running_up(self.data_dir)
            if found is not None and found.api:
                return found
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"`up` did not come up: {self.output.read_text()}")

    @property
    def view(self) -> UpView:
        """What it tells about itself now."""
        found = running_up(self.data_dir)
        assert found is not None, self.output.read_text()
        return found

    def pid_of(self, part: str) -> int | None:
        """The process id of one part as it is now."""
        return next(each.pid for each in self.view.parts if each.name == part)

    def starts_of(self, part: str) -> int:
        """How often a part was started."""
        return next(each.starts for each in self.view.parts if each.name == part)

    def end(self, what: signal.Signals) -> int:
        """Its exit code after a signal."""
        self._process.send_signal(what)
        return self._process.wait(COMMAND_TIMEOUT_S)

    def close(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self.end(signal.SIGTERM)
