"""A real broker with TLS, a user for each component, and no right for anybody but its admin."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from streams.kafka.acl_table import COMPONENTS
from streams.kafka.embedded import EmbeddedKafka
from streams.kafka.installation import ensure_installed
from streams.kafka.listener import ADMINISTRATOR, SecuredListener
from streams.kafka.node import java_environment
from streams.kafka.security import Brokers
from streams.setting_rows.keeping import default_cache_dir
from tests.support.certificates import Authority

TOOL_TIMEOUT_S = 120


class SecuredKafka:
    """Starts with `start`, ends with `stop`; `brokers` and `environment` say who asks."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.authority = Authority(home / "tls")
        pair = self.authority.server("broker")
        keystore = home / "keystore.pem"
        keystore.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
        files = {}
        for user in (ADMINISTRATOR, *(f"flumina-{each}" for each in COMPONENTS)):
            files[user] = home / f"{user}.password"
            files[user].write_text(f"password-of-{user}\n")
        self.listener = SecuredListener(
            ca=self.authority.ca, keystore=keystore, password_files=files
        )
        self._broker = EmbeddedKafka(home / "kafka", listener=self.listener)

    def start(self) -> None:
        """Start the broker."""
        self._broker.start()

    def stop(self) -> None:
        """Stop it; twice is once."""
        self._broker.stop()

    def brokers(self, component: str = "") -> Brokers:
        """The broker as a component sees it; without one: as the admin does."""
        user = f"flumina-{component}" if component else ADMINISTRATOR
        return self.listener.brokers(str(self._broker.bootstrap), user)

    def environment(self, component: str = "") -> dict[str, str]:
        """What a process of that component is told."""
        security = self.brokers(component).security
        return {
            "KAFKA_BROKERS": str(self._broker.bootstrap),
            "FLUMINA_KAFKA_SECURITY": security.protocol,
            "FLUMINA_KAFKA_CA": str(security.ca),
            "FLUMINA_KAFKA_USER": security.user,
            "FLUMINA_KAFKA_PASSWORD_FILE": str(security.password_file),
        }

    def set_password(self, component: str, password: str) -> None:
        """Give a user another password, by Kafka's own tool; the file is not touched."""
        admin = self.brokers().security
        assert admin.password_file is not None
        properties = self.home / "admin.properties"
        properties.write_text(
            "\n".join(f"{key}={value}" for key, value in self._of_java(admin.password_file).items())
        )
        installation = ensure_installed(default_cache_dir(), self._broker._console)
        subprocess.run(
            [
                *(str(installation.java), "-cp", installation.class_path),
                *("kafka.admin.ConfigCommand", "--bootstrap-server", str(self._broker.bootstrap)),
                *("--command-config", str(properties), "--alter", "--entity-type", "users"),
                *("--entity-name", f"flumina-{component}"),
                *("--add-config", f"SCRAM-SHA-512=[password={password}]"),
            ],
            env=java_environment(),
            timeout=TOOL_TIMEOUT_S,
            capture_output=True,
            check=True,
        )

    def _of_java(self, password_file: Path) -> Mapping[str, str]:
        password = password_file.read_text("utf-8").strip()
        module = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.jaas.config": f'{module} username="{ADMINISTRATOR}" password="{password}";',
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.ca),
        }
