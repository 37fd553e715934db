"""Scripts run on this computer, which stands for all hosts of a dev cluster.

The one thing to know: a script is a child in a group of its own, so that a time-out ends all that
it started; of what it writes the end is kept. It is told by variables which host it is for.
"""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from connectors.healing.allow_list import AllowList, NotAllowed
from connectors.healing.ports import ScriptRan, ScriptToRun

OUTPUT_BYTES_MAX: Final = 8_000
KILL_GRACE_S: Final = 2.0
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "LANG", "HOME", "TMPDIR")


class LocalCommands:
    """Runs scripts here, in the directory of the host's agent where there is one."""

    def __init__(self, allowed: AllowList, agents_dir: Path | None = None) -> None:
        self._allowed = allowed
        self._agents_dir = agents_dir

    async def run(self, script: ScriptToRun) -> ScriptRan:
        """Run it to its end or its time-out."""
        try:
            command = self._allowed.command(script.script, script.arguments)
        except NotAllowed as error:
            return ScriptRan("refused", str(error))
        home = self._home(script.hostname)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {
            "FLUMINA_HOST_ID": script.host_id,
            "FLUMINA_HOSTNAME": script.hostname,
            "FLUMINA_AGENT_DIR": "" if home is None else str(home),
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=home,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return ScriptRan("refused", f"{command[0]} cannot be started: {error}")
        return await _ended(process, script.timeout_ms / 1_000)

    def _home(self, hostname: str) -> Path | None:
        if self._agents_dir is None or "/" in hostname or hostname in {"", ".", ".."}:
            return None
        home = self._agents_dir / hostname
        return home if home.is_dir() else None

    async def close(self) -> None:
        """Nothing is held between two scripts."""


async def _ended(process: asyncio.subprocess.Process, timeout_s: float) -> ScriptRan:
    reading = asyncio.create_task(_end_of(process))
    try:
        output = await asyncio.wait_for(asyncio.shield(reading), timeout_s)
        code = await process.wait()
    except TimeoutError:
        _kill(process)
        done, _ = await asyncio.wait([reading], timeout=KILL_GRACE_S)
        output = reading.result() if done else ""
        reading.cancel()
        # Killed, it ends at once unless the kernel holds it; nobody waits for that.
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), KILL_GRACE_S)
        return ScriptRan("unknown", f"it took longer than {timeout_s:g} s", None, output)
    except asyncio.CancelledError:
        _kill(process)
        reading.cancel()
        raise
    # As shells say it: 128 and the signal's number.
    return ScriptRan("sent", "", code if code >= 0 else 128 - code, output)


async def _end_of(process: asyncio.subprocess.Process) -> str:
    """The last of what it writes, until it closes its output."""
    assert process.stdout is not None
    kept = b""
    while chunk := await process.stdout.read(65_536):
        kept = (kept + chunk)[-OUTPUT_BYTES_MAX:]
    return kept.decode("utf-8", "replace")


def _kill(process: asyncio.subprocess.Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # It has ended meanwhile.
