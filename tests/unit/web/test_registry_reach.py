"""A producer's image name, or a registry's answer, never aims the API at our own network.

How: a registry on loopback is asked for by names, redirects and tokens that lead to addresses which
nobody has allowed; what arrived there is counted.
"""

import asyncio
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from connectors.ports import RegistryUnavailable
from connectors.registry.client import HttpRegistry
from connectors.registry.reaching import checked
from connectors.webhooks.addresses import Forbidden
from tests.support.registry import Registry, registry

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def hub() -> Iterator[Registry]:
    """A registry with one image, on loopback."""
    with registry() as there:
        there.push("team/worker", "1.4")
        yield there


def _digest(client: HttpRegistry, image: str) -> str:
    async def run() -> str:
        try:
            return await client.digest_of(image, "1.4")
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_name_that_leads_to_loopback_is_not_asked(hub: Registry, name: str) -> None:
    port = hub.url.rpartition(":")[2]
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        _digest(HttpRegistry("https://hub.example.org"), f"{name}:{port}/team/worker")
    assert hub.asked == []


def test_a_network_that_is_allowed_is_asked(hub: Registry) -> None:
    port = hub.url.rpartition(":")[2]
    found = _digest(HttpRegistry("", networks=LOOPBACK), f"127.0.0.1:{port}/team/worker")
    assert found.startswith("sha256:")


def test_the_operators_registry_may_be_anywhere(hub: Registry) -> None:
    assert _digest(HttpRegistry(hub.url), "team/worker").startswith("sha256:")


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "169.254.0.1"],
)
def test_link_local_networks_are_never_connected_to(address: str) -> None:
    with pytest.raises(Forbidden, match="link-local"):
        checked(address, (ip_network("0.0.0.0/0"), ip_network("::/0")))


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "::1", "192.168.0.1", "0.0.0.0", "::ffff:10.0.0.1"],  # noqa: S104 - no bind
)
def test_private_networks_are_connected_to_only_where_they_are_allowed(address: str) -> None:
    with pytest.raises(Forbidden, match="FLUMINA_REGISTRY_NETWORKS"):
        checked(address, ())
    assert str(checked("10.1.2.3", (ip_network("10.0.0.0/8"),))) == "10.1.2.3"
    assert str(checked("1.1.1.1", ())) == "1.1.1.1"
