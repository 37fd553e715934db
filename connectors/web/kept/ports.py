"""What the routes of kept things need of the process that serves them.

The one thing to know: what is written is durable before it is answered; whoever cannot say so
raises `NotKept`.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from projections.dashboards.model import Dashboard
from projections.query.kept import Entry, Kept, Sort


class NotKept(Exception):
    """What is kept cannot be read or written now; the text says why."""


class KeptPort(Protocol):
    """Queries and streams by name."""

    async def entries(self, sort: Sort) -> Sequence[Entry]:
        """All of a sort by name, as they are now; raises `NotKept`."""
        ...

    async def put(self, kept: Kept) -> int:
        """Write it, and its version; raises `NotKept`."""
        ...

    def stream_status(self, name: str) -> dict[str, Any]:
        """How a stream does: state, rows, offsets; empty where none of the name runs here."""
        ...


class DashboardsPort(Protocol):
    """Dashboards from files."""

    def all(self) -> tuple[Sequence[tuple[Dashboard, bool]], Sequence[dict[str, Any]]]:
        """Every dashboard, with whether it is an own one, and every fault of files."""
        ...
