"""The time that is stamped into records: the time of day, but it never stands still.

The one thing to know: the fold takes the largest stamp it has seen for now. So where a clock was
ahead for a moment and was set right, or the next leader's is behind, stamps of the time of day
would stop every retry and time-out of the cell until it has caught up. Here time then goes on from
where the log is, a tenth slower than it passes, as NTP slews a clock: nothing times out early.
"""

from typing import Final

from streams.clock import elapsed_s, now_ms

SLEWED_MS_A_SECOND: Final = 900
"""An hour ahead is made up for in ten."""


class LogClock:
    """Stamps of one writer."""

    def __init__(self) -> None:
        self._base_ms, self._base_s = now_ms(), elapsed_s()

    def go_on_from(self, at_ms: int) -> None:
        """Let no stamp be before this time: the log has got there."""
        if at_ms > self.now_ms():
            self._base_ms, self._base_s = at_ms, elapsed_s()

    def now_ms(self) -> int:
        """The next stamp, in milliseconds since 1970."""
        at_s, wall_ms = elapsed_s(), now_ms()
        slewed_ms = self._base_ms + int((at_s - self._base_s) * SLEWED_MS_A_SECOND)
        if wall_ms < slewed_ms:
            return slewed_ms
        self._base_ms, self._base_s = wall_ms, at_s
        return wall_ms
