"""Target groups of AWS: targets come and go once and again, and faults are told apart.

How: moto on loopback answers as AWS does; botocore's own hooks put throttling before it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from connectors.balancers.elb import TARGETS_MAX, TargetGroups
from connectors.ports import Endpoint, PlaceUnknown, RegistrationFailed
from tests.support.moto import moto_endpoint  # noqa: F401 - a fixture
from tests.support.targets import Groups

pytestmark = pytest.mark.integration  # It starts a stand-in for AWS.

ENDPOINTS = [Endpoint(f"task-{port}", "job", "10.0.0.1", port) for port in range(1, 4)]
KEYS = {"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"}


@pytest.fixture
def groups(
    moto_endpoint: str,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> Groups:
    return Groups(moto_endpoint, monkeypatch)


def answering(status: int, body: bytes) -> Callable[..., AWSResponse]:
    """A hook of botocore that answers in the place of AWS."""

    class Raw:
        @staticmethod
        def stream(**_: Any) -> Any:
            yield body

    def answer(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, status, {}, Raw())

    return answer


def test_targets_come_and_go_once_and_again(groups: Groups) -> None:
    arn, provider = groups.new(), TargetGroups()

    async def run() -> None:
        await provider.register(arn, ENDPOINTS)
        await provider.register(arn, ENDPOINTS[:1])
        assert await provider.registered(arn) == KEYS == groups.targets(arn)
        await provider.deregister(arn, ENDPOINTS[:1])
        await provider.deregister(arn, ENDPOINTS[:2])
        assert await provider.registered(arn) == {"10.0.0.1:3"}
        many = [Endpoint("t", "j", "10.0.0.2", 1 + each) for each in range(TARGETS_MAX + 1)]
        await provider.register(arn, many)
        assert len(await provider.registered(arn)) == len(many) + 1
        await provider.close()

    asyncio.run(run())


def test_a_group_that_is_not_there_and_one_that_throttles_are_told_apart(groups: Groups) -> None:
    arn, provider = groups.new(), TargetGroups()
    throttled = answering(
        400,
        b"<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>"
        b"<Message>Rate exceeded</Message></Error></ErrorResponse>",
    )

    async def run() -> None:
        with pytest.raises(PlaceUnknown):
            await provider.register(f"{arn}0", ENDPOINTS)
        with pytest.raises(PlaceUnknown):
            await provider.registered(f"{arn}0")
        provider._client().meta.events.register("before-send", throttled)
        with pytest.raises(RegistrationFailed, match="Throttling: Rate exceeded"):
            await provider.register(arn, ENDPOINTS)
        await provider.close()

    asyncio.run(run())
    assert groups.targets(arn) == set()


def test_an_answer_that_is_no_xml_is_a_failure(groups: Groups) -> None:
    arn, provider = groups.new(), TargetGroups()

    async def run() -> None:
        garbled = answering(200, b"this is no XML")
        provider._client().meta.events.register("before-send", garbled)
        with pytest.raises(RegistrationFailed, match="elbv2 cannot be asked"):
            await provider.registered(arn)
        await provider.close()

    asyncio.run(run())


def test_nobody_there_is_a_failure(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = groups.new()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(RegistrationFailed, match="cannot be asked"):
        asyncio.run(TargetGroups().registered(arn))
