"""Eureka as a registry: instances of applications, each with a lease that has to be renewed.

The one thing to know: the lease is minutes long, for the same reason as Consul's checks: a
registrar that is away for a moment must not empty the registry.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from connectors.discovery.asking import NOT_FOUND, Asking
from connectors.ports import Endpoint

LEASE_S: Final = 300
RENEW_MS: Final = 60_000
_CELL: Final = "fluminaCellUuid"


class Eureka:
    """One server of Eureka, by the address below which ``/eureka/apps`` is."""

    def __init__(self, url: str) -> None:
        self._ask = Asking(url)

    @property
    def renew_ms(self) -> int:
        """Once a minute, for leases of five."""
        return RENEW_MS

    def key_of(self, endpoint: Endpoint) -> str:
        """The task."""
        return endpoint.task_id

    async def register(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Register each, UP or DOWN as its health is; raises `RegistrationFailed`."""
        for each in endpoints:
            await self._ask("POST", _path(place), {"instance": _instance(place, each)})

    async def deregister(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Take each away; raises `RegistrationFailed`."""
        for each in endpoints:
            await self._ask("DELETE", _path(place, each.task_id), is_found=False)

    async def registered(self, place: str) -> frozenset[str]:
        """The tasks that the server knows of the application, of any cell."""
        return frozenset(str(each["instanceId"]) for each in await self._ours(place))

    @property
    def health_provider(self) -> str:
        """As Titus calls it."""
        return "eureka"

    async def health(self, place: str) -> dict[str, bool]:
        """The tasks that the server knows of the application; UP is healthy, all else is not.

        The status is the server's: one that an operator or the application itself has overridden
        (OUT_OF_SERVICE, STARTING) counts, whatever we registered.
        """
        return {
            str(each["instanceId"]): each.get("status") == "UP" for each in await self._ours(place)
        }

    async def _ours(self, place: str) -> list[dict[str, Any]]:
        answer = await self._ask("GET", _path(place), is_found=False)
        if answer.status == NOT_FOUND:
            return []
        found = answer.json()["application"]["instance"]
        # Of one instance, older servers make no list.
        instances: list[dict[str, Any]] = found if isinstance(found, list) else [found]
        return [each for each in instances if each.get("metadata", {}).get(_CELL)]

    async def renew(self, place: str, endpoints: Sequence[Endpoint]) -> frozenset[str]:
        """Send a heartbeat for each; the tasks that the server does not know."""
        lost = set()
        for each in endpoints:
            answer = await self._ask("PUT", _path(place, each.task_id), is_found=False)
            if answer.status == NOT_FOUND:
                lost.add(each.task_id)
        return frozenset(lost)

    async def close(self) -> None:
        """Nothing: no connection is kept."""


def _path(*names: str) -> str:
    return "/eureka/apps/" + "/".join(quote(each, safe="") for each in _upper(names))


def _upper(names: tuple[str, ...]) -> tuple[str, ...]:
    """Eureka's names of applications are in capitals."""
    return (names[0].upper(), *names[1:])


def _instance(place: str, endpoint: Endpoint) -> dict[str, object]:
    return {
        "instanceId": endpoint.task_id,
        "app": place.upper(),
        "vipAddress": place,
        "hostName": endpoint.address,
        "ipAddr": endpoint.address,
        "status": "UP" if endpoint.is_healthy else "DOWN",
        "port": {"$": endpoint.port, "@enabled": "true"},
        "dataCenterInfo": {
            "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
            "name": "MyOwn",
        },
        "leaseInfo": {"durationInSecs": LEASE_S, "renewalIntervalInSecs": RENEW_MS // 1_000},
        "metadata": {
            "fluminaCell": endpoint.cell,
            _CELL: endpoint.cell_uuid,
            "fluminaJob": endpoint.job_id,
            "fluminaPorts": ",".join(map(str, endpoint.ports)),
            "version": endpoint.version,
        },
    }
