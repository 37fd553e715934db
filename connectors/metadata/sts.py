"""STS by boto3: what turns a role into credentials.

The one thing to know: the client uses the host's own credentials, which need `sts:AssumeRole` on
the roles of tasks and nothing else; which roles those are is decided by AWS, in their trust policy.
"""

import threading
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from connectors.metadata.credentials import Credentials, RoleNotGranted

CONNECT_TIMEOUT_S: Final = 3
READ_TIMEOUT_S: Final = 5
ATTEMPTS_MAX: Final = 2
"""A task waits for the answer, and its own client gives up after a few seconds."""


class Sts:
    """Assumes roles; one for a host, made at the first task that asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Any = None

    def __call__(self, role_arn: str, session: str, lifetime_s: int) -> Credentials:
        """Credentials of the role; raises `RoleNotGranted`."""
        try:
            answer = self._connected().assume_role(
                RoleArn=role_arn, RoleSessionName=session, DurationSeconds=lifetime_s
            )
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            raise RoleNotGranted(f"{role_arn}: {error}") from error
        found = answer["Credentials"]
        return Credentials(
            access_key=found["AccessKeyId"],
            secret_key=found["SecretAccessKey"],
            token=found["SessionToken"],
            expires_at_s=found["Expiration"].timestamp(),
        )

    def _connected(self) -> Any:  # noqa: ANN401 - boto3's clients have no type
        with self._lock:
            if self._client is None:
                config = Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=READ_TIMEOUT_S,
                    retries={"total_max_attempts": ATTEMPTS_MAX, "mode": "standard"},
                )
                self._client = boto3.session.Session().client("sts", config=config)
            return self._client
