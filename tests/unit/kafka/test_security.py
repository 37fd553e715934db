"""How Kafka is spoken to: settings, options of every client, and files that are exchanged."""

import asyncio
import copy
import ssl
from pathlib import Path
from typing import Any

import pytest

from streams.errors import OperatorError
from streams.kafka.security import (
    Brokers,
    KafkaSecurity,
    client_options,
    faust_options,
    security_of,
    spoken_to_alike,
    tls_context,
)
from streams.settings import Settings, settings_of
from tests.support.certificates import Authority

SASL = {
    "KAFKA_BROKERS": "one:9093,two:9093",
    "FLUMINA_KAFKA_SECURITY": "sasl_ssl",
    "FLUMINA_KAFKA_USER": "flumina-api",
}


def _settings(home: Path, **more: str) -> Settings:
    (home / "password").write_text("secret-word\n")
    return settings_of(SASL | {"FLUMINA_KAFKA_PASSWORD_FILE": str(home / "password")} | more)


def test_addresses_of_settings_carry_how_they_are_spoken_to(tmp_path: Path) -> None:
    brokers = _settings(tmp_path).kafka_brokers
    assert brokers == "one:9093,two:9093"
    security = security_of(brokers or "")
    assert (security.protocol, security.user) == ("sasl_ssl", "flumina-api")
    assert security_of(spoken_to_alike("three:9093", brokers or "")) == security
    assert security_of("plain:9092") == KafkaSecurity()
    assert security_of(copy.deepcopy(brokers) or "") == security


def test_addresses_without_security_are_a_plain_text() -> None:
    """Which every encoder takes, as the file that tells where `flumina up` runs."""
    assert type(settings_of({"KAFKA_BROKERS": "one:9092"}).kafka_brokers) is str


def test_a_client_is_given_everything_it_needs(tmp_path: Path) -> None:
    options = client_options(_settings(tmp_path).kafka_brokers or "")
    assert options["bootstrap_servers"] == "one:9093,two:9093"
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == (
        "flumina-api",
        "secret-word",
    )
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert options["ssl_context"].check_hostname
    assert client_options("plain:9092") == {"bootstrap_servers": "plain:9092"}


def test_faust_is_given_the_same(tmp_path: Path) -> None:
    options = faust_options(_settings(tmp_path).kafka_brokers or "")
    assert options["broker"] == "kafka://one:9093;kafka://two:9093"
    credentials = options["broker_credentials"]
    assert (credentials.protocol.value, credentials.mechanism.value) == (
        "SASL_SSL",
        "SCRAM-SHA-512",
    )
    assert faust_options("plain:9092") == {"broker": "kafka://plain:9092"}


def test_a_password_is_read_again_for_each_connection_and_never_shown(tmp_path: Path) -> None:
    password = client_options(_settings(tmp_path).kafka_brokers or "")["sasl_plain_password"]
    assert password.encode() == b"secret-word"
    (tmp_path / "password").write_text("another\n")
    assert password.encode() == b"another"
    assert "secret-word" not in repr(password)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"FLUMINA_KAFKA_USER": ""}, "wants FLUMINA_KAFKA_USER"),
        ({"FLUMINA_KAFKA_SECURITY": "ssl"}, "is no sasl_"),
        ({"FLUMINA_KAFKA_SECURITY": "tls"}, "it is one of plaintext, ssl"),
        ({"FLUMINA_KAFKA_SASL_MECHANISM": "gssapi"}, "it is one of scram-sha-512"),
        ({"FLUMINA_KAFKA_CERTIFICATE": "/c"}, "go together"),
        ({"FLUMINA_KAFKA_SECURITY": "sasl_plaintext", "FLUMINA_KAFKA_CA": "/c"}, "neither ssl"),
        ({"KAFKA_BROKERS": ""}, "KAFKA_BROKERS is not"),
    ],
)
def test_settings_that_do_not_agree_are_told(
    tmp_path: Path, more: dict[str, str], told: str
) -> None:
    with pytest.raises(OperatorError, match=told):
        _settings(tmp_path, **more)


@pytest.mark.parametrize("content", [None, "", "\n", b"\xff\xfe"])
def test_a_password_that_cannot_be_read_is_an_error(
    tmp_path: Path, content: str | bytes | None
) -> None:
    file = tmp_path / "password"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        file.write_text(content)
    security = KafkaSecurity(protocol="sasl_plaintext", user="u", password_file=file)
    with pytest.raises(OperatorError, match="password for Kafka"):
        client_options(Brokers("b:1", security))


def test_files_of_tls_that_cannot_be_used_are_an_error(tmp_path: Path) -> None:
    bad = tmp_path / "ca.pem"
    bad.write_text("no certificate")
    for ca in (bad, tmp_path / "missing.pem"):
        with pytest.raises(OperatorError, match="files for TLS") as error:
            client_options(Brokers("b:1", KafkaSecurity(protocol="ssl", ca=ca)))
        assert "FLUMINA_KAFKA_CA" in error.value.remedy


async def _serial_that_a_server_sees(
    server: ssl.SSLContext, client: ssl.SSLContext, connections: int, between: Any
) -> list[int]:
    """The serials of the client's certificate, of one connection after another."""
    seen: list[int] = []

    async def came(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = writer.get_extra_info("ssl_object").getpeercert()
        seen.append(int(found["serialNumber"], 16))
        writer.write(b"k")
        writer.close()

    listening = await asyncio.start_server(came, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        for number in range(connections):
            if number:
                between()
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
            assert await reader.read() == b"k"
            writer.close()
            await writer.wait_closed()
    return seen


def test_a_certificate_is_exchanged_without_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first = authority.client("client")
    own = authority.server("server")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(own.certificate, own.key)
    server.load_verify_locations(authority.ca)
    server.verify_mode = ssl.CERT_REQUIRED
    client = tls_context(
        KafkaSecurity(protocol="ssl", ca=authority.ca, certificate=first.certificate, key=first.key)
    )
    pairs = [first]

    def exchange() -> None:
        pairs.append(authority.client("client"))

    seen = asyncio.run(_serial_that_a_server_sees(server, client, 2, exchange))
    assert seen == [each.serial for each in pairs]
    assert len(set(seen)) == 2
