"""Load balancers in memory: AWS' promises, and faults where a test wants them."""

from collections.abc import Sequence

from connectors.ports import Endpoint, PlaceUnknown, RegistrationFailed


class Balancers:
    """Targets by load balancer."""

    def __init__(self, *names: str) -> None:
        self.targets: dict[str, set[str]] = {name: set() for name in names}
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        """Every call that changes something: its word, the place, the keys."""
        self.fault = ""

    def key_of(self, endpoint: Endpoint) -> str:
        """Address and port."""
        return f"{endpoint.address}:{endpoint.port}"

    async def register(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Add targets."""
        self._there("register", place, endpoints).update(map(self.key_of, endpoints))

    async def deregister(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Take targets away."""
        self._there("deregister", place, endpoints).difference_update(map(self.key_of, endpoints))

    async def registered(self, place: str) -> frozenset[str]:
        """The targets, whoever registered them."""
        return frozenset(self._there("", place, ()))

    async def close(self) -> None:
        """Nothing is open."""

    def _there(self, word: str, place: str, endpoints: Sequence[Endpoint]) -> set[str]:
        if word:
            self.asked.append((word, place, tuple(map(self.key_of, endpoints))))
        if self.fault:
            raise RegistrationFailed(self.fault)
        if place not in self.targets:
            raise PlaceUnknown(place)
        return self.targets[place]
