"""How Kafka is spoken to: TLS, who we are, and the options of every client.

The one thing to know: an address carries its security. `settings.kafka_brokers` is `Brokers`, a
text that knows both, so whoever is handed an address can build a client from it and nobody can
forget how; a plain text is a broker without security, as the embedded one is. Every client of
ours is made with ``**client_options(bootstrap)``; an architecture test looks for one that is not.

Files are read again for each new connection, so certificates and passwords are exchanged without
a restart: what is connected stays so, what connects next uses the new ones.
"""

import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from streams.errors import OperatorError

PROTOCOLS: Final = ("plaintext", "ssl", "sasl_ssl", "sasl_plaintext")
MECHANISMS: Final = ("scram-sha-512", "scram-sha-256", "plain")


class KafkaSecurity(msgspec.Struct, frozen=True):
    """How brokers are spoken to, and as whom; made of the settings FLUMINA_KAFKA_..."""

    protocol: str = "plaintext"
    ca: Path | None = None
    """Who signs brokers, PEM; None: whom this computer trusts."""
    certificate: Path | None = None
    key: Path | None = None
    mechanism: str = "scram-sha-512"
    user: str = ""
    password_file: Path | None = None

    @property
    def is_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol in {"ssl", "sasl_ssl"}

    @property
    def is_sasl(self) -> bool:
        """Whether we tell a name and prove it with a password."""
        return self.protocol.startswith("sasl_")


class Brokers(str):
    """Addresses of brokers, host:port with commas between, and how they are spoken to."""

    __slots__ = ("security",)
    security: KafkaSecurity

    def __new__(cls, addresses: str, security: KafkaSecurity) -> Self:
        """These addresses, spoken to so."""
        made = super().__new__(cls, addresses)
        made.security = security
        return made

    def __reduce__(self) -> tuple[type["Brokers"], tuple[str, KafkaSecurity]]:
        """What a copy is made of."""
        return Brokers, (str(self), self.security)


def security_of(bootstrap: str) -> KafkaSecurity:
    """How this address is spoken to; a plain text: without security."""
    return bootstrap.security if isinstance(bootstrap, Brokers) else KafkaSecurity()


def spoken_to_alike(addresses: str, bootstrap: str) -> str:
    """These addresses, spoken to as ``bootstrap`` is."""
    return Brokers(addresses, bootstrap.security) if isinstance(bootstrap, Brokers) else addresses


class _PasswordOfFile(str):
    """A password that is read again when a connection asks for its bytes.

    The text itself is what the file held at first; PLAIN sends that one, SCRAM asks for bytes.
    """

    __slots__ = ("_file",)
    _file: Path

    def __new__(cls, file: Path) -> Self:
        """What the file holds, without the end of its line; raises `OperatorError`."""
        made = super().__new__(cls, _read_password(file))
        made._file = file
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """The bytes of what the file holds now."""
        return _read_password(self._file).encode(encoding, errors)

    def __repr__(self) -> str:
        return f"<the password in {self._file}>"


class _FreshContext(ssl.SSLContext):
    """TLS whose certificates are those that the files hold when a connection begins."""

    _security: KafkaSecurity
    _stamps: tuple[tuple[int, int] | None, ...] = ()

    def refresh(self) -> None:
        """Read the files again where one of them is another; raises `OperatorError` for a bad one.

        An authority that was taken out of its file is trusted until the process ends: a context
        of TLS only learns. The new file must hold old and new while brokers are exchanged.
        """
        security = self._security
        stamps = tuple(map(_stamp, (security.ca, security.certificate, security.key)))
        if stamps == self._stamps:
            return
        if security.ca is not None:
            self.load_verify_locations(cafile=str(security.ca))
        if security.certificate is not None:
            self.load_cert_chain(str(security.certificate), str(security.key))
        self._stamps = stamps

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:  # noqa: ANN401 - as base
        """What asyncio begins each connection with."""
        try:
            self.refresh()
        except (OSError, ssl.SSLError):
            # Half exchanged: the next connection looks again, this one uses what there was.
            self._stamps = ()
        return super().wrap_bio(*arguments, **named)


@lru_cache(maxsize=8)
def tls_context(security: KafkaSecurity) -> ssl.SSLContext:
    """TLS 1.2 or later that verifies brokers and their names; raises `OperatorError`."""
    context = _FreshContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context._security = security  # noqa: SLF001 - our own class; its base's `__new__` takes none
    try:
        if security.ca is None:
            context.load_default_certs()
        context.refresh()
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(
            str(each) for each in (security.ca, security.certificate, security.key) if each
        )
        raise OperatorError(
            f"The files for TLS with Kafka cannot be used ({files}): {error}.",
            "One is missing or unreadable, is no PEM, or the key is not the certificate's.",
            "Correct FLUMINA_KAFKA_CA, FLUMINA_KAFKA_CERTIFICATE and FLUMINA_KAFKA_KEY.",
        ) from error
    return context


def client_options(bootstrap: str) -> dict[str, Any]:
    """What aiokafka's clients are given to reach these brokers; raises `OperatorError`."""
    options: dict[str, Any] = {"bootstrap_servers": str(bootstrap)}
    security = security_of(bootstrap)
    if security.protocol == "plaintext":
        return options
    options["security_protocol"] = security.protocol.upper()
    if security.is_tls:
        options["ssl_context"] = tls_context(security)
    if security.is_sasl:
        assert security.password_file is not None, "checked with the settings"
        options["sasl_mechanism"] = security.mechanism.upper()
        options["sasl_plain_username"] = security.user
        options["sasl_plain_password"] = _PasswordOfFile(security.password_file)
    return options


def faust_options(bootstrap: str) -> dict[str, Any]:
    """What a Faust app is given to reach these brokers: their URLs and its credentials."""
    options: dict[str, Any] = {
        "broker": ";".join(f"kafka://{each}" for each in bootstrap.split(","))
    }
    security = security_of(bootstrap)
    if security.protocol == "plaintext":
        return options
    from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415 - Faust is heavy

    context = tls_context(security) if security.is_tls else None
    if not security.is_sasl:
        options["broker_credentials"] = SSLCredentials(context=context)
        return options
    assert security.password_file is not None, "checked with the settings"
    options["broker_credentials"] = SASLCredentials(
        username=security.user,
        password=_PasswordOfFile(security.password_file),
        ssl_context=context,
        mechanism=security.mechanism.upper(),
    )
    return options


def contradictions(security: KafkaSecurity, *, has_brokers: bool) -> list[str]:
    """Where settings of Kafka's security, right by themselves, do not agree."""
    found = []
    if security != KafkaSecurity() and not has_brokers:
        found.append("FLUMINA_KAFKA_* is set, and KAFKA_BROKERS is not")
    if security.is_sasl and not (security.user and security.password_file):
        found.append(
            f"FLUMINA_KAFKA_SECURITY={security.protocol} wants FLUMINA_KAFKA_USER and"
            " FLUMINA_KAFKA_PASSWORD_FILE"
        )
    if not security.is_sasl and (security.user or security.password_file):
        found.append("FLUMINA_KAFKA_USER is set, and FLUMINA_KAFKA_SECURITY is no sasl_...")
    if (security.certificate is None) != (security.key is None):
        found.append("FLUMINA_KAFKA_CERTIFICATE and FLUMINA_KAFKA_KEY go together")
    if not security.is_tls and (security.ca or security.certificate):
        found.append(
            "FLUMINA_KAFKA_CA is set, and FLUMINA_KAFKA_SECURITY is neither ssl nor sasl_ssl"
        )
    return found


def _read_password(file: Path) -> str:
    try:
        password = file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"The password for Kafka cannot be read from {file}: {error}.",
            "The file is missing, or this user may not read it.",
            "Correct FLUMINA_KAFKA_PASSWORD_FILE, or mount the secret there.",
        ) from error
    if not password:
        raise OperatorError(
            f"The password for Kafka is empty: {file}.",
            "The secret was mounted without its content.",
            "Write the password of FLUMINA_KAFKA_USER into it.",
        )
    return password


def _stamp(file: Path | None) -> tuple[int, int] | None:
    if file is None:
        return None
    told = file.stat()
    return told.st_mtime_ns, told.st_ino
