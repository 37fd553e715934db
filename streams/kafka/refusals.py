"""Why Kafka does not let us in or do something, as a sentence with a remedy.

The one thing to know: aiokafka only says that it could not bootstrap; the cause is in a log line.
So the first address is asked again, once and by itself, and what it answers is told.
"""

import ssl
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.errors import OperatorError
from streams.kafka.security import client_options, security_of

ASK_TIMEOUT_MS: Final = 5_000
NOT_ALLOWED: Final = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    ClusterAuthorizationFailedError,
)
"""What a broker says where an access control list does not name us."""


async def refused_because(bootstrap: str) -> OperatorError | None:
    """Why the first address that is there refuses us; None where none does."""
    options = client_options(bootstrap)
    # The client knows how to take addresses apart; it connects to nothing by itself.
    for host, port, _ in AIOKafkaClient(**options).hosts:
        told = {key: value for key, value in options.items() if key != "bootstrap_servers"}
        try:
            await _greet((host, port), told)
        except (TimeoutError, OSError, KafkaError) as error:
            refusal = _explained(error, f"{host}:{port}", bootstrap)
            if refusal is not None:
                return refusal
        else:
            return None
    return None


async def _greet(address: tuple[str, int], told: dict[str, Any]) -> None:
    """Connect and ask for something that only those who are let in are told."""
    host, port = address
    connection = await create_conn(host, port, request_timeout_ms=ASK_TIMEOUT_MS, **told)
    try:
        await connection.send(MetadataRequest([]))
    finally:
        connection.close()


def _explained(error: Exception, address: str, bootstrap: str) -> OperatorError | None:
    """What this fault of connecting means, if it is a refusal."""
    security = security_of(bootstrap)
    if isinstance(error, ssl.SSLCertVerificationError):
        return OperatorError(
            f"Kafka at {address} shows a certificate that is not trusted: {error.verify_message}.",
            "Another authority signed it than those in FLUMINA_KAFKA_CA, it has expired, or it is"
            " for another name than the one in KAFKA_BROKERS.",
            "Set FLUMINA_KAFKA_CA to the authority of the brokers, and name brokers as their"
            " certificates do. Verification cannot be switched off.",
        )
    if isinstance(error, ssl.SSLError):
        return OperatorError(
            f"Kafka at {address} and we agree on no TLS: {error.reason or error}.",
            "The listener speaks no TLS, or wants a certificate of ours that it does not get or"
            " trust.",
            "Use the port of the broker's TLS listener; for mutual TLS set"
            " FLUMINA_KAFKA_CERTIFICATE and FLUMINA_KAFKA_KEY.",
        )
    if isinstance(error, SaslAuthenticationFailed):
        return OperatorError(
            f"Kafka at {address} does not let in {security.user}: {error}.",
            "The password is wrong, or the name is unknown to Kafka.",
            "Correct FLUMINA_KAFKA_USER and the file of FLUMINA_KAFKA_PASSWORD_FILE, or make the"
            " user: kafka-configs.sh --alter --add-config 'SCRAM-SHA-512=[password=...]'"
            f" --entity-type users --entity-name {security.user}",
        )
    if isinstance(error, UnsupportedSaslMechanismError | IllegalSaslStateError):
        return OperatorError(
            f"Kafka at {address} takes no {security.mechanism}: {error}.",
            "The listener has other mechanisms enabled, or asks for no name at all.",
            "Set FLUMINA_KAFKA_SASL_MECHANISM to one that the broker enables.",
        )
    if _is_cut(error):
        return OperatorError(
            f"Kafka at {address} closes the connection before it answers.",
            f"We speak {security.protocol} there, and the listener speaks something else"
            + (", or our certificate is not trusted." if security.certificate else "."),
            "Set FLUMINA_KAFKA_SECURITY to what that port speaks (docs/kafka-security.md).",
        )
    return None


def _is_cut(error: Exception) -> bool:
    # A broker that speaks TLS ends a plain connection at once, and aiokafka says only that.
    is_refused = isinstance(error, ConnectionRefusedError)
    return isinstance(error, ConnectionError | KafkaError) and not is_refused


def not_allowed(error: BaseException) -> OperatorError | None:
    """What an access control list refused, as a sentence; None where it is another fault."""
    if not isinstance(error, NOT_ALLOWED):
        return None
    what = {
        TopicAuthorizationFailedError: "a topic",
        GroupAuthorizationFailedError: "a consumer group",
        ClusterAuthorizationFailedError: "the cluster",
    }[type(error)]
    return OperatorError(
        f"Kafka does not allow us {what}: {error}.",
        "An access control list does not name the user of FLUMINA_KAFKA_USER for it: the lists"
        " were not applied, or this process runs as another component's user.",
        "`flumina acl list` shows who needs what; `flumina acl apply` as Kafka's administrator"
        " sets it.",
    )
