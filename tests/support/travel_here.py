"""Answers of the time machine in this process, as the REST API asks for them.

The one thing to know: it folds in the loop that asks. The api asks `streams.travel.client`.
"""

from connectors.web.travelling import TravelRefused
from projections.travel.questions import Question
from streams.travel.answering import Answering
from streams.travel.errors import TravelError


class TravelHere:
    """What `connectors.web.travelling.Travel` asks for, without another process."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering

    async def ask(self, question: Question) -> bytes:
        """The answer as JSON; raises `TravelRefused`."""
        try:
            return await self.answering.ask(question)
        except TravelError as error:
            cause = f"{error.what} {error.cause}".strip()
            raise TravelRefused(error.kind, cause, error.remedy) from error
