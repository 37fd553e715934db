"""Topics of AWS' Simple Notification Service, by boto3.

The one thing to know: one call a notice, with short time-outs and no retries of its own: whoever
calls it decides about retries. Where AWS is, and who we are there, is boto3's to find
(``AWS_REGION``, ``AWS_ENDPOINT_URL``, roles); the role needs ``sns:Publish`` on the topic alone.
"""

import threading
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from connectors.alerts.translate import AlertPage, published
from connectors.pager.client import PageFailed
from connectors.pager.translate import Page

CONNECT_S: Final = 3.0
SILENT_S: Final = 5.0
UNREADABLE: Final = (ResponseParserError, UnicodeDecodeError)


class SnsTopic:
    """One topic; the client is made when something is sent first."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._made: Any = None
        self._making = threading.Lock()

    def send(self, page: Page, at_ms: int) -> None:
        """Return when SNS has taken the notice; raises `PageFailed`."""
        del at_ms  # SNS stamps what it takes.
        assert isinstance(page, AlertPage)
        try:
            self._client().publish(**published(page, self._topic))
        except ClientError as error:
            told = error.response.get("Error", {})
            code, text = told.get("Code", "an error"), told.get("Message", "")
            raise PageFailed(f"SNS answered {code}: {text}") from error
        except (BotoCoreError, *UNREADABLE, OSError) as error:
            raise PageFailed(f"SNS cannot be asked: {error}") from error

    def _client(self) -> Any:  # noqa: ANN401 - boto3 has no types
        with self._making:
            if self._made is None:
                config = Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=SILENT_S,
                    retries={"total_max_attempts": 1, "mode": "standard"},
                )
                region = self._topic.split(":")[3]
                session = boto3.session.Session(region_name=region)
                self._made = session.client("sns", config=config)
            return self._made
