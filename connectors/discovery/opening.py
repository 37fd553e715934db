"""The registry that an address means: ``file:///DIR``, ``dns:///DIR?domain=...``, ``consul://...``.

The one thing to know: ``consul+https`` and ``eureka+https`` are the same, encrypted.
"""

import re
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from connectors.discovery.consul import Consul
from connectors.discovery.eureka import Eureka
from connectors.discovery.files import Files
from connectors.discovery.zone import Zone
from connectors.ports import ServiceRegistry

_DOMAIN: Final = re.compile(r"(?=.{1,180}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9-]{1,63})*")
SCHEMES: Final = ("file", "consul", "consul+https", "eureka", "eureka+https")


def checked_url(text: str) -> str:
    """The address itself; raises `ValueError` where it is none."""
    parts = urlsplit(text)
    is_file = parts.scheme == "file" and not parts.netloc and parts.path.startswith("/")
    if parts.scheme == "dns":
        _dns_words(parts)
        return text
    is_server = parts.scheme in SCHEMES[1:] and bool(parts.hostname) and parts.port != 0
    if not is_file and not is_server:
        raise ValueError(
            "file:///DIR, dns:///DIR?domain=DOMAIN, consul://HOST:PORT or eureka://HOST:PORT is"
            " wanted"
        )
    return text.rstrip("/")


def open_registry(url: str, cell: str) -> ServiceRegistry:
    """The registry; of files, this cell's folder; of DNS, this cell's zone."""
    parts = urlsplit(checked_url(url))
    if parts.scheme == "dns":
        domain, name_server = _dns_words(parts)
        return Zone(Path(unquote(parts.path)) / f"{cell}.zone", f"{cell}.{domain}.", name_server)
    if parts.scheme == "file":
        return Files(Path(unquote(parts.path)) / cell)
    kind, _, security = parts.scheme.partition("+")
    address = f"{security or 'http'}://{parts.netloc}{parts.path}"
    return Consul(address) if kind == "consul" else Eureka(address)


def _dns_words(parts: SplitResult) -> tuple[str, str]:
    """The domain and the name server of a ``dns:`` address; raises `ValueError`."""
    words = parse_qs(parts.query, keep_blank_values=True)
    domain = words.pop("domain", [""])[0].rstrip(".")
    name_server = words.pop("ns", ["localhost"])[0].rstrip(".")
    is_place = not parts.netloc and parts.path.startswith("/")
    if words or not is_place or not all(map(_DOMAIN.fullmatch, (domain, name_server))):
        raise ValueError("dns:///DIR?domain=services.example.org&ns=ns1.example.org is wanted")
    return domain, f"{name_server}."
