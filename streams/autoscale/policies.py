"""The scaling policies that the cell has now, asked of its API.

The one thing to know: only the standard library is needed here, so that a process whose cell has no
policies stays small. An API that does not answer leaves the list as it was: metrics are told on.
"""

import asyncio
from typing import Any, Final

import msgspec

from connectors.access.asking import got
from connectors.access.outgoing import Credentials
from connectors.ports import AskedMetric
from scheduler.model.autoscaling import PolicyId
from scheduler.model.ids import JobId
from scheduler.model.reading.bad_bytes import BAD_BYTES
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from scheduler.model.v3.scaling import read_scaling

ANSWER_S_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = 64 << 20
PATH: Final = "/api/v3/autoscaling/scalingPolicies"
FOLLOWED: Final = frozenset(("Pending", "Applied", "Error"))


class PoliciesUnknown(Exception):
    """The API did not tell which policies there are; the text says how."""


class _Id(msgspec.Struct):
    id: str


class _State(msgspec.Struct):
    state: str


class _Item(msgspec.Struct, rename="camel"):
    """A policy, as much of it as is looked at."""

    id: _Id
    job_id: str
    policy_state: _State
    scaling_policy: Any
    version: int = msgspec.field(name="flumina.version")


class _Told(msgspec.Struct):
    items: list[_Item]


async def policies_now(api: str, credentials: Credentials) -> list[AskedMetric]:
    """What the policies of the cell ask for; raises `PoliciesUnknown`."""
    return asked_of(await asyncio.to_thread(_get, api, credentials))


def _get(api: str, credentials: Credentials) -> bytes:
    # No proxies: the API stands beside us, and commands ask it directly as well.
    try:
        return got(api.rstrip("/") + PATH, credentials, ANSWER_S_MAX, ANSWER_BYTES_MAX)
    except OSError as error:
        raise PoliciesUnknown(f"{api} cannot be asked: {error}") from error


def asked_of(body: bytes) -> list[AskedMetric]:
    """The metrics of the policies of an answer that are still followed."""
    try:
        items = msgspec.json.decode(body, type=_Told).items
    except BAD_BYTES as error:
        raise PoliciesUnknown(f"the API's answer cannot be read: {error}") from error
    found = []
    for item in items:
        if item.policy_state.state not in FOLLOWED:
            continue
        spec = read_scaling(Fields(item.scaling_policy, "scalingPolicy", Faults()))
        if spec is not None:
            found.append(
                AskedMetric(
                    policy_id=PolicyId(item.id.id),
                    version=item.version,
                    job_id=JobId(item.job_id),
                    metric=spec.metric,
                    period_ms=spec.period_ms,
                )
            )
    return found
