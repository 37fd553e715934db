"""A cell process started a hundred times: Python and its imports are paid for once.

The one thing to know: each life is a process of its own, forked from one that has imported
everything and opened nothing. It has its own environment, and ends by its own SIGKILL.
"""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

START_TIMEOUT_S = 60.0


class Nursery:
    """Gives life to one cell process after the other; ends with `close`."""

    def __init__(self, log: Path) -> None:
        self._log: IO[bytes] = log.open("wb")
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        )
        self._read = b""
        self._pid: int | None = None

    def start(self, environment: dict[str, str]) -> None:
        """Begin a life; returns when the process follows the log."""
        assert self._pid is None, "one life at a time"
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(environment).encode() + b"\n")
        self._parent.stdin.flush()
        self._pid = int(self._word("born", START_TIMEOUT_S))
        self._word("ready", START_TIMEOUT_S)

    def wait(self, timeout_s: float) -> int:
        """How the life ended, as `subprocess` says it: minus the signal."""
        code = int(self._word("ended", timeout_s))
        self._pid = None
        return code

    def kill(self) -> None:
        """End the present life as a crash would."""
        assert self._pid is not None
        os.kill(self._pid, 9)
        self.wait(START_TIMEOUT_S)

    def close(self) -> None:
        """End everything."""
        if self._pid is not None:
            self.kill()
        self._parent.kill()
        self._parent.communicate()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _word(self, wanted: str, timeout_s: float) -> str:
        """What follows the wanted word on its line; lines of other words are passed over."""
        deadline = time.monotonic() + timeout_s
        while True:
            line = self._line(deadline, wanted)
            word, _, rest = line.partition(" ")
            if word == wanted:
                return rest
            assert word != "ended", f"the process ended ({rest}) before '{wanted}'"

    def _line(self, deadline: float, wanted: str) -> str:
        assert self._parent.stdout is not None
        descriptor = self._parent.stdout.fileno()
        while b"\n" not in self._read:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([descriptor], [], [], remaining)[0]:
                raise AssertionError(f"no '{wanted}' in time; see {self._log.name!r}")
            found = os.read(descriptor, 4096)
            assert found, f"the nursery has ended; see {self._log.name!r}"
            self._read += found
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()


def main() -> None:
    """Fork a cell process for each line of standard input, one after the other."""
    # Here and not above: a test that uses the class needs none of it.
    from streams.cli.main import main as flumina  # noqa: PLC0415

    for line in sys.stdin:
        environment = json.loads(line)
        child = os.fork()
        if child == 0:
            os.environ.update(environment)
            flumina(["cell"])
            os._exit(0)
        print(f"born {child}", flush=True)
        _, status = os.waitpid(child, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    main()
