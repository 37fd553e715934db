"""How Kafka is spoken to (`streams/kafka/security.py`)."""

from pathlib import Path

from streams import setting_texts as texts
from streams.kafka.security import MECHANISMS, PROTOCOLS
from streams.setting_rows.row import Setting

WIRE = (
    Setting(
        "FLUMINA_KAFKA_SECURITY",
        "kafka_security",
        "plaintext, ssl, sasl_ssl or sasl_plaintext: how KAFKA_BROKERS are spoken to"
        " (docs/kafka-security.md); default plaintext",
        lambda _: "plaintext",
        texts.one_of(PROTOCOLS),
    ),
    Setting(
        "FLUMINA_KAFKA_CA",
        "kafka_ca",
        "PEM file of who signs Kafka's brokers; unset, whom this computer trusts",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_KAFKA_CERTIFICATE",
        "kafka_certificate",
        "PEM file of our certificate for mutual TLS with Kafka; unset, we show none",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_KAFKA_KEY",
        "kafka_key",
        "PEM file of that certificate's key",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_KAFKA_SASL_MECHANISM",
        "kafka_sasl_mechanism",
        "scram-sha-512, scram-sha-256 or plain: how our name is proven; default scram-sha-512",
        lambda _: "scram-sha-512",
        texts.one_of(MECHANISMS),
    ),
    Setting(
        "FLUMINA_KAFKA_USER",
        "kafka_user",
        "our name at Kafka; `flumina acl list` says what each may do",
        lambda _: "",
        texts.actor,
    ),
    Setting(
        "FLUMINA_KAFKA_PASSWORD_FILE",
        "kafka_password_file",
        "file with that name's password; read again for each connection",
        lambda _: None,
        Path,
    ),
)
