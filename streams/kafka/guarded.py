"""The parent's side of `guard.py`: start a child that cannot outlive this process.

The one thing to know: stopping and dying are the same path. `stop()` closes a pipe, and the kernel
closes it as well when this process ends in any way, so what protects against orphans is exercised
by every ordinary stop.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
# What `guard.py` reads on its pipe.
READY = b"r"
# A Python without site packages starts in 20 ms; this is for a computer that swaps.
GUARD_START_TIMEOUT_S = 20.0
# What the guard may need beyond its child's time to stop.
GUARD_STOP_MARGIN_S = 5.0


class GuardedProcess:
    """A running child process, its guard, and the pipe that keeps both alive."""

    def __init__(
        self,
        command: Sequence[str],
        output: Path,
        environment: Mapping[str, str],
        stop_timeout_s: float,
        keep_open: Sequence[int] = (),
    ) -> None:
        """Start `command`; both its outputs go to the file `output`.

        The descriptors `keep_open` stay open in the child, such as that of a locked file.
        """
        self._stop_timeout_s = stop_timeout_s
        control_reader, self._control = os.pipe()
        try:
            with output.open("ab") as log:
                self._guard = subprocess.Popen(
                    [
                        *(sys.executable, "-I", "-S", str(GUARD)),
                        *(str(control_reader), str(os.getpid()), str(stop_timeout_s)),
                        *command,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=dict(environment),
                    pass_fds=(control_reader, *keep_open),
                    # Ctrl-C in the terminal is for this process, which then stops its children
                    # in order.
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._control)
            raise
        finally:
            os.close(control_reader)
        self.pid = self._reported_pid()

    def _reported_pid(self) -> int:
        assert self._guard.stdout is not None
        reader = self._guard.stdout.fileno()
        deadline = time.monotonic() + GUARD_START_TIMEOUT_S
        report = b""
        while not report.endswith(b"\n"):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([reader], [], [], remaining)[0]:
                self._guard.kill()
                raise TimeoutError(f"{GUARD} did not start within {GUARD_START_TIMEOUT_S:.0f} s")
            byte = os.read(reader, 1)
            if not byte:
                raise ChildProcessError(f"{GUARD} ended with code {self._guard.wait()}")
            report += byte
        return int(report.removeprefix(b"pid "))

    def confirm_ready(self) -> None:
        """From now on a stop is a clean one; before, there is nothing that is worth a wait."""
        with suppress(BrokenPipeError):  # It has ended this moment, which `poll` tells.
            os.write(self._control, READY)

    def poll(self) -> int | None:
        """The exit code once the child has ended, 128 + N for signal N; None while it runs."""
        return self._guard.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """The exit code, when the child has ended; `TimeoutError` if it does not in time."""
        try:
            return self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} did not end in {timeout_s} s") from None

    def stop(self) -> int:
        """The exit code after a clean stop, or after SIGKILL when that took too long."""
        self._release()
        try:
            return self.wait(self._stop_timeout_s + GUARD_STOP_MARGIN_S)
        except TimeoutError:
            self._guard.kill()  # With it goes the child, by the kernel.
            return self._guard.wait()

    def kill(self) -> int:
        """The exit code after SIGKILL: the end that a crash test wants."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        code = self._guard.wait(self._stop_timeout_s + GUARD_STOP_MARGIN_S)
        self._release()
        return code

    def _release(self) -> None:
        if self._control >= 0:
            os.close(self._control)
            self._control = -1
        if self._guard.stdout is not None:
            self._guard.stdout.close()
