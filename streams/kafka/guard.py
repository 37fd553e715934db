"""Keeps a child process from outliving whoever asked for it, even past `kill -9`.

Runs as a program of its own, with nothing but the standard library:
`python -I -S guard.py CONTROL_FD PARENT_PID STOP_TIMEOUT_S COMMAND...`. The parent holds the
writing end of the pipe CONTROL_FD. It writes one byte when the child is ready. When that end
closes, because the parent closed it or died of anything, the guard ends the child: one that is
ready with SIGTERM, and SIGKILL after the time-out; one that is not ready with SIGKILL at once, for
a program that is still starting is often deaf (Kafka is) and has nothing to lose. Should the guard
itself be killed, the kernel kills the child (Linux).

Standard output reports `pid N` once the child runs and `exit CODE` when it has ended.
"""

import ctypes
import os
import select
import signal
import sys
import time

# The kernel's `prctl` option number for «signal me when my parent thread ends».
PR_SET_PDEATHSIG = 1
# A process forked from the parent may hold the pipe open after the parent's death, so the parent
# is looked for as well.
PARENT_POLL_S = 0.5
HEARD_SIGNALS = (signal.SIGCHLD, signal.SIGTERM)


def _exec_child(command: list[str], guard_pid: int) -> None:
    """Become `command`, dying with the guard; called in the forked child, never returns."""
    try:
        # Bound to the thread that forked, which is the guard's only one: it lives as long.
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # Until here the signals waited: our handlers would swallow what is meant for the command.
        for heard in HEARD_SIGNALS:
            signal.signal(heard, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD_SIGNALS)
        # The guard may have died before it became the one whose death counts.
        if os.getppid() == guard_pid:
            os.dup2(2, 1)  # The guard's own output is the report to the parent, not a log.
            os.execv(command[0], command)  # noqa: S606 - running this program is what it is for
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _wait_until_stop_or_end(
    control: int, wakeup: int, parent_pid: int, child: int
) -> tuple[int | None, bool]:
    """The child's wait status if it ended by itself, or None once it should be stopped.

    With it, whether the parent had said that the child is ready.
    """
    is_ready = False
    while True:
        readable, _, _ = select.select([control, wakeup], [], [], PARENT_POLL_S)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, is_ready
        if control in readable:
            if not os.read(control, 64):
                return None, is_ready
            is_ready = True
        if os.getppid() != parent_pid:
            return None, is_ready
        if wakeup in readable and signal.SIGTERM in os.read(wakeup, 64):
            return None, is_ready


def _stop(child: int, wakeup: int, timeout_s: float) -> int:
    """The child's wait status, after SIGTERM and, past the time-out, SIGKILL."""
    if timeout_s > 0:
        os.kill(child, signal.SIGTERM)
        os.kill(child, signal.SIGCONT)  # A stopped process hears SIGTERM only when it goes on.
    deadline = time.monotonic() + timeout_s
    while (remaining := deadline - time.monotonic()) > 0:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        if select.select([wakeup], [], [], remaining)[0]:
            os.read(wakeup, 64)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _report(line: str) -> None:
    try:
        os.write(1, f"{line}\n".encode())
    except BrokenPipeError:
        return  # Nobody listens any more; the child's end matters more than the report.


def main() -> None:
    """Run the command, and leave with its exit code once it has ended."""
    control, parent_pid, timeout_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    command = sys.argv[4:]
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    wakeup, wakeup_writer = os.pipe()
    os.set_blocking(wakeup_writer, False)
    signal.set_wakeup_fd(wakeup_writer)
    for heard in HEARD_SIGNALS:
        signal.signal(heard, lambda *_: None)
    guard_pid = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD_SIGNALS)
    child = os.fork()
    if child == 0:
        os.close(control)
        _exec_child(command, guard_pid)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD_SIGNALS)
    _report(f"pid {child}")
    status, is_ready = _wait_until_stop_or_end(control, wakeup, parent_pid, child)
    if status is None:
        status = _stop(child, wakeup, timeout_s if is_ready else 0.0)
    code = os.waitstatus_to_exitcode(status)
    _report(f"exit {code}")
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
