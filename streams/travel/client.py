"""The api's side of the time machine: a process that is started when it is first asked.

The one thing to know: one question at a time is answered; the others wait their turn. A question
that takes too long ends the process, and the next one starts another: whatever a question about
the past does, the api's own loop only waits.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from itertools import count
from typing import Final

import structlog

from connectors.web.travelling import TravelRefused
from projections.travel.questions import Question
from streams.travel.wire import Answered, Asked, line_of, read_answer

logger = structlog.get_logger(__name__)

ANSWER_S_MAX: Final = 25.0
"""Less than a command waits for the API (30 s), so that it hears the reason and not silence."""
WAITING_MAX: Final = 20
"""Questions that wait for their turn; one more is refused."""
STOP_S_MAX: Final = 5.0


class TravelProcess:
    """A time machine in a process of its own."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """``environment`` is what the process reads its settings from; ours where None."""
        self._environment = dict(os.environ if environment is None else environment)
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._numbers = count(1)
        self._waiting = 0

    async def ask(self, question: Question) -> bytes:
        """The answer as JSON; raises `TravelRefused`."""
        if self._waiting >= WAITING_MAX:
            raise TravelRefused(
                "unavailable", "Many questions about other instants wait already.", "Ask again."
            )
        self._waiting += 1
        try:
            async with self._turn, asyncio.timeout(ANSWER_S_MAX):
                return await self._asked(question)
        except TimeoutError:
            await self._end()
            raise TravelRefused(
                "unavailable",
                f"The answer took longer than {ANSWER_S_MAX:.0f} s.",
                "Ask for a smaller range, or fewer entities.",
            ) from None
        except (OSError, EOFError, ValueError) as error:
            await self._end()
            raise TravelRefused(
                "unavailable", f"The time machine ended: {error!r}.", "Ask again."
            ) from error
        except asyncio.CancelledError:
            await self._end()  # Its answer would be taken for that to the next question.
            raise
        finally:
            self._waiting -= 1

    async def _asked(self, question: Question) -> bytes:
        process = await self._running()
        number = next(self._numbers)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line_of(Asked(number, question)))
        await process.stdin.drain()
        head, body = await read_answer(process.stdout)
        if head.number != number:
            raise ValueError(f"answer {head.number} to question {number}")
        return _or_refused(head, body)

    async def _running(self) -> asyncio.subprocess.Process:
        process = self._process
        if process is not None and process.returncode is None:
            return process
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # Not what the working directory calls `streams`, but this build.
            "-m",
            "streams.travel.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.kill()
        await process.wait()

    async def close(self) -> None:
        """End the process, if there is one."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S_MAX):
                await process.wait()
        except TimeoutError:
            logger.warning("the time machine did not end by itself")
            await self._end()


def _or_refused(head: Answered, body: bytes) -> bytes:
    if head.status == "ok":
        return body
    raise TravelRefused(head.status, head.what, head.remedy)
