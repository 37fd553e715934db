"""Active checks of one host: each answers good, bad with a reason, or that it cannot be told.

The one thing to know: a check looks at the host it runs on or asks the host's agent, has a time
limit of its own, and never raises. What cannot be looked at is unknown, which speaks for nothing.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import aiohttp

from scheduler.model.health import Probe
from streams.clock import now_ms

CHECK_S_MAX: Final = 10.0
AGENT_S_MAX: Final = 5.0
DISK_FREE_PERCENT_MIN: Final = 5
"""Kubernetes' kubelet evicts below 10 % of a node's disk; below 5 nothing more should begin."""
CLOCK_OFFSET_MS_MAX: Final = 5_000
"""An HTTP date has whole seconds; Kerberos and TLS bear minutes, our own time-outs seconds."""
SAID_MAX: Final = 200


async def agent_check(http: aiohttp.ClientSession, url: str) -> tuple[Probe, Probe]:
    """Whether the agent says that it is healthy, and whether its clock agrees with ours."""
    try:
        async with asyncio.timeout(AGENT_S_MAX), http.get(f"{url}/health") as answer:
            status, date = answer.status, answer.headers.get("Date", "")
    except TimeoutError:
        text = f"{url}/health did not answer within {AGENT_S_MAX:g} s"
        return Probe("agent", "bad", text), Probe("clock", "unknown", "the agent does not answer")
    except (aiohttp.ClientError, OSError) as error:
        text = f"{url}/health: {str(error) or type(error).__name__}"[:SAID_MAX]
        return Probe("agent", "bad", text), Probe("clock", "unknown", "the agent does not answer")
    agent = Probe("agent", "good") if status == 200 else Probe("agent", "bad", f"answers {status}")
    return agent, clock_check(date, now_ms())


def clock_check(date: str, at_ms: int) -> Probe:
    """Whether a date of an HTTP answer is that of this host's clock."""
    try:
        there_ms = int(parsedate_to_datetime(date).timestamp() * 1_000)
    except ValueError:
        return Probe("clock", "unknown", "the answer has no date")
    offset_ms = at_ms - there_ms
    if abs(offset_ms) > CLOCK_OFFSET_MS_MAX:
        return Probe("clock", "bad", f"clocks differ by {offset_ms} ms")
    return Probe("clock", "good")


def disk_check(directory: Path) -> Probe:
    """Whether the disk of the agent's directory has room."""
    try:
        found = shutil.disk_usage(directory)
    except OSError as error:
        return Probe("disk", "bad", f"{directory}: {error.strerror}")
    percent = found.free * 100 // max(1, found.total)
    if percent < DISK_FREE_PERCENT_MIN:
        return Probe("disk", "bad", f"{percent} % of {directory} is free")
    return Probe("disk", "good")


def system_check(directory: Path) -> Probe:
    """Whether the system lets a file be written and reach the disk: a read-only one does not."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(b"flumina")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Probe("system", "bad", f"cannot write in {directory}: {error.strerror}")
    return Probe("system", "good")


async def container_check(command: Sequence[str], directory: Path) -> Probe:
    """Whether a task that does nothing can be started and ends well."""
    return await command_check("container", command, directory, CHECK_S_MAX)


async def command_check(
    name: str, command: Sequence[str], directory: Path, limit_s: float
) -> Probe:
    """Whether a command ends well in time; if not, or if cancelled, it and its own are killed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=directory,
            start_new_session=True,
        )
    except OSError as error:
        return Probe(name, "bad", f"{command[0]}: {error.strerror}")
    try:
        async with asyncio.timeout(limit_s):
            _, said = await process.communicate()
    except TimeoutError:
        await _killed(process)
        return Probe(name, "bad", f"{command[0]} took longer than {limit_s:g} s")
    except asyncio.CancelledError:
        await _killed(process)
        raise
    if process.returncode:
        text = said.decode("utf-8", "replace").strip()[-SAID_MAX:]
        return Probe(name, "bad", f"{command[0]} ended with {process.returncode}: {text}")
    return Probe(name, "good")


async def _killed(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):  # It has ended meanwhile; late all the same.
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
