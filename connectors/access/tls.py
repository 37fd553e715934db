"""TLS of our servers and clients: 1.2 or later, certificates read again while serving.

The one thing to know: a context cannot forget an authority, so each change of a file makes a new
one, and the handshake takes the newest (`sni_callback` is called whether or not a client names a
server). Connections that are open go on with what they began with.
"""

import ssl
from pathlib import Path

import msgspec

from connectors.access.watched import Watched


class NoTls(OSError):
    """Files of certificates that cannot be used; the text says which and why."""


class ServerFiles(msgspec.Struct, frozen=True):
    """The files of a server, in PEM."""

    certificate: Path
    """With those between it and its authority."""
    key: Path
    client_ca: Path | None = None
    """Whose certificates clients may show; None: they are not asked."""
    client_crl: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All that are named."""
        named = (self.certificate, self.key, self.client_ca, self.client_crl)
        return tuple(each for each in named if each is not None)


class ClientFiles(msgspec.Struct, frozen=True):
    """The files of a client, in PEM."""

    ca: Path | None = None
    """Who signs servers; None: whom the system believes."""
    certificate: Path | None = None
    key: Path | None = None


def server_context(files: ServerFiles) -> ssl.SSLContext:
    """A context whose handshakes use what the files say then; raises `NoTls`."""
    try:
        watched = Watched(files.paths, lambda: _made(files))
    except OSError as error:
        raise _unusable(files.paths, error) from error
    context = _made(files)

    def newest(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = watched.value()

    context.sni_callback = newest
    return context


def _made(files: ServerFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Who resumes a session is not asked for a certificate again.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.load_cert_chain(files.certificate, files.key)
    if files.client_ca is None:
        return context
    # A session of 1.2 is resumed by its id, without any ticket.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(files.client_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    if files.client_crl is not None:
        context.load_verify_locations(files.client_crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def client_context(files: ClientFiles) -> ssl.SSLContext:
    """How a client of ours believes servers, and shows itself; raises `NoTls`."""
    try:
        context = ssl.create_default_context(cafile=files.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.certificate is not None:
            context.load_cert_chain(files.certificate, files.key)
    except OSError as error:
        named = (files.ca, files.certificate, files.key)
        raise _unusable(tuple(each for each in named if each is not None), error) from error
    return context


def _unusable(paths: tuple[Path, ...], error: OSError) -> NoTls:
    names = ", ".join(map(str, paths))
    return NoTls(f"the certificates in {names} cannot be used: {error.strerror or error}")
