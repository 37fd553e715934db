"""What is noticed of a cell record by record, and measured whenever somebody asks.

The one thing to know: a sample costs no walk over tasks. What changes with tasks is counted as it
changes (`projections.slo.starts`), the rest is asked of the state or of the objectives' books.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from projections.alerts.measures import NO_LABELS, Labels, OfProcess, Sample, Series
from projections.slo.book import CELL, SloBook
from projections.slo.buckets import Buckets, Sums
from projections.slo.objectives import MINUTE_MS, SLOS
from projections.slo.report import standing
from projections.slo.starts import quantile_ms
from scheduler.model.changes import CellPaged
from scheduler.state import State

PAGE_MS: Final = 15 * MINUTE_MS
PAGES_MAX: Final = 200
TEXT_MAX: Final = 1_000
BAD_SCOPES_MAX: Final = 50
"""Of owners, applications and groups those are measured that had something bad within a day."""
BURN_BAD_MIN: Final = 5
"""Fewer bad events in the long window are no rate: one of ten would page somebody at night."""
DAY_MS: Final = 24 * 60 * MINUTE_MS
TEN_MINUTES_MS: Final = 10 * MINUTE_MS


class PagedNote(msgspec.Struct, frozen=True):
    """A page of the fold."""

    kind: str
    about: str
    at_ms: int
    text: str


class KeptWatch(msgspec.Struct, frozen=True):
    """What a watch has to remember."""

    starved_since_ms: int = 0
    pages: tuple[PagedNote, ...] = ()
    lags: dict[str, tuple[int, int, int]] = {}


class Watch:
    """Notices what the state itself does not remember."""

    def __init__(self, kept: KeptWatch | None = None) -> None:
        found = kept or KeptWatch()
        self._starved_since_ms = found.starved_since_ms
        self._pages = {(each.kind, each.about): each for each in found.pages}
        self._lags = dict(found.lags)
        """By topic: a minute, the oldest age in it, and the oldest in the minute before."""
        self._last_ms = 0

    def kept(self) -> KeptWatch:
        """What another process needs to go on from here."""
        return KeptWatch(self._starved_since_ms, tuple(self._pages.values()), dict(self._lags))

    def passed(self, state: State) -> None:
        """Notice how the state stands behind a record."""
        now_ms = state.clock.now_ms
        self._last_ms = now_ms
        if not state.queued_tasks or state.offers:
            self._starved_since_ms = 0
        elif not self._starved_since_ms:
            self._starved_since_ms = now_ms

    def paged(self, change: CellPaged, now_ms: int) -> None:
        """Remember a page of the fold for a while."""
        note = PagedNote(
            change.kind or "other",
            change.key[:TEXT_MAX],
            now_ms,
            f"{change.what}. {change.why}"[:TEXT_MAX],
        )
        self._pages.pop((note.kind, note.about), None)
        self._pages[note.kind, note.about] = note
        first = next(iter(self._pages.values()))
        while len(self._pages) > PAGES_MAX or first.at_ms < now_ms - PAGE_MS:
            del self._pages[first.kind, first.about]
            first = next(iter(self._pages.values()))

    def copied(self, topic: str, now_ms: int, age_ms: int) -> None:
        """Note how old an inbound record was."""
        minute = now_ms // MINUTE_MS
        known = self._lags.get(topic, (minute, 0, 0))
        if known[0] != minute:
            known = (minute, 0, known[1] if known[0] == minute - 1 else 0)
        self._lags[topic] = (minute, max(known[1], age_ms), known[2])

    def sample(self, state: State, book: SloBook, at_ms: int, process: OfProcess) -> Sample:
        """All measures at this instant."""
        book.settle()
        values: dict[str, Series] = {
            name: {NO_LABELS: value}
            for name, value in (
                *self._of_tasks(state, book, at_ms),
                *self._of_hosts(state, at_ms),
                *self._of_cell(state, at_ms),
            )
        }
        values["tasks_queued_of_group"] = {
            (("capacity_group", group),): count
            for group, count in sorted(book.starts.queued_of_groups.items())
        }
        values["consumer_lag"] = {
            (("topic", topic),): self._lag_ms(known, at_ms)
            for topic, known in sorted(self._lags.items())
        }
        values["slo_budget_left"], values["slo_burn"] = _slos(book, at_ms)
        paged = [each for each in self._pages.values() if each.at_ms >= at_ms - PAGE_MS]
        labels = {(("about", each.about), ("kind", each.kind)): each.text for each in paged}
        values["pages"] = dict.fromkeys(labels, 1)
        notes: dict[tuple[str, Labels], str] = {
            ("pages", each): text for each, text in labels.items()
        }
        values |= process.values
        notes |= process.notes
        return Sample(at_ms, state.next_offset - 1, values, notes)

    def _lag_ms(self, known: tuple[int, int, int], at_ms: int) -> int:
        ago = at_ms // MINUTE_MS - known[0]
        return max(known[1:]) if ago <= 0 else known[1] if ago == 1 else 0

    def _of_tasks(self, state: State, book: SloBook, at_ms: int) -> Iterator[tuple[str, int]]:
        starts = book.starts
        yield "tasks_queued", state.queued_tasks
        for minutes in (1, 5, 10, 15):
            yield f"tasks_waiting_{minutes}m", starts.waiting_over(at_ms, minutes * MINUTE_MS)
        yield "oldest_wait", starts.oldest_wait_ms(at_ms)
        lately = starts.lately(at_ms)
        for word, took in (
            ("start", [each.start_ms for each in lately]),
            ("launch", [each.launch_ms for each in lately]),
        ):
            yield f"{word}_latency_p50", quantile_ms(took, 500)
            yield f"{word}_latency_p99", quantile_ms(took, 990)
        ends = _sums(book, at_ms)
        yield "tasks_crashed", ends.bad
        yield "tasks_failed", ends.other

    def _of_hosts(self, state: State, at_ms: int) -> Iterator[tuple[str, int]]:
        hosts = len(state.hosts)
        idle = hosts - sum(each in state.hosts for each in state.host_tasks)
        away = len(state.away_hosts)
        yield "hosts", hosts
        yield "hosts_idle", idle
        yield "hosts_idle_share", idle * 1_000_000 // hosts if hosts else 0
        yield "hosts_away", away
        yield "hosts_away_share", away * 1_000_000 // max(hosts, away) if away else 0
        yield "offers_held", len(state.offers)
        since_ms = self._starved_since_ms
        yield "offers_starved", max(0, at_ms - since_ms) if since_ms else 0

    def _of_cell(self, state: State, at_ms: int) -> Iterator[tuple[str, int]]:
        yield "publish_lag", max(0, state.next_offset - 1 - state.published_offset)
        yield "leader_silent", max(0, at_ms - self._last_ms) if self._last_ms else 0
        yield "safe", int(state.safe is not None)
        yield "orphans", sum(not each.is_confirmed for each in state.orphans.values())
        yield "tasks_silent", len(state.silent)
        yield "crash_loops", sum(each.is_looping for each in state.crash_loops.values())
        late = (each.completion != "met" or each.late_waiting > 0 for each in state.slas.values())
        yield "jobs_late", sum(late)


def _sums(book: SloBook, at_ms: int) -> Sums:
    return book.scopes.get(CELL, {}).get("crashing", Buckets()).sums(at_ms, TEN_MINUTES_MS)


def _slos(book: SloBook, at_ms: int) -> tuple[Series, Series]:
    """Budgets and burn rates of the cell, and of whom something bad befell within a day."""
    left: Series = {}
    burning: Series = {}
    bad = [
        scope
        for scope, buckets in book.scopes.items()
        if scope != CELL and any(each.last_bad_ms > at_ms - DAY_MS for each in buckets.values())
    ]
    for scope in (CELL, *bad[-BAD_SCOPES_MAX:]):
        for slo in SLOS:
            buckets = book.scopes.get(scope, {}).get(slo)
            if buckets is None or (scope != CELL and not buckets.last_bad_ms):
                continue
            objective = book.objectives.of(slo)
            found = standing(scope, slo, objective, buckets, at_ms)
            labels: Labels = (("name", scope[1]), ("scope", scope[0]), ("slo", slo))
            left[labels] = found.budget_left_ppm
            for burn in found.burns:
                is_much = buckets.sums(at_ms, burn.long_ms).bad >= BURN_BAD_MIN
                rate = min(burn.long_milli, burn.short_milli) if is_much else 0
                burning[(*labels, ("window", burn.name))] = rate
    return left, burning
