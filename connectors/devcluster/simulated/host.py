"""One simulated host: what the start of a task waits for on it, and what it keeps.

The one thing to know: a start goes image, interface, address, command, and each of these is shared
by all that start on the host at the same time. A host's chances come from the run's seed and its
number alone, so what other hosts do does not change its weather.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from connectors.devcluster.simulated.distributions import Draw, draw
from connectors.devcluster.simulated.model import Model, Weather
from connectors.devcluster.simulated.timeline import Timeline

Done = Callable[[str | None, float], None]
"""Called with why the start failed, or None, and the time."""


class Registry:
    """Where images come from: how large each is, and so many pulls at a time."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self._sizes: dict[str, float] = {}
        self._active = 0
        self._waiting: deque[Callable[[float], None]] = deque()

    def size_of(self, image: str) -> float:
        """The image's size; the same on every host and in every run of this seed."""
        size = self._sizes.get(image)
        if size is None:
            images = self._weather.model.images
            named = images.sizes_mib
            repository = image.partition("@")[0]
            size = named.get(image, named.get(repository))
            if size is None:
                chance = Random(f"{self._weather.seed}/image/{image}")  # noqa: S311 - weather
                size = draw(images.size_mib, chance)
            self._sizes[image] = size
        return size

    def ask(self, begin: Callable[[float], None], now: float) -> None:
        """Begin a pull as soon as the registry serves it."""
        most = self._weather.model.images.registry_pulls_max
        if most and self._active >= most:
            self._waiting.append(begin)
            return
        self._active += 1
        begin(now)

    def done(self, now: float) -> None:
        """A pull has ended, the next may begin."""
        self._active -= 1
        if self._waiting:
            self._active += 1
            self._waiting.popleft()(now)


@dataclass
class Pulls:
    """The pulls of one host, each getting an equal share of its bandwidth.

    ``served`` is how much each of them has got since the beginning of time, so that a pull is over
    when ``served`` has grown by its size, however many came and went meanwhile.
    """

    served: float = 0.0
    since: float = 0.0
    ends: dict[str, float] = field(default_factory=dict)
    turn: int = 0


@dataclass(slots=True)
class Claim:
    """What one start holds on its host until its task has ended."""

    image: str | None
    wants_address: bool
    done: Done
    life: int
    """Of the host: one that has died since holds nothing of it."""
    interface: int | None = None
    has_image: bool = False


class Host:
    """Images, interfaces and addresses of one host."""

    def __init__(
        self, weather: Weather, number: int, timeline: Timeline, registry: Registry
    ) -> None:
        self._model: Model = weather.model
        self._seed = f"{weather.seed}/{number}"
        self._timeline = timeline
        self._registry = registry
        self._chance: Random | None = None
        self._life = 0
        # The least recently used first; each with its size.
        self._cache: OrderedDict[str, float] = OrderedDict()
        self._users: dict[str, int] = {}
        self._waiting: dict[str, list[Claim]] = {}
        self._pulls = Pulls()
        self._addresses: list[int] = []
        """Addresses in use, of each interface that is attached or on its way."""
        self._interface_ready_at: list[float] = []
        self._attach_free_at = 0.0
        self._address_free_at = 0.0

    def draw(self, value: Draw) -> float:
        """A draw by this host's own chance."""
        return value if type(value) is float else draw(value, self.chance)

    def happens(self, share: float) -> bool:
        """Whether something happens that does in this share of all cases."""
        return share > 0 and self.chance.random() < share

    @property
    def chance(self) -> Random:
        """The host's own chance, made when it is first needed: most hosts never need it."""
        if self._chance is None:
            self._chance = Random(self._seed)  # noqa: S311 - weather
        return self._chance

    def begin(self, image: str | None, wants_address: bool, done: Done, now: float) -> Claim:
        """Start a task's start; ``done`` is called when it has succeeded or failed."""
        claim = Claim(image, wants_address, done, self._life)
        if image is None:
            self._has_image(claim, now)
        elif image in self._cache:
            self._cache.move_to_end(image)
            self._use(claim)
            self._has_image(claim, now)
        elif image in self._waiting:
            self._waiting[image].append(claim)
        else:
            self._waiting[image] = [claim]
            self._registry.ask(lambda at: self._pull(image, at), now)
        return claim

    def release(self, claim: Claim) -> None:
        """The task has ended: its address is free, its image may leave the cache."""
        if claim.life != self._life:
            return
        if claim.has_image and claim.image is not None:
            self._users[claim.image] -= 1
            claim.has_image = False
        if claim.interface is not None:
            self._addresses[claim.interface] -= 1
            claim.interface = None

    def die(self, now: float) -> None:
        """The host is off: starts, pulls and interfaces are lost, images are still on its disk."""
        self._life += 1
        pulls = len(self._pulls.ends)
        self._pulls.ends.clear()
        self._waiting.clear()
        self._users.clear()
        self._addresses.clear()
        self._interface_ready_at.clear()
        for _ in range(pulls):
            self._registry.done(now)

    # Images

    def _pull(self, image: str, now: float) -> None:
        if image not in self._waiting:
            # The host died while the registry let it wait.
            self._registry.done(now)
            return
        self._serve(now)
        self._pulls.ends[image] = self._pulls.served + self._registry.size_of(image)
        self._await_next_pull(now)

    def _rate(self) -> float:
        images = self._model.images
        rate = images.host_mib_per_s / len(self._pulls.ends)
        return min(rate, images.pull_mib_per_s_max or rate)

    def _serve(self, now: float) -> None:
        pulls = self._pulls
        if pulls.ends:
            pulls.served += (now - pulls.since) * self._rate()
        pulls.since = now

    def _await_next_pull(self, now: float) -> None:
        """Look again when the pull that is nearest to its end has reached it."""
        pulls = self._pulls
        pulls.turn += 1
        if pulls.ends:
            left = max(0.0, min(pulls.ends.values()) - pulls.served)
            self._timeline.at(now + left / self._rate(), self._pull_due, pulls.turn)

    def _pull_due(self, turn: int, now: float) -> None:
        pulls = self._pulls
        if turn != pulls.turn or not pulls.ends:
            # Another pull began or ended meanwhile, or the host did.
            return
        self._serve(now)
        nearest = min(pulls.ends.values())
        for image in [i for i, end in pulls.ends.items() if end <= nearest]:
            del pulls.ends[image]
            self._registry.done(now)
            if self.happens(self._model.images.failure_share):
                self._pulled(image, f"Failed to pull image '{image}'", now)
            else:
                later = now + self.draw(self._model.images.unpack_s)
                self._timeline.at(later, self._pulled, image, None)
        self._await_next_pull(now)

    def _pulled(self, image: str, failure: str | None, now: float) -> None:
        claims = self._waiting.pop(image, [])
        if failure is not None:
            for claim in claims:
                claim.done(failure, now)
            return
        self._cache[image] = self._registry.size_of(image)
        for claim in claims:
            self._use(claim)
        self._make_room()
        for claim in claims:
            self._has_image(claim, now)

    def _use(self, claim: Claim) -> None:
        assert claim.image is not None
        self._users[claim.image] = self._users.get(claim.image, 0) + 1
        claim.has_image = True

    def _make_room(self) -> None:
        """Drop what was not used for longest; what a task uses stays, also above the limit."""
        over = sum(self._cache.values()) - self._model.images.cache_mib
        for image in list(self._cache):
            if over <= 0:
                return
            if not self._users.get(image):
                over -= self._cache.pop(image)
                self._users.pop(image, None)

    # Interfaces and addresses

    def _has_image(self, claim: Claim, now: float) -> None:
        if claim.life != self._life:
            return
        if not claim.wants_address:
            self._start(claim, now)
            return
        interface = self._interface(now)
        if interface is None:
            why = "No address is free on any interface of this host"
            self._timeline.at(now, claim.done, why)
            return
        self._addresses[interface] += 1
        claim.interface = interface
        begin = max(now, self._interface_ready_at[interface], self._address_free_at)
        self._address_free_at = begin + self.draw(self._model.interfaces.address_s)
        self._timeline.at(self._address_free_at, self._start, claim)

    def _interface(self, now: float) -> int | None:
        """An interface with a free address, a new one if there must be, None if there cannot."""
        interfaces = self._model.interfaces
        for number, used in enumerate(self._addresses):
            if used < interfaces.addresses_each:
                return number
        if len(self._addresses) == interfaces.per_host:
            return None
        self._attach_free_at = max(now, self._attach_free_at) + self.draw(interfaces.attach_s)
        self._addresses.append(0)
        self._interface_ready_at.append(self._attach_free_at)
        return len(self._addresses) - 1

    # The command

    def _start(self, claim: Claim, now: float) -> None:
        start = self._model.start
        later = now + self.draw(start.seconds)
        failure = "Simulated failure to start" if self.happens(start.failure_share) else None
        self._timeline.at(later, claim.done, failure)
