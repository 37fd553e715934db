"""The modelled world of a drill: hosts that fetch images and bind interfaces, and a cloud's limits.

The one thing to know: a task waits for its image and for its interface beside each other, and only
the first task of a kind on a host pays for either: whoever comes later waits for what is under way.
"""

import msgspec

from projections.failover.numbers import Numbers
from scheduler.model.ids import HostId


class Prepared(msgspec.Struct, frozen=True):
    """When a task's container can start, and what was done for it."""

    at_ms: int
    has_pulled: bool
    has_bound: bool


class Totals(msgspec.Struct):
    """What was done in one run."""

    pulls: int = 0
    pulled_mb: int = 0
    warm_images: int = 0
    binds: int = 0
    warm_interfaces: int = 0
    waited_for_calls_ms: int = 0
    """By all binds together, for the cloud to take the call."""


class Cloud:
    """Calls that change interfaces, through one bucket of the account and region."""

    def __init__(self, numbers: Numbers) -> None:
        self._per_second = numbers.calls_per_second
        self._bucket_ms = numbers.calls_bucket * 1_000 // numbers.calls_per_second
        """How far before its turn a call may be made while the bucket is full."""
        self._turn_ms = 0
        """When the next call is due at the plain rate."""

    def call_at(self, now_ms: int) -> int:
        """When a call that is made now is taken."""
        self._turn_ms = max(self._turn_ms, now_ms - self._bucket_ms)
        taken_ms = max(now_ms, self._turn_ms)
        self._turn_ms += 1_000 // self._per_second
        return taken_ms


class Host:
    """What one host has fetched and bound."""

    def __init__(self) -> None:
        self.images: dict[str, int] = {}
        """When each image is there."""
        self.pulls_until_ms = 0
        self.interfaces: dict[int, tuple[tuple[str, ...], int]] = {}
        """By index: the set of security groups, and when the binding works."""


class World:
    """All hosts, and the cloud above them."""

    def __init__(self, numbers: Numbers, image_mb: dict[str, int]) -> None:
        self.totals = Totals()
        self._numbers = numbers
        self._image_mb = image_mb
        self._cloud = Cloud(numbers)
        self._hosts: dict[HostId, Host] = {}

    def settle(self, host_id: HostId, image: str, interface: int, groups: tuple[str, ...]) -> None:
        """A task of before the drill runs there: its image and its interface are there."""
        host = self._hosts.setdefault(host_id, Host())
        host.images[image] = 0
        if interface >= 0:
            host.interfaces[interface] = (groups, 0)

    def prepare(
        self, host_id: HostId, image: str, interface: int, groups: tuple[str, ...], now_ms: int
    ) -> Prepared:
        """What a task that reaches its host now has to wait for."""
        host = self._hosts.setdefault(host_id, Host())
        image_ms, has_pulled = self._image(host, image, now_ms)
        interface_ms, has_bound = self._interface(host, interface, groups, now_ms)
        return Prepared(max(now_ms, image_ms, interface_ms), has_pulled, has_bound)

    def _image(self, host: Host, image: str, now_ms: int) -> tuple[int, bool]:
        if not image or image in host.images:
            self.totals.warm_images += 1
            return host.images.get(image, 0), False
        size_mb = self._image_mb[image]
        takes_ms = size_mb * 1_000 // self._numbers.pull_mb_per_second
        host.pulls_until_ms = max(host.pulls_until_ms, now_ms) + takes_ms
        host.images[image] = host.pulls_until_ms
        self.totals.pulls += 1
        self.totals.pulled_mb += size_mb
        return host.pulls_until_ms, True

    def _interface(
        self, host: Host, interface: int, groups: tuple[str, ...], now_ms: int
    ) -> tuple[int, bool]:
        if interface < 0:
            return now_ms, False
        bound = host.interfaces.get(interface)
        if bound is not None and bound[0] == groups:
            self.totals.warm_interfaces += 1
            return bound[1], False
        taken_ms = self._cloud.call_at(now_ms)
        ready_ms = taken_ms + self._numbers.bind_ms
        host.interfaces[interface] = (groups, ready_ms)
        self.totals.binds += 1
        self.totals.waited_for_calls_ms += taken_ms - now_ms
        return ready_ms, True
