"""What the books say at an instant: budgets, what is left of them, and how fast they burn.

The one thing to know: a budget is what may be bad within thirty days. A burn rate of 1 uses it up
exactly at their end, one of 14.4 within two days. Of an instant that is longer ago than six hours
windows are told in whole hours.
"""

from collections.abc import Iterable

import msgspec

from projections.slo.book import CELL, Scope, SloBook
from projections.slo.buckets import Buckets
from projections.slo.objectives import (
    BURN_WINDOWS,
    PERIOD_MS,
    SLOS,
    BurnWindow,
    Objective,
    ScopeKind,
    SloName,
)

PPM = 1_000_000


class Burn(msgspec.Struct, frozen=True, rename="camel"):
    """How fast a budget burns, in a long window and in the short one at its end."""

    name: str
    long_ms: int
    short_ms: int
    long_milli: int
    """Thousandths of the even rate."""
    short_milli: int
    limit_milli: int
    is_too_fast: bool
    """Above the limit in both."""


class SloStanding(msgspec.Struct, frozen=True, rename="camel"):
    """One objective in one scope."""

    slo: SloName
    scope: ScopeKind
    name: str
    target_ppm: int
    within_ms: int
    period_ms: int
    total: int
    bad: int
    failed: int
    """Of crashing: ends by the task's own fault, which are no crashes."""
    good_ppm: int
    budget: int
    """So many may be bad of as many as there were."""
    budget_left_ppm: int
    """Of a million of it; below 0 it is overdrawn."""
    burns: tuple[Burn, ...]
    is_met: bool


class SloReport(msgspec.Struct, frozen=True, rename="camel"):
    """All objectives of the scopes that were asked for."""

    cell: str
    at_ms: int
    since_ms: int
    """From when on something was counted; a budget of thirty days that is younger says less."""
    gaps: int
    """How often records were passed over, for nobody who counts was there."""
    items: tuple[SloStanding, ...]


def burn_milli(buckets: Buckets, to_ms: int, window_ms: int, objective: Objective) -> int:
    """Thousandths of the rate at which the budget would last exactly its period."""
    sums = buckets.sums(to_ms, window_ms)
    allowed_ppm = PPM - objective.target_ppm
    if not sums.total or not allowed_ppm:
        return 0
    return sums.bad * PPM * 1_000 // (sums.total * allowed_ppm)


def burn_of(buckets: Buckets, at_ms: int, window: BurnWindow, objective: Objective) -> Burn:
    """How fast a budget burns in both windows of a pair."""
    long = burn_milli(buckets, at_ms, window.long_ms, objective)
    short = burn_milli(buckets, at_ms, window.short_ms, objective)
    return Burn(
        window.name,
        window.long_ms,
        window.short_ms,
        long,
        short,
        window.factor_milli,
        min(long, short) > window.factor_milli,
    )


def standing(
    scope: Scope, name: SloName, objective: Objective, buckets: Buckets, at_ms: int
) -> SloStanding:
    """One objective in one scope, at an instant."""
    sums = buckets.sums(at_ms, PERIOD_MS)
    allowed_ppm = PPM - objective.target_ppm
    spent_ppm = sums.bad * PPM * PPM // (sums.total * allowed_ppm) if sums.total else 0
    good_ppm = PPM - (sums.bad * PPM // sums.total if sums.total else 0)
    return SloStanding(
        slo=name,
        scope=scope[0],
        name=scope[1],
        target_ppm=objective.target_ppm,
        within_ms=objective.within_ms,
        period_ms=PERIOD_MS,
        total=sums.total,
        bad=sums.bad,
        failed=sums.other,
        good_ppm=good_ppm,
        budget=sums.total * allowed_ppm // PPM,
        budget_left_ppm=PPM - spent_ppm,
        burns=tuple(burn_of(buckets, at_ms, each, objective) for each in BURN_WINDOWS),
        is_met=good_ppm >= objective.target_ppm,
    )


def report(
    book: SloBook, cell: str, at_ms: int | None = None, kinds: Iterable[ScopeKind] = ("cell",)
) -> SloReport:
    """All objectives of these kinds of scopes, at an instant or now, the cell's first."""
    book.settle()
    instant_ms = book.now_ms if at_ms is None else min(at_ms, book.now_ms)
    wanted = frozenset(kinds)
    scopes = sorted(each for each in book.scopes if each[0] in wanted and each != CELL)
    if "cell" in wanted:
        scopes.insert(0, CELL)
    items = [
        standing(scope, name, book.objectives.of(name), _buckets_of(book, scope, name), instant_ms)
        for scope in scopes
        for name in SLOS
        if scope == CELL or name in book.scopes[scope]
    ]
    return SloReport(cell, instant_ms, book.since_ms, book.gaps, tuple(items))


def _buckets_of(book: SloBook, scope: Scope, name: SloName) -> Buckets:
    return book.scopes.get(scope, {}).get(name) or Buckets()
