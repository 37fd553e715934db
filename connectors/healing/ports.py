"""What healing expects of whoever runs scripts on hosts.

The one thing to know: a script is a name on an allow-list, and nobody runs anything else. Who runs
it decides nothing, runs each order once, and tells what is known of how it ended.
"""

from typing import Literal, Protocol

import msgspec


class ScriptToRun(msgspec.Struct, frozen=True):
    """One script on one host, complete in itself."""

    order_id: str
    host_id: str
    hostname: str
    instance_id: str
    """The cloud's; empty where none is known."""
    script: str
    arguments: tuple[str, ...]
    timeout_ms: int


class ScriptRan(msgspec.Struct, frozen=True):
    """How it ended. ``refused``: it was not run; ``unknown``: it may have been, and may run yet."""

    fate: Literal["sent", "refused", "unknown"]
    detail: str = ""
    exit_code: int | None = None
    output: str = ""


class HostCommands(Protocol):
    """Whoever runs scripts on hosts."""

    async def run(self, script: ScriptToRun) -> ScriptRan:
        """Run it to its end or its time-out. Never raises for a fault of the host or of the way."""
        ...

    async def close(self) -> None:
        """Give back every connection."""
        ...
