"""When most agents seem to be away at once, the way to them is, and no host is to blame.

The one thing to know: a prober on the wrong side of a firewall, or beside agents that are only
modelled, would speak against every host. Agents that really die are missed by Mesos itself.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from scheduler.model.health import Probe

HOSTS_MIN: Final = 4
"""Of fewer hosts nothing is concluded: one of two that is away is one host that is away."""
AGENT: Final = "agent"


def doubted(looked: Sequence[Sequence[Probe]]) -> tuple[list[list[Probe]], int]:
    """What was seen of each host, and of how many the agent's silence counts for nothing.

    That is where more than half of the agents, and of at least four, failed in one round.
    """
    bad = sum(_is_bad(each) for probes in looked for each in probes)
    if len(looked) < HOSTS_MIN or bad * 2 <= len(looked):
        return [list(probes) for probes in looked], 0
    found = []
    for probes in looked:
        unknown = [
            msgspec.structs.replace(
                each, state="unknown", detail=f"most agents failed at once: {each.detail}"
            )
            if _is_bad(each)
            else each
            for each in probes
        ]
        found.append(unknown)
    return found, bad


def _is_bad(probe: Probe) -> bool:
    return probe.name == AGENT and probe.state == "bad"
