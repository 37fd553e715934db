"""The three objectives of a cell, as Titus measured itself: what counts, and how much is promised.

The one thing to know: each counts events that were good or bad, so one arithmetic serves all:
budget, burn rate, remaining. Availability asks whether the control plane could be used, crashing
whether containers ended by our fault and not by their own, start latency whether they ran in time.
"""

from typing import Final, Literal, assert_never, get_args

import msgspec

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
PERIOD_MS: Final = 30 * DAY_MS
"""What a budget is for: thirty days that end now."""

SloName = Literal["availability", "crashing", "start-latency"]
SLOS: Final[tuple[SloName, ...]] = get_args(SloName)
ScopeKind = Literal["cell", "owner", "application", "capacity_group"]
SCOPE_KINDS: Final[tuple[ScopeKind, ...]] = get_args(ScopeKind)


class Objective(msgspec.Struct, frozen=True):
    """What is promised of one of them."""

    target_ppm: int
    """How many of a million events have to be good."""
    within_ms: int = 0
    """What is in time; crashing knows no time."""


class Objectives(msgspec.Struct, frozen=True):
    """What is promised; a file of alert rules may say otherwise."""

    availability: Objective = Objective(999_000, 10_000)
    """Three nines; and after ten seconds a fail-over should be over (docs/failover.md)."""
    crashing: Objective = Objective(999_000)
    start_latency: Objective = Objective(990_000, 5 * MINUTE_MS)
    """Titus' bypass of cooldowns begins after a wait of 300 s, its own SLO."""

    def of(self, name: SloName) -> Objective:
        """The objective of this name."""
        match name:
            case "availability":
                return self.availability
            case "crashing":
                return self.crashing
            case "start-latency":
                return self.start_latency
        assert_never(name)


class BurnWindow(msgspec.Struct, frozen=True):
    """A long window that says that it matters, a short one that says that it goes on."""

    name: str
    long_ms: int
    short_ms: int
    factor_milli: int
    """So many thousandths of the even rate burn the budget too fast, in both windows."""


BURN_WINDOWS: Final = (
    # 2 % of thirty days' budget within an hour, 5 % within six, 10 % within three days.
    BurnWindow("fast", HOUR_MS, 5 * MINUTE_MS, 14_400),
    BurnWindow("slow", 6 * HOUR_MS, 30 * MINUTE_MS, 6_000),
    BurnWindow("drip", 3 * DAY_MS, 6 * HOUR_MS, 1_000),
)
