"""Which addresses the registry client may connect to: no producer may aim it at our own network.

The one thing to know: an image's name says where its registry is, and a registry's answer says
where its tokens and files are, so both may be anybody's. The address is looked at where the socket
is made: after names were resolved and redirects followed, so that a name which changes its address
in between gains nothing.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Final

from aiohttp import AddrInfoType

from connectors.webhooks.addresses import Address, Forbidden, Network, is_allowed, is_public, meant

EVERYWHERE: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
"""For the registry that an operator has named: anywhere but in link-local networks."""
_METADATA: Final = (
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("fe80::/10"),
    ipaddress.ip_network("fd00:ec2::/32"),
)
"""Link-local networks, in which clouds answer with credentials; never a registry's."""


def checked(text: str, allowed: tuple[Network, ...]) -> Address:
    """The address, if a registry may be there; raises `Forbidden` where it may not."""
    address = ipaddress.ip_address(text.partition("%")[0])
    reached = meant(address)
    if any(reached.version == each.version and reached in each for each in _METADATA):
        raise Forbidden(f"{address} is link-local, where no registry is")
    if not is_public(address) and not is_allowed(address, allowed):
        raise Forbidden(f"{address} is not public, and of no network of FLUMINA_REGISTRY_NETWORKS")
    return address


def guarded_socket(allowed: tuple[Network, ...]) -> Callable[[AddrInfoType], socket.socket]:
    """Makes sockets for aiohttp's connector, to addresses that are `checked` only."""

    def made(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = info
        checked(str(where[0]), allowed)
        return socket.socket(family=family, type=kind, proto=protocol)

    return made
