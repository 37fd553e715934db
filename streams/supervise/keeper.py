"""Keeps one part running: started, watched, started again with growing pauses, stopped at last.

The one thing to know: each keeper is a thread, so a part that takes long to start holds up nobody
else. The first start is different from later ones: when it fails, whoever waits for it is told why,
and nothing is tried again.
"""

import errno
import threading
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from streams.errors import OperatorError
from streams.supervise.parts import Part
from streams.supervise.up_file import KeeperState, PartView

POLL_S = 0.1
TEND_EVERY_S = 5.0
PAUSE_S_MIN = 0.5
PAUSE_S_MAX = 15.0
# A part that ran this long was well; its next end is a new trouble and not the old one.
WELL_AFTER_S = 30.0
# A cell process that lost its leadership ends with 3, and another one of its name may try at once.
EXIT_AT_ONCE = 3
# Even so, one that loses it over and over must not take the computer for itself.
AT_ONCE_MIN_RUN_S = 2.0
STOP_JOIN_TIMEOUT_S = 60.0


class Event(msgspec.Struct, frozen=True):
    """Something that people want to know about a part."""

    part: str
    what: Literal["ready", "ended", "failed", "stopped"]
    text: str


def pause_after(failures_in_a_row: int) -> float:
    """How long to wait before the next start: doubles from half a second up to 15 s."""
    doublings = min(max(failures_in_a_row - 1, 0), 10)
    return min(PAUSE_S_MAX, PAUSE_S_MIN * (1 << doublings))


class Keeper:
    """The thread that keeps one part running, from `begin` to `end`."""

    def __init__(self, part: Part, tell: Callable[[Event], None]) -> None:
        self.part = part
        self._tell = tell
        self._state: KeeperState = "starting"
        self._address = ""
        self._starts = 0
        self._failures_in_a_row = 0
        self._error: OperatorError | None = None
        self._has_settled = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"keep-{part.name}", daemon=True)

    def begin(self) -> None:
        """Start the part, in the background."""
        self._thread.start()

    def address(self, timeout_s: float) -> str:
        """The part's address once it was ready for the first time.

        Raises the `OperatorError` of a first start that failed.
        """
        if not self._has_settled.wait(timeout_s):
            raise OperatorError(
                f"{self.part.name} was not ready within {timeout_s:.0f} s.",
                "This computer is overloaded.",
                f"Read {self.part.log_file} and start again.",
            )
        if self._error is not None:
            raise self._error
        return self._address

    @property
    def is_settled(self) -> bool:
        """Whether the first start has succeeded or failed."""
        return self._has_settled.is_set()

    @property
    def view(self) -> PartView:
        """The part as it is now."""
        return PartView(
            name=self.part.name,
            state=self._state,
            address=self._address,
            pid=self.part.pid if self._state == "ready" else None,
            starts=self._starts,
            log_file=str(self.part.log_file),
        )

    def ask_to_end(self) -> None:
        """Begin to stop the part."""
        self._is_over.set()

    def end(self) -> None:
        """Stop the part, and return when it has ended; twice is once."""
        self.ask_to_end()
        if self._thread.is_alive():
            self._thread.join(STOP_JOIN_TIMEOUT_S)

    def _run(self) -> None:
        try:
            self._keep()
        except BaseException as error:
            # A mistake of ours: it is shown by the thread, and nobody waits for ever.
            self._error = OperatorError(
                f"{self.part.name} is kept running no longer: {error!r}.",
                "This is a mistake in flumina.",
                f"Report it with the text above; {self.part.log_file} may tell more.",
            )
            self._state = "failed"
            self._has_settled.set()
            raise

    def _keep(self) -> None:
        while not self._is_over.is_set():
            began_s = time.monotonic()
            code = self._one_life()
            if self._error is not None or self._is_over.is_set():
                break
            self._wait_before_next(code, time.monotonic() - began_s)
        if self._error is None:
            self.part.stop()
            self._state = "stopped"
            self._tell(Event(self.part.name, "stopped", "stopped"))
        self._has_settled.set()

    def _one_life(self) -> int | None:
        """The exit code of one run from start to end; None when it could not be started."""
        self._state = "starting"
        self._starts += 1
        try:
            self._address = self._started()
        except OperatorError as error:
            if self._is_over.is_set():
                return None
            if self._has_settled.is_set():
                # Its last words name who is missing, and that one is being started as well.
                text = f"{error.what} It is tried again; its last words are in {self.part.log_file}"
                self._tell(Event(self.part.name, "failed", text))
            else:
                self._tell(Event(self.part.name, "failed", str(error)))
                self._error, self._state = error, "failed"
            return None
        self._state = "ready"
        self._has_settled.set()
        self._tell(Event(self.part.name, "ready", self._address))
        return self._watched()

    def _started(self) -> str:
        try:
            return self.part.start(self._is_over)
        except OSError as error:
            is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            raise OperatorError(
                f"{self.part.name} could not be started: {error}.",
                "The disk is full." if is_full else "A file of its data cannot be used.",
                "Make room there, or choose another directory with --data-dir or FLUMINA_DATA.",
            ) from error

    def _watched(self) -> int | None:
        tend_at_s = time.monotonic() + TEND_EVERY_S
        while not self._is_over.wait(POLL_S):
            code = self.part.poll()
            if code is not None:
                return code
            if time.monotonic() > tend_at_s:
                self.part.tend()
                tend_at_s = time.monotonic() + TEND_EVERY_S
        return None

    def _wait_before_next(self, code: int | None, ran_s: float) -> None:
        self._state = "waiting"
        if ran_s > WELL_AFTER_S:
            self._failures_in_a_row = 0
        if code == EXIT_AT_ONCE and ran_s > AT_ONCE_MIN_RUN_S:
            pause_s = 0.0
        else:
            self._failures_in_a_row += 1
            pause_s = pause_after(self._failures_in_a_row)
        if code is not None:
            when = f"again in {pause_s:g} s" if pause_s else "again at once"
            text = f"ended with code {code}, starts {when}; see {self.part.log_file}"
            self._tell(Event(self.part.name, "ended", text))
        self._is_over.wait(pause_s)
