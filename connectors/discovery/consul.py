"""Consul as a registry: services of one agent, each with a check that has to be renewed.

The one thing to know: the check's time to live is minutes. A registrar that is away for a moment
must not turn every service critical; tasks that end are deregistered, and need no time-out.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from connectors.discovery.asking import NOT_FOUND, Asking
from connectors.ports import Endpoint

TTL_S: Final = 300
RENEW_MS: Final = 60_000
FORGOTTEN_AFTER: Final = "72h"
"""A service that nobody renewed for so long is nobody's any more."""
_CELL: Final = "flumina-cell-uuid"


class Consul:
    """One agent of Consul, by the address of its HTTP API."""

    def __init__(self, url: str) -> None:
        self._ask = Asking(url)

    @property
    def renew_ms(self) -> int:
        """Once a minute, for checks that live five."""
        return RENEW_MS

    def key_of(self, endpoint: Endpoint) -> str:
        """The task."""
        return endpoint.task_id

    async def register(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Register each with its check, in its present health; raises `RegistrationFailed`."""
        for each in endpoints:
            await self._ask("PUT", "/v1/agent/service/register", _service(place, each))

    async def deregister(
        self,
        place: str,  # noqa: ARG002 - the port's; an id says all
        endpoints: Sequence[Endpoint],
    ) -> None:
        """Take each away; raises `RegistrationFailed`."""
        for each in endpoints:
            path = f"/v1/agent/service/deregister/{quote(each.task_id, safe='')}"
            await self._ask("PUT", path, is_found=False)

    async def registered(self, place: str) -> frozenset[str]:
        """The tasks of the service that this agent knows, of any cell."""
        found = (await self._ask("GET", "/v1/agent/services")).json()
        return frozenset(
            name
            for name, each in found.items()
            if each["Service"] == place and each.get("Meta", {}).get(_CELL)
        )

    async def renew(
        self,
        place: str,  # noqa: ARG002 - as above
        endpoints: Sequence[Endpoint],
    ) -> frozenset[str]:
        """Tell each check how its task is; the tasks that the agent does not know."""
        lost = set()
        for each in endpoints:
            word = "pass" if each.is_healthy else "fail"
            check = quote(f"service:{each.task_id}", safe="")
            answer = await self._ask("PUT", f"/v1/agent/check/{word}/{check}", is_found=False)
            if answer.status == NOT_FOUND:
                lost.add(each.task_id)
        return frozenset(lost)

    async def close(self) -> None:
        """Nothing: no connection is kept."""


def _service(place: str, endpoint: Endpoint) -> dict[str, object]:
    return {
        "ID": endpoint.task_id,
        "Name": place,
        "Address": endpoint.address,
        "Port": endpoint.port,
        "Tags": [each for each in (endpoint.version,) if each],
        "Meta": {
            "flumina-cell": endpoint.cell,
            _CELL: endpoint.cell_uuid,
            "flumina-job": endpoint.job_id,
            "flumina-ports": ",".join(map(str, endpoint.ports)),
        },
        "Check": {
            "TTL": f"{TTL_S}s",
            "Status": "passing" if endpoint.is_healthy else "critical",
            "DeregisterCriticalServiceAfter": FORGOTTEN_AFTER,
        },
    }
