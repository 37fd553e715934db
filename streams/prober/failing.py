"""Which checks fail, as the prober's own log has it: a line when one begins to, and when it ends.

The one thing to know: a check without evidence (`unknown`) changes nothing, so that an agent that
is slow to answer makes no lines.
"""

from collections.abc import Collection, Sequence

import structlog

from scheduler.model.health import Probe

logger = structlog.get_logger(__name__)


class Failing:
    """What failed in the round before, by host."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def note(self, host_id: str, hostname: str, probes: Sequence[Probe]) -> None:
        """Log what has changed about the host's checks."""
        before = self._known.get(host_id, {})
        now = {each.name: each.detail for each in probes if each.state == "bad"}
        unknown = {each.name for each in probes if each.state == "unknown"}
        now |= {name: detail for name, detail in before.items() if name in unknown}
        for name in sorted(now.keys() - before.keys()):
            logger.warning("a check fails", host=hostname, check=name, why=now[name])
        for name in sorted(before.keys() - now.keys()):
            logger.info("a check is good again", host=hostname, check=name)
        if now:
            self._known[host_id] = now
        else:
            self._known.pop(host_id, None)

    def forget_others(self, host_ids: Collection[str]) -> None:
        """Remember only these hosts: the others are gone."""
        for gone in self._known.keys() - set(host_ids):
            del self._known[gone]
