"""Makes a broker's access control lists agree with the table, or says where they do not.

The one thing to know: entries are only added. One that the table does not know is told, for it
gives a component of ours more than it needs; taking it away is an operator's act.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, SecurityDisabled, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from streams.errors import OperatorError
from streams.kafka.acl_table import Binding
from streams.kafka.refusals import not_allowed, refused_because
from streams.kafka.security import client_options

REQUEST_TIMEOUT_MS: Final = 15_000
ENTRIES_PER_REQUEST: Final = 200
IN_FORCE_TIMEOUT_S: Final = 15.0
ASKED_AGAIN_AFTER_S: Final = 0.05
ANY: Final = 1
ALLOW: Final = 3
EVERYWHERE: Final = "*"
LITERAL, PREFIXED = 3, 4
RESOURCES: Final = {"topic": 2, "group": 3}
OPERATIONS: Final = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
"""Numbers of the protocol: Kafka's `AclOperation`, `ResourceType` and `PatternType`."""


class Agreement(NamedTuple):
    """How a broker's lists stand to the table."""

    there: tuple[Binding, ...]
    missing: tuple[Binding, ...]
    beyond: tuple[str, ...]
    """Entries of our users that the table does not have, as texts."""


async def compared(bootstrap: str, wanted: Sequence[Binding]) -> Agreement:
    """How the lists stand to the table; changes nothing. Raises `OperatorError`."""
    async with _asking(bootstrap) as client:
        return _agreement(await _entries(client), wanted)


async def applied(bootstrap: str, wanted: Sequence[Binding]) -> Agreement:
    """How the lists stood; what was missing has been added, and is in force on every broker.

    The controller answers before the brokers have read its log, so that each is asked until it
    knows all. Raises `OperatorError`, also where one does not within 15 s.
    """
    async with _asking(bootstrap) as client:
        before = _agreement(await _entries(client), wanted)
        if before.missing:
            await _add(client, before.missing)
            await _in_force(client, before.missing)
        return before


async def _in_force(client: AIOKafkaClient, added: Sequence[Binding]) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + IN_FORCE_TIMEOUT_S
    for node in sorted(broker.nodeId for broker in client.cluster.brokers()):
        while missing := _agreement(await _entries(client, node), added).missing:
            if loop.time() > until:
                raise OperatorError(
                    f"Kafka took {len(added)} entries, but broker {node} does not know"
                    f" {len(missing)} of them after {IN_FORCE_TIMEOUT_S:.0f} s.",
                    "It is behind its controller, or somebody took them away again.",
                    "Look at the broker's log, then run `flumina acl apply --check`.",
                )
            await asyncio.sleep(ASKED_AGAIN_AFTER_S)


def _agreement(entries: set[tuple[Any, ...]], wanted: Sequence[Binding]) -> Agreement:
    ours = {_entry(each): each for each in wanted}
    users = {each.principal for each in wanted}
    beyond = sorted(_told(entry) for entry in entries if entry[0] in users and entry not in ours)
    return Agreement(
        tuple(each for entry, each in ours.items() if entry in entries),
        tuple(each for entry, each in ours.items() if entry not in entries),
        tuple(beyond),
    )


def _entry(binding: Binding) -> tuple[Any, ...]:
    """As the protocol says it: who, from where, which operation, allowed, of what."""
    kind = PREFIXED if binding.is_prefix else LITERAL
    operation = OPERATIONS[binding.operation]
    resource = RESOURCES[binding.resource]
    return binding.principal, EVERYWHERE, operation, ALLOW, resource, kind, binding.name


def _told(entry: tuple[Any, ...]) -> str:
    principal, host, operation, permission, resource, kind, name = entry
    operations = {number: word for word, number in OPERATIONS.items()}
    resources = {number: word for word, number in RESOURCES.items()}
    verb = "may" if permission == ALLOW else "may not"
    what = f"{resources.get(resource, f'resource {resource}')} {name}"
    begins = "..." if kind == PREFIXED else ""
    where = "" if host == EVERYWHERE else f" from {host}"
    doing = operations.get(operation, f"operation {operation}")
    return f"{principal} {verb} {doing} {what}{begins}{where}"


@asynccontextmanager
async def _asking(bootstrap: str) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(
        **client_options(bootstrap), client_id="flumina-acl", request_timeout_ms=REQUEST_TIMEOUT_MS
    )
    try:
        await client.bootstrap()
        yield client
    except SecurityDisabled as error:
        raise OperatorError(
            f"Kafka at {bootstrap} has no access control.",
            "No authorizer is set, so that everybody may do everything.",
            "Set authorizer.class.name and super.users on the brokers (docs/kafka-security.md).",
        ) from error
    except KafkaError as error:
        refusal = not_allowed(error) or await refused_because(bootstrap)
        raise refusal or OperatorError(
            f"Kafka at {bootstrap} could not be asked for its access control: {error}.",
            "It is not there or not ready.",
            "Check KAFKA_BROKERS and the brokers' logs.",
        ) from error
    finally:
        await client.close()


async def _entries(client: AIOKafkaClient, node: int | None = None) -> set[tuple[Any, ...]]:
    """Every entry that a broker has (without `node`: some broker), in the form of `_entry`."""
    asked = DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY)
    answer = await client.send(client.get_random_node() if node is None else node, asked)
    _check(answer.error_code, answer.error_message)
    return {
        (principal, host, operation, permission, resource, kind, name)
        for resource, name, kind, entries in answer.resources
        for principal, host, operation, permission in entries
    }


class _CreateMany(CreateAclsRequest):  # type: ignore[misc] # aiokafka has no types
    """Many entries in one request, which the protocol has and aiokafka's class does not."""

    def __init__(self, entries: Sequence[tuple[Any, ...]]) -> None:
        self._rows = [
            (resource, name, kind, principal, host, operation, permission)
            for principal, host, operation, permission, resource, kind, name in entries
        ]

    def build(self, request_struct_class: Any) -> Any:  # noqa: ANN401 - aiokafka's, untyped
        """The request in the version that the broker speaks."""
        return request_struct_class(self._rows)


async def _add(client: AIOKafkaClient, missing: Sequence[Binding]) -> None:
    for first in range(0, len(missing), ENTRIES_PER_REQUEST):
        some = missing[first : first + ENTRIES_PER_REQUEST]
        answer = await client.send(
            client.get_random_node(), _CreateMany([_entry(each) for each in some])
        )
        for code, message in answer.creation_responses:
            _check(code, message)


def _check(code: int, message: str | None) -> None:
    if code:
        raise for_code(code)(message)
