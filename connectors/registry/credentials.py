"""Who we are to registries: a file as `docker login` writes it, read when a registry asks.

The one thing to know: an entry is sent to the registry that it names, or to where that registry
sends its readers for a token, and to nobody else; nothing here shows what it holds.
"""

import base64
import binascii
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from scheduler.model.reading.bad_bytes import BAD_BYTES

FILE_BYTES_MAX: Final = 1 << 20
_HUB: Final = "https://index.docker.io/v1/"
"""What `docker login` calls the registry of names without one."""


class CredentialsUnreadable(ValueError):
    """The file cannot be used; says why, and nothing of what it holds."""


class Login(NamedTuple):
    """What one registry is told; both empty for an anonymous reader."""

    basic: str = ""
    """User and password as HTTP's Basic has them."""
    bearer: str = ""
    """A token that the registry takes as it is."""


class _Entry(msgspec.Struct, frozen=True):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


class _File(msgspec.Struct, frozen=True):
    auths: dict[str, _Entry] = {}


class Credentials:
    """The logins of a file; without one everybody is anonymous."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def of(self, registry_url: str) -> Login:
        """The login of a registry; raises `CredentialsUnreadable`."""
        if self._path is None:
            return Login()
        entries = self._read(self._path)
        host = registry_url.partition("://")[2].partition("/")[0]
        names = [registry_url, host, f"https://{host}/v1/", f"https://{host}/v2/"]
        if host in {"registry-1.docker.io", "index.docker.io", "docker.io"}:
            names.append(_HUB)
        found = next((entries[name] for name in names if name in entries), None)
        return Login() if found is None else _login(found, host)

    @staticmethod
    def _read(path: Path) -> dict[str, _Entry]:
        # Each time: what was exchanged by somebody else counts from the next question on.
        try:
            with path.open("rb") as file:
                return msgspec.json.decode(file.read(FILE_BYTES_MAX), type=_File).auths
        except OSError as error:
            raise CredentialsUnreadable(f"{path} cannot be read: {error.strerror}") from error
        except BAD_BYTES:
            text = f"{path} is no file of `docker login` (JSON with auths)"
            raise CredentialsUnreadable(text) from None


def _login(entry: _Entry, host: str) -> Login:
    if entry.registrytoken:
        return Login(bearer=entry.registrytoken)
    if entry.identitytoken:
        text = f"the login of {host} is an identity token, which this version cannot use"
        raise CredentialsUnreadable(f"{text}; log in with a user and password or access token")
    if entry.username:
        words = f"{entry.username}:{entry.password}".encode()
        return Login(basic=base64.b64encode(words).decode())
    try:
        is_good = b":" in base64.b64decode(entry.auth, validate=True)
    except (binascii.Error, ValueError):
        is_good = False
    if not is_good:
        raise CredentialsUnreadable(f"the login of {host} has no user and password")
    return Login(basic=entry.auth)
