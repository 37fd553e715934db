"""Names of images and answers of registries, read: pure.

The one thing to know: a name whose first part has a dot or a colon, or is ``localhost``, says by
itself which registry has it; every other name is of the one registry that the setting names.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

MANIFESTS: Final = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
"""An index before a manifest: its digest is what a host of any kind can run."""
DIGEST_HEADER: Final = "Docker-Content-Digest"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_CHALLENGE: Final = re.compile(r'([a-z]+)="([^"]{0,1000})"')


class Place(NamedTuple):
    """Where an image is asked for."""

    url: str
    """Of the registry, without a path."""
    repository: str


def place_of(image: str, registry_url: str) -> Place | None:
    """Where the image is; None where its name does not say and no registry is set."""
    first, slash, rest = image.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        # As Docker has it: only what cannot leave this computer is asked without TLS.
        is_here = first.partition(":")[0] in {"localhost", "127.0.0.1"}
        return Place(f"{'http' if is_here else 'https'}://{first}", rest)
    return Place(registry_url, image) if registry_url else None


def manifest_path(repository: str, tag: str) -> str:
    """The path of a tag's manifest."""
    return f"/v2/{quote(repository)}/manifests/{quote(tag, safe='')}"


def digest_in(headers: Mapping[str, str]) -> str:
    """The digest that an answer names, or empty."""
    found = headers.get(DIGEST_HEADER, "")
    return found if _DIGEST.fullmatch(found) else ""


def digest_of_manifest(body: bytes) -> str:
    """The digest of a manifest by its bytes, where the registry does not say it."""
    return f"sha256:{sha256(body).hexdigest()}"


def token_url(challenge: str) -> str:
    """Where a registry's 401 sends an anonymous reader for a token; empty where it does not."""
    scheme, _, rest = challenge.partition(" ")
    found = dict(_CHALLENGE.findall(rest))
    realm = found.pop("realm", "")
    if scheme.lower() != "bearer" or not realm.startswith(("https://", "http://")):
        return ""
    asked = {name: found[name] for name in ("service", "scope") if name in found}
    # A header's bytes that are no UTF-8 come as lone surrogates, which no address can hold.
    asked_for = urlencode(asked, errors="replace")
    realm = realm.encode("ascii", "replace").decode()
    return f"{realm}?{asked_for}" if asked else realm
