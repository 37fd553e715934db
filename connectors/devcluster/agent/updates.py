"""The update stream of one task: one update in flight, repeated until it is acknowledged.

The one thing to know: the next update waits for the acknowledgement of the one before, however
late that comes, so a framework that is slow to acknowledge sees old states.
"""

from collections import deque
from dataclasses import dataclass, field

from connectors.devcluster.words import Json

RETRY_SECONDS_FIRST = 10.0
RETRY_SECONDS_MAX = 600.0


@dataclass(slots=True)
class UpdateStream:
    """The updates of one task that its framework has not acknowledged, oldest first."""

    pending: deque[Json] = field(default_factory=deque)
    # The newest update that was given to the master at least once.
    sent: Json | None = None
    # Every uuid that was ever queued: an executor may repeat what the agent has already.
    uuids: set[str] = field(default_factory=set)
    retry_at: float | None = None
    _interval: float = RETRY_SECONDS_FIRST

    def add(self, status: Json, now: float) -> Json | None:
        """Queue an update; the answer is the update to send now, if any."""
        self.pending.append(status)
        self.uuids.add(status["uuid"])
        return self._send(now) if len(self.pending) == 1 else None

    def acknowledge(self, uuid: str, now: float) -> tuple[bool, Json | None]:
        """Whether this uuid was the one in flight, and the update to send next, if any."""
        if not self.pending or self.pending[0]["uuid"] != uuid:
            return False, None
        self.pending.popleft()
        self.retry_at = None
        return True, (self._send(now) if self.pending else None)

    def due(self, now: float) -> Json | None:
        """The update to send again because its time has come, if any."""
        if self.retry_at is None or now < self.retry_at:
            return None
        self._interval = min(2 * self._interval, RETRY_SECONDS_MAX)
        self.retry_at = now + self._interval
        return self.pending[0]

    def resume(self, now: float) -> Json | None:
        """The update to send again because a framework or a master has come back, if any."""
        return self._send(now) if self.pending else None

    def pause(self) -> None:
        """Repeat nothing until ``resume``."""
        self.retry_at = None

    def _send(self, now: float) -> Json:
        self._interval = RETRY_SECONDS_FIRST
        self.retry_at = now + self._interval
        self.sent = self.pending[0]
        return self.sent
