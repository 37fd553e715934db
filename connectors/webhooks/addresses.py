"""Which addresses a webhook may be sent to: those of the public internet, and what is allowed.

The one thing to know: whoever may add a webhook chooses where this process connects to. So every
address that is not public (loopback, private and link-local networks with the cloud's metadata
service, multicast, and what only stands for another address) is refused, unless an operator of the
process has named its network. A name is resolved once, and the connection goes to the very address
that was looked at.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""NAT64: the last four bytes are the address that is reached (RFC 6052)."""


class Forbidden(OSError):
    """A receiver's address may not be connected to; the text says why."""


def networks_of(text: str) -> tuple[Network, ...]:
    """The networks that a setting lists, with commas between; raises `ValueError`."""
    return tuple(ipaddress.ip_network(each.strip()) for each in text.split(",") if each.strip())


def meant(address: Address) -> Address:
    """The address that is reached by this one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address.teredo is not None:
        inner = address.teredo[1]
    if inner is None and address in _TRANSLATED:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address if inner is None else inner


def is_allowed(address: Address, allowed: Iterable[Network]) -> bool:
    """Whether an operator has named a network that holds it."""
    reached = meant(address)
    return any(reached.version == each.version and reached in each for each in allowed)


def is_public(address: Address) -> bool:
    """Whether it is one of the public internet."""
    reached = meant(address)
    return reached.is_global and not reached.is_multicast and not reached.is_reserved


def permitted(
    host: str, found: Iterable[str], *, is_plain: bool, allowed: tuple[Network, ...]
) -> list[str]:
    """Those of the addresses that may be connected to; raises `Forbidden` where none may.

    ``is_plain``: without TLS, which goes only to networks that an operator has named.
    """
    why, good = "it has no address", []
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        if is_allowed(address, allowed):
            good.append(text)
        elif is_public(address):
            if not is_plain:
                good.append(text)
            why = "http is only for networks of FLUMINA_WEBHOOK_NETWORKS; use https"
        else:
            why = f"{address} is not public, and of no network of FLUMINA_WEBHOOK_NETWORKS"
    if not good:
        raise Forbidden(f"{host} is not connected to: {why}")
    return good


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a name, in the resolver's order; raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))
