"""Who answers questions about other instants, as a Protocol; `streams.travel` has it.

The one thing to know: an answer takes up to a second, and never the api's own time.
"""

from typing import Literal, Protocol

from projections.travel.questions import Question


class TravelRefused(Exception):
    """A question about another instant that was not answered; says why and what to do."""

    def __init__(
        self, kind: Literal["unclear", "unknown", "unavailable"], what: str, remedy: str
    ) -> None:
        super().__init__(what)
        self.kind: Literal["unclear", "unknown", "unavailable"] = kind
        self.what = what
        self.remedy = remedy


class Travel(Protocol):
    """Who answers questions about other instants."""

    async def ask(self, question: Question) -> bytes:
        """The answer as JSON; raises `TravelRefused`."""
        ...


class NoTravel:
    """An API without a time machine."""

    async def ask(self, question: Question) -> bytes:
        """Refuse, whatever the question."""
        del question
        raise TravelRefused(
            "unavailable", "This API has no time machine.", "Ask one that `flumina up` runs."
        )
