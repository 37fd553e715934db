"""What stands in topic ``federation``: configurations, and the steps of evacuations.

The one thing to know: an evacuation is nothing but these records. Whoever reads them knows how far
it got, so that it goes on after the death of whoever led it.
"""

from typing import Final, Literal

import msgspec

from connectors.federation.configuration import Configuration


class Told(
    msgspec.Struct, frozen=True, tag=True, rename="camel", forbid_unknown_fields=True, kw_only=True
):
    """A record; ``at_ms`` is the wall time of who wrote it."""

    at_ms: int


class ConfigurationSet(Told, frozen=True, kw_only=True):
    """From here on the federation has this configuration."""

    configuration: Configuration
    actor: str
    why: str


class EvacuationBegan(Told, frozen=True, kw_only=True):
    """A region is to be left, as far as the percentage says."""

    evacuation: str
    region: str
    percent: int
    per_second: int
    """Tasks handed over in a second at most."""
    actor: str
    why: str


class CapacityChecked(Told, frozen=True, kw_only=True):
    """What the receivers have, and what comes."""

    evacuation: str
    tasks: int
    needed_cpu_milli: int
    needed_memory_mib: int
    free_cpu_milli: int
    free_memory_mib: int
    is_enough: bool
    unknown: tuple[str, ...] = ()
    """Receivers in which nothing waited, so that their offers were given back."""
    is_forced: bool = False
    """It is gone on with though it is not enough, because an operator says so."""


class ModeTurned(Told, frozen=True, kw_only=True):
    """A receiver packs from here on, or goes back."""

    evacuation: str
    cell: str
    mode: Literal["failover", "normal"]


class JobShifted(Told, frozen=True, kw_only=True):
    """A receiver has the job; what it was in its own cell stands here, for the way back."""

    evacuation: str
    job_id: str
    source: str
    receiver: str
    tasks: int
    minimum: int
    desired: int
    maximum: int


class SourceEmptied(Told, frozen=True, kw_only=True):
    """The job's tasks in the region that is left have been given up."""

    evacuation: str
    job_id: str


class JobReturned(Told, frozen=True, kw_only=True):
    """The job is back where it was."""

    evacuation: str
    job_id: str


class EvacuationTurned(Told, frozen=True, kw_only=True):
    """An operator has the evacuation pause, go on, go further, or go back."""

    evacuation: str
    order: Literal["pause", "resume", "failback"]
    percent: int
    actor: str
    why: str


class EvacuationEnded(Told, frozen=True, kw_only=True):
    """All that was ordered is done; ``is_back``: by going back."""

    evacuation: str
    is_back: bool


FederationRecord = (
    ConfigurationSet
    | EvacuationBegan
    | CapacityChecked
    | ModeTurned
    | JobShifted
    | SourceEmptied
    | JobReturned
    | EvacuationTurned
    | EvacuationEnded
)


def encode(record: FederationRecord) -> bytes:
    """The record as bytes."""
    return msgspec.json.encode(record)


def decode(data: bytes) -> FederationRecord:
    """The record that these bytes are; raises `msgspec.DecodeError`."""
    found: FederationRecord = _DECODER.decode(data)
    return found


_DECODER: Final = msgspec.json.Decoder(FederationRecord)
