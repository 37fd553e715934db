"""Which parts of the cluster are cut off from each other, and until when.

The one thing to know: a cut has one direction, from a sender to a receiver; a partition is two of
them. Only pairs that speak to each other can be cut: nothing else would change anything.
"""

import re

from connectors.devcluster.network.cuts import SCHEDULER, Cut
from connectors.devcluster.node import (
    AGENT_PROCESSES_MAX,
    ClusterConfig,
    ConfigError,
    loopback_error,
)
from connectors.devcluster.words import Json

_SCHEDULERS = frozenset({SCHEDULER, "schedulers", "framework", "frameworks"})


class Partitions:
    """The cuts in force."""

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._until: dict[Cut, float | None] = {}

    @property
    def cuts(self) -> frozenset[Cut]:
        """Who does not hear whom."""
        return frozenset(self._until)

    def make(self, request: Json, now: float) -> list[list[str]]:
        """Cut what is asked for; the answer is the pairs, sender and receiver."""
        if problem := loopback_error(self._config.host):
            raise ConfigError(
                f"on {self._config.host} nothing can be cut: who speaks is told by addresses that "
                f"exist on loopback only ({problem})"
            )
        made = self._asked(request)
        seconds = request.get("seconds")
        for cut in made:
            self._until[cut] = None if seconds is None else now + float(seconds)
        return [list(cut) for cut in made]

    def heal(self, request: Json) -> list[list[str]]:
        """Take cuts away: those between two, or all; the answer is those that there were."""
        if request.get("a") is None:
            wanted = sorted(self._until)
        else:
            wanted = [cut for cut in self._asked(request) if cut in self._until]
            if not wanted:
                raise ConfigError(
                    f"{request['a']} and {request.get('b')} are not cut off from each other; "
                    "'flumina dev-cluster status' shows what is"
                )
        for cut in wanted:
            del self._until[cut]
        return [list(cut) for cut in wanted]

    def expire(self, now: float) -> bool:
        """Take away the cuts whose time is over; whether there were any."""
        over = [cut for cut, until in self._until.items() if until is not None and now >= until]
        for cut in over:
            del self._until[cut]
        return bool(over)

    def patience_ms(self, now: float) -> float | None:
        """How long until the next cut is healed by itself."""
        moments = [until for until in self._until.values() if until is not None]
        return max(0.0, (min(moments) - now) * 1000 + 1) if moments else None

    def view(self, now: float) -> list[Json]:
        """The cuts, for people and machines."""
        return [
            {
                "from": sender,
                "to": receiver,
                "heals_in_seconds": None if until is None else round(max(0.0, until - now), 3),
            }
            for (sender, receiver), until in sorted(self._until.items())
        ]

    def _asked(self, request: Json) -> list[Cut]:
        first, second = (self._parts(request.get(side)) for side in ("a", "b"))
        pairs = [(a, b) for a in first for b in second]
        if self._config.simulate and any(_is_agent(name) for pair in pairs for name in pair):
            raise ConfigError(
                "simulated agents live in their master's process and have no network to cut; "
                "'kill' and 'start' are what they know"
            )
        for a, b in pairs:
            self._check(a, b)
        if request.get("one_way"):
            return pairs
        return [cut for a, b in pairs for cut in ((a, b), (b, a))]

    def _parts(self, name: object) -> list[str]:
        """The parts of a name: ``master`` is every master."""
        if name in _SCHEDULERS:
            return [SCHEDULER]
        if name == "master":
            return self._config.master_names
        # An agent may be cut off before it is started for the first time.
        if name in self._config.master_names or _is_agent(name):
            return [str(name)]
        raise ConfigError(
            f"nothing here is called {name!r}; there are "
            f"{', '.join(self._config.node_names())} and {SCHEDULER} (all frameworks)"
        )

    @staticmethod
    def _check(a: str, b: str) -> None:
        kinds = {each.rstrip("0123456789") for each in (a, b)}
        if len(kinds) == 2:
            return
        reasons = {
            "master": "masters share a disk and speak to each other by that only",
            "agent": "agents do not speak to each other",
            SCHEDULER: "frameworks do not speak to each other by way of this cluster",
        }
        reason = reasons[kinds.pop()]
        raise ConfigError(f"{a} and {b} cannot be cut off from each other: {reason}")


def _is_agent(name: object) -> bool:
    if not isinstance(name, str) or not re.fullmatch(r"agent[1-9]\d?", name):
        return False
    return int(name.removeprefix("agent")) <= AGENT_PROCESSES_MAX
