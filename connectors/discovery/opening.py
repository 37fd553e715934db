"""The registry that an address means: ``file:///DIR``, ``consul://HOST:PORT``, ``eureka://...``.

The one thing to know: ``consul+https`` and ``eureka+https`` are the same, encrypted.
"""

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from connectors.discovery.consul import Consul
from connectors.discovery.eureka import Eureka
from connectors.discovery.files import Files
from connectors.ports import ServiceRegistry

SCHEMES: Final = ("file", "consul", "consul+https", "eureka", "eureka+https")


def checked_url(text: str) -> str:
    """The address itself; raises `ValueError` where it is none."""
    parts = urlsplit(text)
    is_file = parts.scheme == "file" and not parts.netloc and parts.path.startswith("/")
    is_server = parts.scheme in SCHEMES[1:] and bool(parts.hostname) and parts.port != 0
    if not is_file and not is_server:
        raise ValueError("file:///DIR, consul://HOST:PORT or eureka://HOST:PORT is wanted")
    return text.rstrip("/")


def open_registry(url: str, cell: str) -> ServiceRegistry:
    """The registry; of files, this cell's folder."""
    parts = urlsplit(checked_url(url))
    if parts.scheme == "file":
        return Files(Path(unquote(parts.path)) / cell)
    kind, _, security = parts.scheme.partition("+")
    address = f"{security or 'http'}://{parts.netloc}{parts.path}"
    return Consul(address) if kind == "consul" else Eureka(address)
