"""Which endpoints the cell has now, asked of its API, and whether that may be acted upon.

The one thing to know: an answer of a fold that is behind, of another cell, or older than the last
one changes nothing. An empty list is believed only from somebody who knows.
"""

from typing import Final, NamedTuple

import msgspec

from connectors.discovery.asking import Asking
from connectors.ports import Endpoint, RegistrationFailed
from scheduler.model.reading.bad_bytes import BAD_BYTES

PATH: Final = "/api/flumina/endpoints"

Wanted = dict[tuple[str, str], Endpoint]
"""What has to be registered, by place and key."""


class EndpointsUnknown(Exception):
    """It is not known which endpoints there are; the text says why."""


class Item(msgspec.Struct, frozen=True, rename="camel"):
    """A started task, as the API tells it."""

    task_id: str
    job_id: str
    service: str
    address: str
    ports: tuple[int, ...]
    version: str
    is_healthy: bool
    load_balancers: tuple[str, ...]
    health_providers: tuple[str, ...] = ()


class Told(msgspec.Struct, frozen=True, rename="camel"):
    """All of them, and how well the API knows them."""

    cell: str
    cell_uuid: str
    generation: str
    offset: int
    is_current: bool
    items: tuple[Item, ...]

    def endpoint(self, item: Item) -> Endpoint | None:
        """Where the task is reached; None where it has no port."""
        if not item.ports:
            return None
        return Endpoint(
            task_id=item.task_id,
            job_id=item.job_id,
            address=item.address,
            port=item.ports[0],
            ports=item.ports,
            cell=self.cell,
            cell_uuid=self.cell_uuid,
            version=item.version,
            is_healthy=item.is_healthy,
        )


class Place(NamedTuple):
    """A place in the log: of one generation, later ones have higher offsets."""

    cell_uuid: str = ""
    generation: str = ""
    offset: int = -1


async def endpoints_now(api: Asking, *, is_discovery: bool) -> Told:
    """What the API tells; raises `EndpointsUnknown`."""
    try:
        answer = await api("GET", f"{PATH}?services={'true' if is_discovery else 'false'}")
        return msgspec.json.decode(answer.body, type=Told)
    except RegistrationFailed as error:
        raise EndpointsUnknown(str(error)) from error
    except BAD_BYTES as error:
        raise EndpointsUnknown(f"the API's answer cannot be read: {error}") from error


def next_place(told: Told, last: Place) -> Place:
    """Where the answer stands; raises `EndpointsUnknown` where nothing may follow from it."""
    if not told.is_current:
        raise EndpointsUnknown("the API's fold is behind the log or halted")
    if last.cell_uuid and told.cell_uuid != last.cell_uuid:
        raise EndpointsUnknown(
            f"the API tells of cell {told.cell_uuid}, and what is registered is of cell "
            f"{last.cell_uuid}: it stays as it is"
        )
    if told.generation == last.generation and told.offset < last.offset:
        raise EndpointsUnknown(f"the API stands at offset {told.offset}, before {last.offset}")
    return Place(told.cell_uuid, told.generation, told.offset)
