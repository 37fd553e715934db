"""Sessions of `flumina exec` that this api process holds: who has them, their limits, their ends.

The one thing to know: a session is one actor's and ends with its reader. It begins only when the
log says who begins it, where, with which command and why; and whatever ends it, the log is told.
"""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from connectors.exec.client import AgentSession, ExecError
from projections.masking import Masker
from scheduler.model.ids import TaskId

logger = structlog.get_logger(__name__)

LOOK_S: Final = 0.5
"""Between two looks whether a session has gone beyond a limit."""
EXIT_CUT: Final = 124
"""As timeout(1) has it: what a session ends with that we have ended."""


class ExecLimits(msgspec.Struct, frozen=True):
    """What sessions may take; ours, for a person at a terminal."""

    is_on: bool = True
    sessions_max: int = 20
    """Of one api process: each holds three connections to an agent."""
    of_actor_max: int = 3
    idle_s: float = 600.0
    """Without a byte in either direction; what most shells' TMOUT is set to."""
    length_s: float = 4 * 3_600.0
    attach_s: float = 15.0
    """From the beginning until somebody reads."""
    output_bytes_max: int = 64 * 1024 * 1024


Tell = Callable[[str, str, str], Awaitable[None]]
"""Writes a note into the log: of this actor, this text, about this task."""


class Exec:
    """One session."""

    def __init__(self, name: str, actor: str, task_id: TaskId, session: AgentSession) -> None:
        self.name = name
        self.actor = actor
        self.task_id = task_id
        self.session = session
        self.began_s = self.active_s = asyncio.get_running_loop().time()
        self.is_read = False
        self.ended = ""
        """Why it has ended; empty while it has not."""
        self.has_ended = asyncio.Event()

    def end(self, why: str) -> None:
        """It has ended, or ends now; what was said first stays."""
        self.ended = self.ended or why
        self.has_ended.set()

    def touch(self) -> None:
        """Note that somebody said something."""
        self.active_s = asyncio.get_running_loop().time()

    def over(self, limits: ExecLimits) -> str:
        """Why it must end now; empty where it need not."""
        now_s = asyncio.get_running_loop().time()
        if not self.is_read and now_s > self.began_s + limits.attach_s:
            return "nobody read it"
        if now_s > self.active_s + limits.idle_s:
            return f"nothing was said for {limits.idle_s:.0f} s"
        if now_s > self.began_s + limits.length_s:
            return f"it lasted {limits.length_s:.0f} s"
        return ""


class Execs:
    """All sessions of one api process."""

    def __init__(self, limits: ExecLimits | None = None, masker: Masker | None = None) -> None:
        self.limits = limits or ExecLimits()
        self.masker = masker or Masker()
        self._there: dict[str, Exec] = {}
        self._begun: Counter[str] = Counter()
        """Sessions by actor, those that are just being opened among them."""
        self._guards: set[asyncio.Task[None]] = set()

    def reserve(self, actor: str) -> str:
        """Take a place for a session; a sentence where there is none."""
        if self._begun.total() >= self.limits.sessions_max:
            return f"this api process has {self.limits.sessions_max} sessions, and has no more"
        if self._begun[actor] >= self.limits.of_actor_max:
            return f"{actor} has {self.limits.of_actor_max} sessions, which is an actor's share"
        self._begun[actor] += 1
        return ""

    def release(self, actor: str) -> None:
        """Give a place back."""
        self._begun[actor] -= 1
        if self._begun[actor] <= 0:
            del self._begun[actor]

    def hold(self, each: Exec, tell: Tell) -> None:
        """Hold a session that has begun, and see that it ends, and that its end is told."""
        self._there[each.name] = each
        guard = asyncio.create_task(self._guard(each, tell))
        self._guards.add(guard)
        guard.add_done_callback(self._guards.discard)

    def find(self, name: str, task_id: str, actor: str) -> Exec | None:
        """The actor's own session of this name beside this task."""
        found = self._there.get(name)
        is_his = found is not None and (found.actor, found.task_id) == (actor, task_id)
        return found if is_his else None

    async def lines(self, each: Exec) -> AsyncIterator[bytes]:
        """What the session says as JSON lines, its exit code in the last."""
        said_bytes = 0
        code: int | None = EXIT_CUT
        try:
            async for channel, data in each.session.output():
                each.touch()
                said_bytes += len(data)
                yield _line({channel: base64.b64encode(data).decode("ascii")})
                if said_bytes > self.limits.output_bytes_max:
                    each.end(f"it said more than {self.limits.output_bytes_max} bytes")
                    break
            else:
                code = await each.session.exit_code()
                each.end(f"exit {'unknown' if code is None else code}")
        except ExecError as error:
            each.end(str(error))
        if not each.ended.startswith("exit"):
            yield _line({"why": each.ended})
            code = EXIT_CUT
        yield _line({"exit": code})

    def stop(self) -> None:
        """Let every session end soon, and its reader with it."""
        for each in self._there.values():
            each.end("the api process ended")

    async def close(self) -> None:
        """End every session, and return when the log was told, or could not be."""
        self.stop()
        await asyncio.gather(*self._guards, return_exceptions=True)

    async def _guard(self, each: Exec, tell: Tell) -> None:
        while not each.has_ended.is_set():
            if why := each.over(self.limits):
                each.end(why)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await each.has_ended.wait()
        seconds = asyncio.get_running_loop().time() - each.began_s
        await each.session.close()
        del self._there[each.name]
        self.release(each.actor)
        text = f"exec {each.name} ended after {seconds:.0f} s: {each.ended}"
        try:
            await tell(each.actor, text, each.task_id)
        except Exception as error:  # It is said here then, with the same words.
            logger.exception("an end could not be told", said=text, why=str(error))


def _line(value: dict[str, object]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
