"""The process that becomes a session's command: confined as its task, in the task's own folder.

The one thing to know: like ``executor.py`` this is run by its path with nothing but the standard
library. A descriptor that it is named has what it is to do; 0, 1 and 2 are the session's own, a
terminal or pipes.
What cannot be entered ends the session: it never runs less confined than its task.
"""

import ctypes
import fcntl
import json
import os
import signal
import sys
import termios
from typing import Any, NoReturn

EXIT_UNUSABLE = 126
"""As a shell says of what it cannot run."""
EXIT_UNKNOWN = 127
_PR_SET_PDEATHSIG = 1
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> NoReturn:
    """Become the command."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        spec: dict[str, Any] = json.loads(file.read())
    code = EXIT_UNUSABLE
    try:
        os.setsid()
        if spec["is_tty"]:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        _die_with(spec["agent"])
        os.chdir(spec["sandbox"])
        if spec["plan"]:
            if spec["plan"].pop("network", None) is not None:
                _enter_network(spec["task_pid"])
            _confine().enter(spec["plan"])
            _die_with(spec["agent"])  # The kernel forgets it where the user changes.
        code = EXIT_UNKNOWN
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606 - it is the session
    except OSError as error:
        os.write(2, f"The session cannot begin: {error.strerror}\n".encode())
    os._exit(code)


def _confine() -> Any:  # noqa: ANN401 - a module found by its folder
    sys.path.append(os.path.dirname(__file__))  # noqa: PTH120 - no pathlib in an executor
    import confine  # type: ignore[import-not-found]  # noqa: PLC0415 - found there alone

    return confine


def _enter_network(task_pid: int) -> None:
    """The task's own network, and no other: there it is as alone as the task."""
    namespace = os.open(f"/proc/{task_pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"entering the task's network: {os.strerror(number)}")
    os.close(namespace)


def _die_with(agent: int) -> None:
    """Have the kernel end this process when its agent ends, if that has not happened yet."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != agent:
        os._exit(EXIT_UNUSABLE)


if __name__ == "__main__":
    main()
