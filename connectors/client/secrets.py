"""Sealing values for publishers of records: with a client of the API, or with the ring itself.

The one thing to know: who publishes to topic ``jobs`` himself has no gateway that seals for him. A
marked value that is not sealed is refused by the cell, but it stands in the topic then; so seal
first, and publish what `sealed_descriptor` answers.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from connectors.client.asking import Ask, shape
from scheduler.model.sealed import is_sealed, is_secret, secret_names

SEAL: Final = "/api/flumina/secrets/seal"


class SealedValues(msgspec.Struct, frozen=True):
    """Values by the name of the variable, as they may stand in a descriptor."""

    values: dict[str, str]


def seal_ask(
    job_id: str, owner_email: str, application_name: str, values: Mapping[str, str]
) -> Ask[SealedValues]:
    """The request that seals values of a job's variables; nothing is written by it."""
    body = {
        "jobId": job_id,
        "ownerEmail": owner_email,
        "applicationName": application_name,
        "values": dict(values),
    }
    return Ask("POST", SEAL, shape(SealedValues), {}, msgspec.json.encode(body))


def sealed_descriptor(
    ask: Callable[[Ask[SealedValues]], SealedValues], descriptor: Mapping[str, Any], job_id: str
) -> dict[str, Any]:
    """The descriptor with every marked value sealed for this job; ``ask`` is `Client.ask`.

    The descriptor must have ``owner.teamEmail`` and ``applicationName``: whose secrets they are.
    """
    container = dict(descriptor.get("container") or {})
    environment = dict(container.get("env") or {})
    marked = secret_names((container.get("attributes") or {}).items())
    bare = {
        name: value
        for name, value in environment.items()
        if is_secret(name, marked) and isinstance(value, str) and not is_sealed(value)
    }
    if not bare:
        return dict(descriptor)
    owner = str((descriptor.get("owner") or {}).get("teamEmail") or "")
    application = str(descriptor.get("applicationName") or "")
    sealed = ask(seal_ask(job_id, owner, application, bare)).values
    return {**descriptor, "container": {**container, "env": {**environment, **sealed}}}
