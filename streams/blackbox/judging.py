"""What rounds say of a cell together: well, failing, told, and well again.

The one thing to know: one bad round is no news; so many in a row are one page, and the first good
ones behind them are one word that it is over. It is pure, but for the time that it is told.
"""

from typing import Final, Literal, NamedTuple

from connectors.pager.translate import Page
from streams.blackbox.probing import Round

RUNBOOK: Final = "docs/alerts.md#the-black-box-prober"
Standing = Literal["unknown", "good", "slow", "bad"]
STANDINGS: Final[tuple[Standing, ...]] = ("good", "slow", "bad")


class Limits(NamedTuple):
    """When a round is slow, and how many make news."""

    slow_s: float = 30.0
    failures: int = 2
    recoveries: int = 2


class Judge:
    """Follows the rounds of one cell."""

    def __init__(self, url: str, cell: str, limits: Limits) -> None:
        self._url, self._cell, self._limits = url, cell, limits
        self._bad_rounds = 0
        self._good_rounds = 0
        self._failing_since_ms = 0
        self.is_told = False
        """It is down or slow, and somebody was told."""

    def standing_of(self, found: Round) -> Standing:
        """What one round says by itself."""
        if found.failed_step:
            return "bad"
        return "slow" if found.seconds > self._limits.slow_s else "good"

    def judged(self, found: Round, at_ms: int) -> Page | None:
        """The page that follows from a round, if one does."""
        standing = self.standing_of(found)
        self._cell = found.cell or self._cell
        if standing == "good":
            self._bad_rounds, self._good_rounds = 0, self._good_rounds + 1
            if self.is_told and self._good_rounds >= self._limits.recoveries:
                self.is_told = False
                return self._page("is over: the cell answers again", f"{_told(found)}", at_ms)
            return None
        if not self._bad_rounds and not self.is_told:
            self._failing_since_ms = at_ms
        self._bad_rounds, self._good_rounds = self._bad_rounds + 1, 0
        if self.is_told or self._bad_rounds < self._limits.failures:
            return None
        self.is_told = True
        word = "does not do what it is asked" if standing == "bad" else "is slow"
        return self._page(f"seen from outside, the cell {word}", _told(found), at_ms)

    def _page(self, what: str, why: str, at_ms: int) -> Page:
        state = "failing" if self.is_told else "over"
        return Page(
            id=f"blackbox|{self._url}|{self._failing_since_ms}|{state}",
            what=what,
            why=f"{why}. The prober asks {self._url}; {RUNBOOK} says what to do",
            kind="blackbox",
            cell=self._cell,
            process="blackbox",
            at_ms=at_ms,
        )


def _told(found: Round) -> str:
    took = ", ".join(f"{each.name} {each.seconds:.1f} s" for each in found.steps) or "nothing"
    if found.failed_step:
        return f"step {found.failed_step} failed: {found.why}; done: {took}"
    return f"{found.seconds:.1f} s in all: {took}"
