"""The secured listener of an embedded broker: TLS, users with passwords, access control.

The one thing to know: it exists so that what production configures on its own Kafka can be tried
on a real broker here. `flumina up` starts a broker of loopback without it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from streams.kafka.security import Brokers, KafkaSecurity

ADMINISTRATOR: Final = "admin"
"""May do everything, and sets the access control lists."""
SCRAM: Final = "SCRAM-SHA-512"
MODULE: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required"


class SecuredListener(msgspec.Struct, frozen=True):
    """What the listener for clients shows and asks for: SASL_SSL with SCRAM-SHA-512 and ACLs."""

    ca: Path
    """Who signs the broker's certificate, and those of clients that show one."""
    keystore: Path
    """PEM: the broker's key (PKCS #8), then its certificate."""
    password_files: Mapping[str, Path]
    """Users and the files with their passwords; the administrator is one of them."""

    def overrides(self) -> dict[str, str]:
        """Lines for `server.properties`."""
        jaas = f'{MODULE} username="{ADMINISTRATOR}" password="{self._password(ADMINISTRATOR)}";'
        return {
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": SCRAM,
            "sasl.mechanism.inter.broker.protocol": SCRAM,
            f"listener.name.clients.{SCRAM.lower()}.sasl.jaas.config": jaas,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca),
            "ssl.client.auth": "requested",
            "ssl.enabled.protocols": "TLSv1.2,TLSv1.3",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            # The controller's listener is this process talking to itself, without a name.
            "super.users": f"User:{ADMINISTRATOR};User:ANONYMOUS",
        }

    def format_arguments(self) -> list[str]:
        """Words for the tool that formats the storage: the users with their passwords."""
        words = []
        for user in sorted(self.password_files):
            credential = f"{SCRAM}=[name={user},password={self._password(user)}]"
            words += ["--add-scram", credential]
        return words

    def brokers(self, addresses: str, user: str = ADMINISTRATOR) -> Brokers:
        """These addresses, spoken to as this user."""
        security = KafkaSecurity(
            protocol="sasl_ssl",
            ca=self.ca,
            mechanism=SCRAM.lower(),
            user=user,
            password_file=self.password_files[user],
        )
        return Brokers(addresses, security)

    def _password(self, user: str) -> str:
        return self.password_files[user].read_text("utf-8").strip()
