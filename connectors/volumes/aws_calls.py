"""Calls to AWS for volumes: one client a service, time-outs, retries where AWS throttles.

The one thing to know: botocore repeats what is throttled or fails in passing, some times and ever
more slowly; what is still refused then is `VolumeRefused` by its code, all else `VolumeUnsure`.
Where AWS is, and who we are there, is boto3's to find (``AWS_REGION``, ``AWS_ENDPOINT_URL``).
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from connectors.ports import VolumeRefused, VolumeUnsure

CONNECT_S: Final = 3.0
SILENT_S: Final = 20.0
ATTEMPTS: Final = 6
"""Of one call that is throttled; botocore doubles its pauses up to 20 s."""
LOOK_S: Final = 0.5
LOOK_S_MAX: Final = 5.0
WORDS_MAX: Final = 500

Json = dict[str, Any]


class AwsCalls:
    """One client of one service, made when it is needed first."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._made: Any = None
        self._making = threading.Lock()

    def call(self, name: str, **asked: object) -> Json:
        """One call's answer; raises `VolumeRefused`, `VolumeUnsure`."""
        answer: Json = self._guarded(lambda client: getattr(client, name)(**asked))
        return answer

    def pages(self, name: str, key: str, **asked: object) -> list[Json]:
        """What all pages of a listing have below ``key``."""

        def read(client: Any) -> list[Json]:  # noqa: ANN401 - boto3 has no types
            pages = client.get_paginator(name).paginate(**asked)
            return [each for page in pages for each in page.get(key, ())]

        found: list[Json] = self._guarded(read)
        return found

    def until(self, look: Callable[[], bool], limit_s: float, what: str) -> None:
        """Return when ``look`` is true; raises `VolumeUnsure` when that takes too long."""
        end_s, pause_s = time.monotonic() + limit_s, LOOK_S
        while not look():
            if time.monotonic() > end_s:
                raise VolumeUnsure(f"{what} did not come true within {limit_s:.0f} s")
            time.sleep(pause_s)
            pause_s = min(LOOK_S_MAX, pause_s * 1.5)

    def _guarded(self, ask: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - boto3 has no types
        try:
            return ask(self._client())
        except ClientError as error:
            told = error.response.get("Error", {})
            code, text = told.get("Code", "an error"), told.get("Message", "")
            words = f"{self._service} answered {code}: {text}"[:WORDS_MAX]
            raise AwsRefused(words, code) from error
        except (BotoCoreError, ResponseParserError, OSError) as error:
            text = f"{self._service} cannot be asked: {error}"[:WORDS_MAX]
            raise VolumeUnsure(text) from error

    def _client(self) -> Any:  # noqa: ANN401 - as above
        with self._making:
            if self._made is None:
                config = Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=SILENT_S,
                    retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                    max_pool_connections=8,
                )
                self._made = boto3.session.Session().client(self._service, config=config)
            return self._made


class AwsRefused(VolumeRefused):
    """AWS refused, with its code."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


def tags_of(cell: str, volume_id: str, work: int) -> list[Json]:
    """The tags by which what was made is found again."""
    return [
        {"Key": "flumina:cell", "Value": cell},
        {"Key": "flumina:volume", "Value": volume_id},
        {"Key": "flumina:work", "Value": str(work)},
        {"Key": "Name", "Value": volume_id},
    ]
