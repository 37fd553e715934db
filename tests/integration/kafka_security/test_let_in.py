"""A broker that refuses us: each refusal is an error with its remedy, soon, and no endless wait.

On a real broker with TLS and SCRAM; and passwords that are exchanged while processes run.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from streams.cell.writer import our_producer
from streams.errors import OperatorError
from streams.kafka.security import Brokers, KafkaSecurity
from streams.kafka.topic_admin import ensure_topics
from streams.settings import settings_of
from tests.integration.kafka_security.conftest import PREFIX
from tests.support.certificates import Authority
from tests.support.secured_kafka import SecuredKafka

pytestmark = pytest.mark.integration
REFUSED_S_MAX = 20.0
Change = Callable[[KafkaSecurity, Path], KafkaSecurity]


def _wrong_password(security: KafkaSecurity, home: Path) -> KafkaSecurity:
    (home / "wrong").write_text("wrong")
    return msgspec.structs.replace(security, password_file=home / "wrong")


def _unknown_user(security: KafkaSecurity, _: Path) -> KafkaSecurity:
    return msgspec.structs.replace(security, user="nobody")


def _other_authority(security: KafkaSecurity, home: Path) -> KafkaSecurity:
    return msgspec.structs.replace(security, ca=Authority(home / "other").ca)


def _other_mechanism(security: KafkaSecurity, _: Path) -> KafkaSecurity:
    return msgspec.structs.replace(security, mechanism="plain")


def _no_name(security: KafkaSecurity, _: Path) -> KafkaSecurity:
    return KafkaSecurity(protocol="ssl", ca=security.ca)


def _no_tls(_: KafkaSecurity, __: Path) -> KafkaSecurity:
    return KafkaSecurity()


REFUSALS: list[tuple[Change, str, str]] = [
    (_wrong_password, "does not let in admin", "FLUMINA_KAFKA_PASSWORD_FILE"),
    (_unknown_user, "does not let in nobody", "FLUMINA_KAFKA_USER"),
    (_other_authority, "certificate that is not trusted", "FLUMINA_KAFKA_CA"),
    (_other_mechanism, "takes no plain", "FLUMINA_KAFKA_SASL_MECHANISM"),
    (_no_name, "closes the connection before it answers", "FLUMINA_KAFKA_SECURITY"),
    (_no_tls, "closes the connection before it answers", "FLUMINA_KAFKA_SECURITY"),
]


# A connection that the broker closes in the middle of its handshake is, now and then, left by
# aiokafka for the collector of garbage, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("change", "what", "remedy"), REFUSALS)
def test_each_refusal_is_told_with_its_remedy(
    secured: SecuredKafka, tmp_path: Path, change: Change, what: str, remedy: str
) -> None:
    admin = secured.brokers()
    bad = Brokers(str(admin), change(admin.security, tmp_path))
    settings = settings_of({"KAFKA_BROKERS": str(admin)})
    began = time.monotonic()
    with pytest.raises(OperatorError) as refused:
        asyncio.run(ensure_topics(bad, settings))
    assert what in refused.value.what
    assert remedy in refused.value.remedy
    assert time.monotonic() - began < REFUSED_S_MAX


@pytest.mark.parametrize("command", ["api --port 0", "cell", "doctor"])
def test_a_process_with_a_wrong_password_ends_and_says_why(
    secured: SecuredKafka, tmp_path: Path, command: str
) -> None:
    (tmp_path / "wrong").write_text("wrong")
    told = secured.environment("api") | {
        "FLUMINA_KAFKA_PASSWORD_FILE": str(tmp_path / "wrong"),
        "FLUMINA_DATA": str(tmp_path / "data"),
        "MESOS_MASTER": "127.0.0.1:9",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *command.split()],
        env=os.environ | told,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.returncode != 0
    assert "does not let in flumina-api" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_password_is_exchanged_while_a_producer_runs(allowed: SecuredKafka) -> None:
    """What is connected stays; a connection that begins after the exchange uses the new one."""
    brokers = allowed.brokers("producer")
    file = brokers.security.password_file
    assert file is not None

    async def scenario() -> None:
        producer = our_producer(brokers, "rotated")
        await producer.start()
        try:
            await producer.send_and_wait(f"{PREFIX}jobs", b"before")
            await asyncio.to_thread(allowed.set_password, "producer", "another-password")
            file.write_text("another-password\n")
            await producer.send_and_wait(f"{PREFIX}jobs", b"still connected")
            # As after an idle time or a broker's restart: every connection begins again.
            for connection in list(producer.client._conns.values()):
                connection.close()
            await producer.send_and_wait(f"{PREFIX}jobs", b"with the new one")
        finally:
            await producer.stop()

    asyncio.run(asyncio.wait_for(scenario(), 120))
