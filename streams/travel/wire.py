"""How the api process and its time machine talk: one line of JSON and a body, each way.

The one thing to know: a message is a line with the length of what follows, so that an answer of
many megabytes is read without looking for its end.
"""

import asyncio
from typing import Final, Literal

import msgspec

from projections.travel.questions import Question

MESSAGE_BYTES_MAX: Final = 256 * 1024 * 1024
LINE_BYTES_MAX: Final = 64 * 1024

Status = Literal["ok", "unclear", "unknown", "unavailable"]


class Asked(msgspec.Struct, frozen=True):
    """A question with a number of its own."""

    number: int
    question: Question


class Answered(msgspec.Struct, frozen=True):
    """How the question of this number went; a body of ``bytes_total`` follows."""

    number: int
    status: Status
    bytes_total: int = 0
    what: str = ""
    remedy: str = ""


ASKED: Final = msgspec.json.Decoder(Asked)
ANSWERED: Final = msgspec.json.Decoder(Answered)


def line_of(message: Asked | Answered) -> bytes:
    """The message as a line."""
    return msgspec.json.encode(message) + b"\n"


async def read_answer(stream: asyncio.StreamReader) -> tuple[Answered, bytes]:
    """The next answer; raises `asyncio.IncompleteReadError` at the stream's end."""
    answered = ANSWERED.decode(await stream.readuntil(b"\n"))
    if answered.bytes_total > MESSAGE_BYTES_MAX:
        raise ValueError(f"an answer of {answered.bytes_total} bytes")
    return answered, await stream.readexactly(answered.bytes_total)
