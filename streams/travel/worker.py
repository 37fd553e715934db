"""The time machine as a process of its own, asked by the api process over its standard input.

The one thing to know: it ends with its asker, because its standard input ends then. It keeps
nothing that is not in the log, so it may be killed at any moment and is started again.
"""

import asyncio
import os
import sys

import structlog

from streams.errors import OperatorError
from streams.garbage import settle
from streams.logs import configure_logging
from streams.settings import settings_of
from streams.travel.answering import Answering
from streams.travel.errors import TravelError
from streams.travel.opening import opened_travel
from streams.travel.wire import ASKED, LINE_BYTES_MAX, Answered, Asked, line_of

logger = structlog.get_logger(__name__)


async def answered(answering: Answering, asked: Asked) -> tuple[Answered, bytes]:
    """The answer's head and body, whatever the question leads to."""
    try:
        body = await answering.ask(asked.question)
    except TravelError as error:
        cause = f"{error.what} {error.cause}".strip()
        return Answered(asked.number, error.kind, what=cause, remedy=error.remedy), b""
    except Exception as error:
        logger.exception("a question about another instant failed")
        what = f"The log cannot be read back: {type(error).__name__}: {error}"
        return Answered(asked.number, "unavailable", what=what, remedy="Ask again."), b""
    return Answered(asked.number, "ok", len(body)), body


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def work() -> None:
    """Answer one question after the other until nobody asks any more."""
    questions = await _standard_input()
    async with opened_travel(settings_of(os.environ)) as answering:
        while line := await questions.readline():
            head, body = await answered(answering, ASKED.decode(line))
            sys.stdout.buffer.write(line_of(head) + body)
            sys.stdout.buffer.flush()


def main() -> int:
    """Answer until nobody asks any more; the exit code."""
    configure_logging("travel")
    settle()
    try:
        asyncio.run(work())
    except OperatorError as error:
        logger.error("the time machine cannot begin", why=str(error))  # noqa: TRY400 - an operator reads it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
