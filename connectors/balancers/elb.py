"""Target groups of AWS' Elastic Load Balancing (application and network), by boto3.

The one thing to know: a place is the ARN of a target group of target type ``ip``; a target is an
address and a port. A target that is draining counts as gone. Where AWS is, and who we are there, is
boto3's to find (``AWS_REGION``, ``AWS_ENDPOINT_URL``, roles).
"""

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from connectors.ports import Endpoint, PlaceUnknown, RegistrationFailed

CONNECT_S: Final = 3.0
SILENT_S: Final = 5.0
TARGETS_MAX: Final = 100
"""Of one call; AWS names no limit, and a call of some kilobytes is answered at once."""


class _TargetInvalid(RegistrationFailed):
    """A target is not there, or cannot be one of this group."""


class TargetGroups:
    """Target groups by their ARNs."""

    def __init__(self) -> None:
        self._made: Any = None
        self._making = threading.Lock()

    def key_of(self, endpoint: Endpoint) -> str:
        """Address and port."""
        return f"{endpoint.address}:{endpoint.port}"

    async def register(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Add targets; raises `PlaceUnknown`, `RegistrationFailed`."""
        for targets in _parts(endpoints):
            await self._call("register_targets", TargetGroupArn=place, Targets=targets)

    async def deregister(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Take targets away; raises `PlaceUnknown`, `RegistrationFailed`."""
        for targets in _parts(endpoints):
            try:
                await self._call("deregister_targets", TargetGroupArn=place, Targets=targets)
            except _TargetInvalid:
                # One of them is gone already, and the call was refused as a whole.
                for each in targets:
                    with contextlib.suppress(_TargetInvalid):
                        await self._call("deregister_targets", TargetGroupArn=place, Targets=[each])

    async def registered(self, place: str) -> frozenset[str]:
        """The targets of the group, whoever registered them, without those that drain."""
        answer = await self._call("describe_target_health", TargetGroupArn=place)
        return frozenset(
            f"{each['Target']['Id']}:{each['Target'].get('Port', 0)}"
            for each in answer["TargetHealthDescriptions"]
            if each["TargetHealth"]["State"] != "draining"
        )

    async def close(self) -> None:
        """Give back every connection."""
        if self._made is not None:
            self._made.close()

    async def _call(self, name: str, **asked: object) -> Any:  # noqa: ANN401 - boto3 has no types
        try:
            return await asyncio.to_thread(lambda: getattr(self._client(), name)(**asked))
        except ClientError as error:
            told = error.response.get("Error", {})
            code, text = told.get("Code", "an error"), told.get("Message", "")
            if code == "TargetGroupNotFound":
                raise PlaceUnknown(text) from error
            if code == "InvalidTarget":
                raise _TargetInvalid(f"elbv2 answered {code}: {text}") from error
            raise RegistrationFailed(f"elbv2 answered {code}: {text}") from error
        except (BotoCoreError, ResponseParserError, OSError) as error:
            raise RegistrationFailed(f"elbv2 cannot be asked: {error}") from error

    def _client(self) -> Any:  # noqa: ANN401 - as above
        with self._making:
            if self._made is None:
                config = Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=SILENT_S,
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    max_pool_connections=8,
                )
                self._made = boto3.session.Session().client("elbv2", config=config)
            return self._made


def _parts(endpoints: Sequence[Endpoint]) -> list[list[dict[str, object]]]:
    targets: list[dict[str, object]] = [
        {"Id": each.address, "Port": each.port} for each in endpoints
    ]
    return [targets[at : at + TARGETS_MAX] for at in range(0, len(targets), TARGETS_MAX)]
