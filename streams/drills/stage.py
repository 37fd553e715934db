"""The stage of one drill: it tells each step, waits for what is expected, and keeps the verdicts.

The one thing to know: waiting is looking again and again until a deadline. A promise that is waited
for in vain ends the drill, because what comes after would rest on it; one that is only looked at
does not.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from streams.cli.client import ApiError
from streams.cli.demo_screen import Screen
from streams.clock import elapsed_s
from streams.drills.promises import (
    RESTORE_S_MAX,
    RESTORED,
    Promise,
    Report,
    Seen,
    Verdict,
    unjudged,
    with_restored,
)
from streams.errors import OperatorError

POLL_S: Final = 0.15
WAIT_S: Final = 90.0
"""On two busy cores; an idle computer needs a fraction of it."""

Look = Callable[[], Seen]


class DrillOver(OperatorError):
    """Something did not come to pass, so the drill cannot go on."""


class Stage:
    """One drill under way."""

    def __init__(self, drill: str, promises: Sequence[Promise], screen: Screen) -> None:
        self._drill = drill
        self._promises = with_restored(promises)
        self._texts = {each.key: each.text for each in self._promises}
        self._screen = screen
        self._began_s = elapsed_s()
        self._hurt_at_s: float | None = None
        self._restored_s: float | None = None
        self._verdicts: list[Verdict] = []

    def step(self, text: str, style: str = "") -> None:
        """Say what is done now."""
        self._screen.step(text, style)

    def hurt(self, text: str) -> None:
        """Say what was damaged; the time to restore counts from the first damage."""
        if self._hurt_at_s is None:
            self._hurt_at_s = elapsed_s()
        self._screen.step(text, "bold red")

    def ready(self, waiting_for: str, look: Look, within_s: float = WAIT_S) -> str:
        """What was seen once it is so; raises `DrillOver` if it is not in time.

        For what must be there before a drill can promise anything.
        """
        self._screen.step(f"    waiting for {waiting_for} …", "dim")
        seen = self._looked(look, within_s)
        if not seen.is_so:
            raise DrillOver(
                f"Waited {within_s:.0f} s in vain for {waiting_for}.",
                f"Last seen: {seen.text}.",
                "Read the logs of the parts, which are kept.",
            )
        return seen.text

    def pass_time(self, seconds: float, how: str) -> None:
        """Let time pass with the damage done: what should not happen gets its chance to."""
        began_s = elapsed_s()
        self.ready(
            f"{seconds:.0f} s to pass {how}",
            lambda: Seen((spent_s := elapsed_s() - began_s) > seconds, f"{spent_s:.0f} s"),
        )

    def until(self, key: str, look: Look, within_s: float = WAIT_S) -> None:
        """Wait for a promise to be true, and judge it; raises `DrillOver` if it is not in time."""
        self._screen.step(f"    expected: {self._texts[key]} …", "dim")
        seen = self._looked(look, within_s)
        self.saw(key, seen)
        if not seen.is_so:
            raise DrillOver(
                f"Not within {within_s:.0f} s: {self._texts[key]}.",
                f"Last seen: {seen.text}.",
                "Read the logs of the parts, which are kept.",
            )

    def saw(self, key: str, seen: Seen) -> None:
        """Judge a promise by one look."""
        promise = self._texts[key]
        at_s = round(elapsed_s() - self._began_s, 3)
        assert all(each.key != key for each in self._verdicts), f"{key} was judged before"
        self._verdicts.append(Verdict(key, promise, seen.is_so, seen.text, at_s))
        mark, style = ("✓", "green") if seen.is_so else ("✗", "bold red")
        self._screen.step(f"{mark} {promise}: {seen.text}", style)

    def restored(self) -> None:
        """All is as it should be again: the clock stops."""
        assert self._hurt_at_s is not None, "nothing was hurt, so nothing can be restored"
        spent_s = elapsed_s() - self._hurt_at_s
        self._restored_s = round(spent_s, 3)
        self.saw(RESTORED, Seen(spent_s <= RESTORE_S_MAX, f"{spent_s:.1f} s"))

    def report(self, fault: str = "", data_dir: str = "") -> Report:
        """How it went, all told."""
        verdicts = (*self._verdicts, *unjudged(self._promises, self._verdicts))
        return Report(
            drill=self._drill,
            is_good=not fault and all(each.is_kept for each in verdicts),
            verdicts=verdicts,
            time_to_restore_s=self._restored_s,
            seconds=round(elapsed_s() - self._began_s, 3),
            fault=fault,
            data_dir=data_dir,
        )

    @staticmethod
    def _looked(look: Look, within_s: float) -> Seen:
        deadline = elapsed_s() + within_s
        while True:
            try:
                seen = look()
            except ApiError as error:
                seen = Seen(is_so=False, text=error.what)
            if seen.is_so or elapsed_s() > deadline:
                return seen
            time.sleep(POLL_S)
