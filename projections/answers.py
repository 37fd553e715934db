"""What the cell answered to whom: for each inbound record of a user, acceptance or refusal.

The one thing to know: the key is the record's own place (topic, partition, offset), which a
producer gets back from Kafka when it publishes. So whoever published a record can ask for its
answer, whether the record came by the REST API or not.
"""

from collections import OrderedDict
from typing import Final, get_args

import msgspec

from projections.obeyed import Obeyed, Place
from scheduler.model.address import Source
from scheduler.model.changes import (
    EvictionDecided,
    JobAccepted,
    JobRejected,
    RequestAccepted,
)

AnswerChange = JobAccepted | JobRejected | RequestAccepted | EvictionDecided
"""What the cell answers with."""
_KINDS: Final = frozenset(get_args(AnswerChange))
"""For those to whom a change is something else, as most are: `isinstance` asks one by one."""

ANSWERS_MAX: Final = 10_000
"""Answers that are remembered, the oldest dropped first; topic ``job-events`` has all of them."""


class Answer(msgspec.Struct, frozen=True):
    """The cell's answer to one record, and where in the cell log it was given."""

    place: Place
    change: AnswerChange
    source: Source
    """The record that is answered."""


class Answers:
    """The last answers, by the record that they answer."""

    def __init__(self) -> None:
        self.dropped = 0
        self._answers: OrderedDict[tuple[str, int, int], Answer] = OrderedDict()

    def apply(self, obeyed: Obeyed) -> None:
        """Remember what one event answered."""
        for change in obeyed.changes:
            if type(change) not in _KINDS:
                continue
            assert isinstance(change, AnswerChange)
            source = change.source
            if source is not None:
                key = (source.topic, source.partition, source.offset)
                self._answers.pop(key, None)  # another generation of the topic had this offset
                self._answers[key] = Answer(obeyed.place, change, source)
                if len(self._answers) > ANSWERS_MAX:
                    self._answers.popitem(last=False)
                    self.dropped += 1

    def to(self, topic: str, partition: int, offset: int) -> Answer | None:
        """The answer to this record; None while there is none, or where it is forgotten."""
        return self._answers.get((topic, partition, offset))

    def last_rejections(self, most: int) -> list[Answer]:
        """The newest refusals, newest first: what a producer does wrong shows here."""
        found: list[Answer] = []
        for answer in reversed(self._answers.values()):
            if len(found) >= most:
                break
            if isinstance(answer.change, JobRejected):
                found.append(answer)
        return found
