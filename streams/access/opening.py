"""The doors of our processes, as the settings make them; what is half set up stops the start.

The one thing to know: a server that others can reach needs to know who asks, and nobody on the way
may read along. So beyond loopback it starts with principals and TLS, or not at all.
"""

import ssl
from functools import partial
from typing import TYPE_CHECKING, Final

from connectors.access.authentication import Authentication
from connectors.access.book import NoBook, book_of
from connectors.access.certificates import trust_of
from connectors.access.door import Door
from connectors.access.keys import Keys
from connectors.access.outgoing import Credentials, NoToken
from connectors.access.sessions import Sessions
from connectors.access.signed import Issuer, Signed
from connectors.access.tls import ClientFiles, NoTls, ServerFiles, client_context, server_context
from connectors.access.watched import Watched
from streams.clock import now_ms
from streams.errors import OperatorError

if TYPE_CHECKING:
    from streams.settings import Settings

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""Addresses that only this computer reaches."""


def door_of(settings: "Settings", *, has_sessions: bool = False) -> Door:
    """The door of a process; open where nobody is set up. Raises `OperatorError`."""
    if settings.access is None:
        return Door(cell=settings.cell)
    path = settings.access
    try:
        book = Watched((path,), lambda: book_of(path.read_bytes()))
    except (OSError, NoBook) as error:
        raise OperatorError(
            f"The principals in {path} cannot be used: {error}.",
            "FLUMINA_ACCESS names a file that is not there, or is half written.",
            "Correct it (docs/access.md); `flumina token new` adds a row.",
        ) from error
    trust = None
    if settings.tls_client_ca is not None:
        ca, crl = settings.tls_client_ca, settings.tls_client_crl
        paths = tuple(each for each in (ca, crl) if each is not None)
        try:
            trust = Watched(paths, partial(trust_of, ca, crl))
        except (OSError, ValueError) as error:
            raise _unusable(f"The authorities in {ca} cannot be used: {error}.") from error
    signed = None
    if settings.oidc_issuer:
        issuer = Issuer(settings.oidc_issuer, settings.oidc_audience, settings.oidc_groups)
        context = None if settings.ca is None else _context_of(ClientFiles(settings.ca))
        signed = Signed(issuer, Keys(settings.oidc_keys, context))
    authentication = Authentication(now_ms, book=book, signed=signed, trust=trust)
    is_secure = settings.tls_certificate is not None or settings.is_tls_in_front
    sessions = Sessions(settings.session_s, is_secure=is_secure) if has_sessions else None
    return Door(authentication, settings.cell, sessions)


def tls_of(settings: "Settings") -> ssl.SSLContext | None:
    """What our servers speak TLS by; None: plain HTTP. Raises `OperatorError`."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    files = ServerFiles(
        settings.tls_certificate, settings.tls_key, settings.tls_client_ca, settings.tls_client_crl
    )
    try:
        return server_context(files)
    except NoTls as error:
        raise _unusable(f"TLS cannot begin: {error}.") from error


def demand_closed(settings: "Settings", bind: str) -> None:
    """Return if a server may listen there; raises `OperatorError` where strangers could ask."""
    if bind in LOOPBACK or bind.startswith("127."):
        return
    missing = []
    if settings.access is None:
        missing.append("FLUMINA_ACCESS, a file of who may do what (`flumina token new` makes one)")
    if settings.tls_certificate is None and not settings.is_tls_in_front:
        missing.append(
            "FLUMINA_TLS_CERTIFICATE and FLUMINA_TLS_KEY (or FLUMINA_TLS_IN_FRONT=true, where"
            " something in front of it speaks TLS)"
        )
    if missing:
        raise OperatorError(
            f"This server would listen on {bind}, where others reach it, and is not closed.",
            "Beyond loopback nobody is let in whom we do not know, and nobody may read along.",
            f"Set {'; and '.join(missing)}. Or bind it to 127.0.0.1. See docs/access.md.",
        )


def credentials_of(settings: "Settings") -> Credentials:
    """What we show where we ask; raises `OperatorError`."""
    files = ClientFiles(settings.ca, settings.client_certificate, settings.client_key)
    try:
        return Credentials(settings.token, settings.token_file, files)
    except NoToken as error:
        raise OperatorError(
            f"{str(error)[:1].upper()}{str(error)[1:]}.",
            "FLUMINA_TOKEN_FILE names a file that is not there, or is not ours to read.",
            "Correct the path, or unset it.",
        ) from error


def context_of(credentials: Credentials) -> ssl.SSLContext:
    """How servers that we ask are believed; raises `OperatorError`."""
    return _context_of(credentials.files)


def _context_of(files: ClientFiles) -> ssl.SSLContext:
    try:
        return client_context(files)
    except NoTls as error:
        raise _unusable(f"Servers cannot be asked by TLS: {error}.") from error


def _unusable(what: str) -> OperatorError:
    return OperatorError(
        what,
        "A file is missing, is no PEM, or a key is not its certificate's.",
        "Correct the files that FLUMINA_TLS_… and FLUMINA_CA name (docs/access.md).",
    )
