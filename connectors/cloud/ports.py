"""What the core expects of a cloud: groups that are seen, notices that are heard, effects done.

The one thing to know: a connector decides nothing and remembers nothing. It tells what the cloud
says now, and asks of it what an accepted order says, once; the caller has clock, log and patience.
"""

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

import msgspec

from scheduler.model.fleet import CloudGroupObserved, FleetEffect, InstanceNoticed
from scheduler.model.network import InstanceNetworkObserved
from scheduler.model.warm_pools import WarmPoolObserved


class CloudFailed(Exception):
    """A cloud did not answer, throttles, refused, or answered with nonsense; the text says how."""


class EffectRefused(Exception):
    """An effect that is not asked of the cloud at all; the text begins with the kind of refusal."""


class Carried(msgspec.Struct, frozen=True):
    """How an effect ended, as far as can be known.

    ``refused``: nothing happened. ``unknown``: it may have, or may yet; what is so is seen in the
    next observation. The detail of a refusal begins with its kind: ``throttled``, ``gone``,
    ``denied``, ``bounds``, ``empty`` (a subnet without addresses) or ``refused``.
    """

    fate: Literal["sent", "refused", "unknown"]
    detail: str = ""


class Notice(msgspec.Struct, frozen=True):
    """Something that the cloud announced, and how to tell it that it was heard."""

    handle: str
    body: InstanceNoticed | None
    """None: it is of no concern to us, and is only taken."""


class CloudGroups(Protocol):
    """Groups of hosts of one account and region."""

    async def groups(
        self, cell: str, names: Collection[str], now_ms: int
    ) -> list[CloudGroupObserved]:
        """The groups that are the cell's, or have one of these names, each whole, by name.

        A group says which cell it is of by a tag ``flumina.cell``. Raises `CloudFailed`: a list
        that is not whole is none.
        """
        ...

    async def warm_pools(self, names: Collection[str], now_ms: int) -> list[WarmPoolObserved]:
        """The rules of these groups' warm pools; raises `CloudFailed`.

        Groups that are not there are left out; none where the cloud knows no warm pools. The
        instances that stand by are among those of `groups`.
        """
        ...

    async def networks(
        self, instances: Collection[tuple[str, str]], now_ms: int
    ) -> list[InstanceNetworkObserved]:
        """The interfaces of these instances (group, instance id); raises `CloudFailed`.

        None where the cloud has no network of ours to ask for.
        """
        ...

    async def notices(self, now_ms: int) -> list[Notice]:
        """Announcements that wait, at most some; waits a moment for one. Raises `CloudFailed`."""
        ...

    async def taken(self, handles: Sequence[str]) -> None:
        """Say that these announcements are written down. Raises `CloudFailed`."""
        ...

    async def carry_out(self, effect: FleetEffect) -> Carried:
        """Ask for one effect, and tell what is known of its fate. Never raises for the cloud."""
        ...

    async def close(self) -> None:
        """Give back every connection."""
        ...
