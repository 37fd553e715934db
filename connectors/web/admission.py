"""Whether a request may be published now: not when the cell is behind, nor past an actor's share.

The one thing to know: what is measured is this process's own requests. Each stays on the books
from the moment it is taken until the fold has passed its record; the age of the oldest is how far
the cell is behind with what was asked of it, whatever the reason: no leader, a halted fold, a Kafka
that does not answer, or more work than it can do. Nothing waits in memory that is not counted here.
"""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import msgspec

from connectors.web.cell import Cell, Token
from connectors.web.passing import Lane
from connectors.web.problems import Problem

BEHIND_RETRY_AFTER_S: Final = 5
"""A cell that is half a minute behind is not level with the log a second later."""
QUOTA_RETRY_AFTER_S: Final = 1


class AdmissionLimits(msgspec.Struct, frozen=True):
    """How much of what was asked may wait for the cell."""

    behind_ms_max: int = 30_000
    """Leadership moves within 15 s, so a fail-over is waited for and refuses nobody."""
    waiting_max: int = 20_000
    """Four seconds' work of a cell that takes 5,000 requests a second; about 20 MB here."""
    waiting_of_actor_max: int = 2_000
    """A tenth: one who sends without end leaves nine tenths to the others."""


class _Written(msgspec.Struct, frozen=True):
    """A request in its topic that the fold has not passed, as far as we have looked."""

    offset: int
    actor: str
    since_ms: int
    generation: str


class Ticket:
    """One request on the books; told where its record stands once it is written."""

    def __init__(self) -> None:
        self.token: Token | None = None


class Admission:
    """Keeps the books of one API process."""

    def __init__(self, cell: Cell, limits: AdmissionLimits) -> None:
        self.limits = limits
        self._cell = cell
        self._written: dict[Lane, deque[_Written]] = {}
        self._publishing: dict[Ticket, int] = {}
        self._of_actor: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """Requests that were turned away, by reason."""

    @contextmanager
    def admitted(self, actor: str) -> Iterator[Ticket]:
        """A place on the books for a request; raises a 429 or 503 `Problem` where there is none."""
        self._settle()
        self._check(actor)
        ticket, since_ms = Ticket(), self._cell.now_ms()
        self._of_actor[actor] += 1
        self._publishing[ticket] = since_ms
        try:
            yield ticket
        finally:
            del self._publishing[ticket]
            token = ticket.token
            if token is None:
                # It may be in the topic all the same; nobody here waits for it any more.
                self._give_back(actor)
            else:
                lane = (token.topic, token.partition)
                entry = _Written(token.offset, actor, since_ms, self._generation(lane))
                self._written.setdefault(lane, deque()).append(entry)

    def waiting(self) -> int:
        """Requests that were taken and that the fold has not passed."""
        self._settle()
        return self._of_actor.total()

    def behind_ms(self) -> int:
        """For how long the oldest of them has waited; 0 where none does."""
        self._settle()
        oldest = [lane[0].since_ms for lane in self._written.values() if lane]
        oldest += list(self._publishing.values())[:1]
        return max(0, self._cell.now_ms() - min(oldest)) if oldest else 0

    def _check(self, actor: str) -> None:
        limits, behind_ms = self.limits, self.behind_ms()
        if behind_ms > limits.behind_ms_max:
            raise self._refusal(
                "behind",
                f"The cell is {behind_ms // 1_000} s behind with what was asked of it",
                f"Nothing was written: above {limits.behind_ms_max // 1_000} s no more is taken. "
                "Send it again when Retry-After has passed; /health says how the cell stands.",
            )
        if self._of_actor.total() >= limits.waiting_max:
            raise self._refusal(
                "full",
                f"{limits.waiting_max} requests wait for the cell, and more are not taken",
                "Nothing was written. Send it again when Retry-After has passed.",
            )
        if self._of_actor[actor] >= limits.waiting_of_actor_max:
            raise self._refusal(
                "actor",
                f"{limits.waiting_of_actor_max} requests of {actor} wait for the cell, which is "
                "an actor's share",
                "Nothing was written. Wait for answers before sending more, or send more slowly.",
            )

    def _refusal(self, reason: str, message: str, details: str) -> Problem:
        self.refused[reason] += 1
        is_share = reason == "actor"
        status = HTTPStatus.TOO_MANY_REQUESTS if is_share else HTTPStatus.SERVICE_UNAVAILABLE
        after_s = BEHIND_RETRY_AFTER_S if reason == "behind" else QUOTA_RETRY_AFTER_S
        return Problem(status, message, details, headers={"Retry-After": str(after_s)})

    def _settle(self) -> None:
        """Take off the books what the fold has passed, and what stood in a topic made anew."""
        for lane, waiting in self._written.items():
            reached, generation = self._cell.passing.reached(lane), self._generation(lane)
            while waiting and (
                waiting[0].offset <= reached or waiting[0].generation not in {"", generation}
            ):
                self._give_back(waiting.popleft().actor)

    def _give_back(self, actor: str) -> None:
        self._of_actor[actor] -= 1
        if self._of_actor[actor] <= 0:
            del self._of_actor[actor]

    def _generation(self, lane: Lane) -> str:
        mark = self._cell.view.state.watermarks.get(lane)
        return "" if mark is None else mark.generation
