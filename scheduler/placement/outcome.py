"""What placement answers: hosts with their reasons, or refusals with theirs.

The one thing to know: an answer explains itself. What was chosen names its fitness part by part
and who came second; what was refused names each rule with a count and the host that came nearest.
"""

import msgspec

from scheduler.model.ids import HostId

Parts = tuple[tuple[str, int], ...]
"""Fitness by part, in the order of the profile: name, 0 to 1,000."""


class Choice(msgspec.Struct, frozen=True, gc=False):
    """One host for one task, and the scarce things on it that the task gets."""

    host_id: HostId
    ports: tuple[int, ...] = ()
    interface: int = -1
    """Index of the network interface; -1: the task has no address."""
    gpus: tuple[int, ...] = ()
    """Indexes of the devices."""


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why the hosts of a run of equal choices were chosen: of the first of them, for all."""

    fitness: int
    """The weighted mean, 0 to 1,000."""
    parts: Parts
    runner_up: HostId | None = None
    """The best host of those not chosen, at that moment; None where no other would do."""
    runner_up_fitness: int = 0
    runner_up_parts: Parts = ()


class Refused(msgspec.Struct, frozen=True, gc=False):
    """How many hosts one rule or resource refused first, and which came nearest to passing."""

    rule: str
    hosts: int
    nearest: HostId | None = None
    missing: str = ""
    """What the nearest lacked, in words with units."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one request: choices in the order in which they were made, and the rest."""

    choices: tuple[Choice, ...]
    reason: Reason | None
    """Of the first choice; None where there is none."""
    left: int
    """Tasks without a host."""
    refused: tuple[Refused, ...] = ()
    """Why, where some are left: every host is counted once, under the first rule it breaks."""
    wake: str = ""
    """The event that could change the answer, in words."""
