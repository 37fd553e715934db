"""What the core expects of the outside: one Protocol for each kind of neighbour.

The one thing to know: a port carries out and reports; it decides nothing. Every implementation
(Apache Mesos, the simulated world of the tests) keeps the same promises, and the same contract
tests run against each.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from scheduler.model.autoscaling import Metric, PolicyId
from scheduler.model.effects import Called, Effect
from scheduler.model.ids import JobId, StreamId
from scheduler.model.mesos import MesosRecord, StatusUpdate, Unrecognised
from scheduler.model.volumes import VolumeId, VolumeVerb


class ClusterManager(Protocol):
    """A cluster manager that offers hosts' resources and runs tasks on them."""

    def subscribe(self, epoch: int) -> AsyncIterator[MesosRecord]:
        """Open a new stream and give its records in order: ``Subscribed`` first, if at all.

        The last is ``StreamEnded``, whatever ended it; the iterator then stops. Where no stream
        came about it is the only one, and names no stream (``stream_id`` is empty) or the one that
        ended before it had begun. It never raises for a fault of the network or of the other side,
        and never reconnects by itself: whoever leads the cell decides when to subscribe again.
        Heartbeats are consumed here and are not given; their absence ends the stream.
        """
        ...

    async def carry_out(self, effect: Effect, stream_id: StreamId) -> Called:
        """Send one effect on that stream, once, and tell what is known of its fate.

        Never raises for a fault of the network or of the other side. Calls are sent one after
        the other, in the order asked. After an ``unknown`` no call goes out on that stream.
        """
        ...

    async def acknowledge(self, update: StatusUpdate | Unrecognised, stream_id: StreamId) -> Called:
        """Tell Mesos that this update (with a uuid) is durable with us, understood or not.

        Many may be under way at once, and none waits for a call. Never raises for a fault of the
        network or of the other side; after an ``unknown`` the update comes again.
        """
        ...

    async def acknowledge_all(
        self, updates: Sequence[StatusUpdate | Unrecognised], stream_id: StreamId
    ) -> list[Called]:
        """The same of many at once, for less than each costs alone; what became of each."""
        ...

    async def close(self) -> None:
        """End the stream and every connection; the framework and its tasks go on."""
        ...


class ObjectFacts(msgspec.Struct, frozen=True):
    """One object of a store: its key, how many bytes it has, and when it was written."""

    key: str
    bytes_total: int
    written_at_ms: int
    """By the store's own clock, in milliseconds since 1970."""


class ObjectExists(Exception):
    """An object of this key is there already; what was to be written was not."""


class NoSuchObject(Exception):
    """No object has this key."""


class StoreFailed(OSError):
    """The store did not answer, or refused; says which, the likely cause, and what to do."""


class ObjectStore(Protocol):
    """Named bytes that are kept: a directory, S3, or one local file of RocksDB.

    A key is `/`-separated words of ``[A-Za-z0-9._=-]``, no ``.`` or ``..`` among them, at most
    900 bytes in all. An object is there whole or not at all. Calls block, have time-outs and a
    bounded number of retries, and raise `StoreFailed` for everything that is the store's fault;
    coroutines call them in a thread.
    """

    @property
    def url(self) -> str:
        """How people name this store, without secrets."""
        ...

    def put_new(self, key: str, data: bytes) -> None:
        """Write an object that must not exist yet; raises `ObjectExists` else."""
        ...

    def put_new_file(self, key: str, path: Path) -> None:
        """The same with a file's content, which may be larger than memory."""
        ...

    def get(self, key: str) -> bytes:
        """The object's bytes; raises `NoSuchObject`."""
        ...

    def get_range(self, key: str, first: int, count: int) -> bytes:
        """At most ``count`` bytes from byte ``first`` on; raises `NoSuchObject`."""
        ...

    def get_to_file(self, key: str, path: Path) -> None:
        """Write the object's bytes into this file, whole or not at all; raises `NoSuchObject`."""
        ...

    def facts(self, prefix: str) -> Iterator[ObjectFacts]:
        """All objects whose key begins so, in the order of their keys."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens where there is none."""
        ...


class ImageUnknown(Exception):
    """A registry says that it does not have the tag."""


class RegistryUnavailable(Exception):
    """A registry did not say what a tag means: it does not answer, or wants a login."""


class ImageRegistry(Protocol):
    """Who knows what the tags of images stand for."""

    async def digest_of(self, image: str, tag: str) -> str:
        """The digest that the tag stands for now, like ``sha256:`` and 64 hex digits.

        Raises `ImageUnknown` where there is no such tag, `RegistryUnavailable` where that cannot
        be told within some seconds.
        """
        ...

    async def close(self) -> None:
        """End every connection."""
        ...


class AskedMetric(msgspec.Struct, frozen=True):
    """A metric that a scaling policy follows, and over which time it wants its values."""

    policy_id: PolicyId
    version: int
    job_id: JobId
    metric: Metric
    period_ms: int


class Reading(msgspec.Struct, frozen=True):
    """One value of a metric, as its source has it: a number that may be anything."""

    at_ms: int
    value: float
    is_whole: bool = False
    """It stands for its whole period already, by the statistic that was asked for."""


class MetricFailed(Exception):
    """A source did not answer, refused, or answered with nonsense; the text says how."""


class MetricSource(Protocol):
    """Where values of metrics come from: Prometheus, CloudWatch, a queue, what tasks use."""

    async def read(self, asked: AskedMetric, now_ms: int) -> list[Reading]:
        """The newest values, oldest first; none where the source knows of none.

        One question, no retries: who asks has a clock and does it again. It is given up after
        a time-out of its own. Raises `MetricFailed` for everything that is the source's fault.
        """
        ...

    async def close(self) -> None:
        """Give back every connection."""
        ...


class Endpoint(msgspec.Struct, frozen=True):
    """A started task at the place where it can be reached."""

    task_id: str
    job_id: str
    address: str
    port: int
    """Where it is reached by others: the first of its ports, or the one that its job names."""
    ports: tuple[int, ...] = ()
    cell: str = ""
    cell_uuid: str = ""
    version: str = ""
    """The tag or digest of its image."""
    is_healthy: bool = True


class PlaceUnknown(Exception):
    """There is no such load balancer."""


class RegistrationFailed(Exception):
    """A load balancer or registry did not answer, throttles, or refused; the text says how."""


class Registrations(Protocol):
    """What load balancers and registries have in common: places where endpoints are written down.

    Each call is given up after a time-out of its own and not repeated: who asks does it again, for
    registering and deregistering twice is doing it once. All raise `RegistrationFailed` for
    everything that is the other side's fault.
    """

    def key_of(self, endpoint: Endpoint) -> str:
        """By what the endpoint is told apart from others at the same place."""
        ...

    async def register(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Write them down, or what has changed of them; raises `PlaceUnknown`."""
        ...

    async def deregister(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Take them away; what is not there is passed over. Raises `PlaceUnknown`."""
        ...

    async def registered(self, place: str) -> frozenset[str]:
        """The keys of all that is written down there; raises `PlaceUnknown`."""
        ...

    async def close(self) -> None:
        """Give back every connection."""
        ...


class LoadBalancerProvider(Registrations, Protocol):
    """Load balancers; a place is one of them. Others may register targets there as well."""


class ServiceRegistry(Registrations, Protocol):
    """Where clients look for services; a place is a service. An endpoint's key is its task."""

    @property
    def renew_ms(self) -> int:
        """How often what is registered has to be renewed; 0 where it stays by itself."""
        ...

    async def renew(self, place: str, endpoints: Sequence[Endpoint]) -> frozenset[str]:
        """Say that these are still there; the keys of those that the registry does not know."""
        ...


class HealthRegistry(ServiceRegistry, Protocol):
    """A registry that has a word of its own about the health of what is registered."""

    @property
    def health_provider(self) -> str:
        """By which name disruption budgets ask for it."""
        ...

    async def health(self, place: str) -> Mapping[str, bool]:
        """The tasks of the service that it knows, and whether it calls each healthy."""
        ...


class VolumeRefused(Exception):
    """A provider says that it cannot be done; the text says why. Nothing was changed."""


class VolumeUnsure(Exception):
    """A provider did not answer in time, or only in part: it may have been done."""


class VolumeAsk(msgspec.Struct, frozen=True):
    """One work with one volume, complete in itself."""

    verb: VolumeVerb
    volume_id: VolumeId
    cell: str
    work: int
    """Its number: the same number is the same work, done once."""
    reference: str = ""
    """The provider's own name; empty where it was not made yet."""
    host: str = ""
    """The host's name: where its data are, or where it is attached."""
    target: str = ""
    """Of a move or a restore: the host or zone to which; of a clone: its id."""
    instance_id: str = ""
    zone: str = ""
    size_mib: int = 0
    volume_class: str = ""
    snapshot: str = ""
    """The snapshot's name, of a snapshot or a restore of one."""
    snapshot_reference: str = ""
    archive: str = ""
    """The key of its archive, where it has one."""


class VolumeTold(msgspec.Struct, frozen=True):
    """What a provider tells of a volume after a work."""

    reference: str = ""
    """The provider's name of it, or of what was made: a snapshot, a clone, an archive."""
    path: str = ""
    host: str = ""
    zone: str = ""
    used_mib: int = -1


class VolumeProvider(Protocol):
    """Who keeps volumes. Calls block and have a limit; coroutines make them in a thread.

    Carrying the same work out again is carrying it out once. Raises `VolumeRefused` where nothing
    was done, `VolumeUnsure` where that is not known.
    """

    def carry_out(self, ask: VolumeAsk) -> VolumeTold:
        """Do it, and tell what there is now."""
        ...

    def used_mib(self, ask: VolumeAsk) -> int:
        """How much the volume holds; below 0 where the provider does not tell."""
        ...
