"""Interfaces and addresses by boto3 over HTTP: moto's server stands for AWS.

What moto does not refuse (an empty subnet, too many calls) is answered in its place by botocore's
own hooks, in AWS' words.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from connectors.cloud.aws.client import AutoScalingGroups
from connectors.cloud.ports import Carried, CloudFailed
from scheduler.model.network import (
    AssignAddresses,
    AttachInterface,
    CloudInterface,
    NetworkEffect,
    ReturnAddresses,
    SetSecurityGroups,
)
from tests.support.moto import environment_of, moto_endpoint

pytestmark = pytest.mark.integration  # It starts a stand-in for AWS.

__all__ = ["moto_endpoint"]


class _Raw:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._data


class Account:
    """One instance in a subnet of moto's, and the connector."""

    def __init__(self) -> None:
        self.ec2: Any = boto3.client("ec2")
        vpc = self.ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"][
            "SubnetId"
        ]
        self.groups = tuple(
            sorted(
                self.ec2.create_security_group(GroupName=name, Description="x", VpcId=vpc)[
                    "GroupId"
                ]
                for name in ("one", "two")
            )
        )
        ran = self.ec2.run_instances(
            ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=self.subnet
        )
        self.instance_id = str(ran["Instances"][0]["InstanceId"])
        self.cloud = AutoScalingGroups()

    def ask(self, effect: NetworkEffect) -> Carried:
        """Have the connector ask for an effect."""
        return asyncio.run(self.cloud.carry_out(effect))

    def seen(self) -> tuple[CloudInterface, ...]:
        """The instance's interfaces as the connector tells of them."""
        asked = asyncio.run(self.cloud.networks([("blue", self.instance_id)], 5))
        (told,) = asked
        assert (told.group, told.instance_id, told.observed_at_ms) == ("blue", self.instance_id, 5)
        return told.interfaces

    def attach(self, addresses: int = 4, index: int = 0) -> AttachInterface:
        """The effect that attaches an interface."""
        return AttachInterface(
            "blue", self.instance_id, index, self.subnet, self.groups[:1], addresses
        )

    def answered(self, code: str, times: int = 1, operation: str = "") -> None:
        """Have the next calls (of an operation) refused so."""
        left = [times]
        body = f"<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors>"
        data = f"{body}<RequestID>r</RequestID></Response>".encode()

        def answer(request: Any, **_: object) -> AWSResponse | None:
            sent = request.body if isinstance(request.body, bytes) else str(request.body).encode()
            if not left[0] or (operation and f"Action={operation}&".encode() not in sent):
                return None
            left[0] -= 1
            return AWSResponse(request.url, 400, {"content-type": "text/xml"}, _Raw(data))

        self.cloud._client("ec2").meta.events.register("before-send.ec2", answer)


@pytest.fixture
def account(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    made = Account()
    yield made
    asyncio.run(made.cloud.close())


def test_an_interface_is_attached_once_and_filled_emptied_and_bound(account: Account) -> None:
    assert account.seen() == ()  # The instance's own interface is none of ours.
    assert account.ask(account.attach()).fate == "sent"
    (seen,) = account.seen()
    assert (seen.index, seen.subnet_id) == (0, account.subnet)
    assert seen.security_groups == account.groups[:1]
    assert len(seen.addresses) == 4
    again = account.ask(account.attach())
    assert (again.fate, "already" in again.detail) == ("sent", True)
    assert account.seen() == (seen,)

    name = seen.interface_id
    for _ in range(2):  # Twice is once.
        assert account.ask(AssignAddresses("blue", account.instance_id, name, 7)).fate == "sent"
    (more,) = account.seen()
    assert len(more.addresses) == 7
    assert set(seen.addresses) < set(more.addresses)

    given = more.addresses[:3]
    for _ in range(2):
        assert account.ask(ReturnAddresses("blue", account.instance_id, name, given)).fate == "sent"
    (less,) = account.seen()
    assert less.addresses == more.addresses[3:]

    both = SetSecurityGroups("blue", account.instance_id, name, account.groups)
    assert account.ask(both).fate == "sent"
    assert account.seen()[0].security_groups == account.groups


def test_a_second_interface_is_the_next_one(account: Account) -> None:
    account.ask(account.attach(2))
    account.ask(account.attach(3, index=1))
    assert [(each.index, len(each.addresses)) for each in account.seen()] == [(0, 2), (1, 3)]


def test_an_empty_subnet_is_told_by_its_name(account: Account) -> None:
    account.answered("InsufficientFreeAddressesInSubnet", operation="CreateNetworkInterface")
    told = account.ask(account.attach())
    assert (told.fate, told.detail[:6]) == ("refused", "empty:")
    assert account.ask(account.attach()).fate == "sent"


def test_throttling_is_ridden_out(account: Account) -> None:
    # That it is told at last is shown in `test_aws.py`, for all clients alike.
    account.answered("RequestLimitExceeded")
    assert account.ask(account.attach()).fate == "sent"


def test_an_interface_that_cannot_be_attached_is_deleted_again(account: Account) -> None:
    before = len(account.ec2.describe_network_interfaces()["NetworkInterfaces"])
    account.answered("AttachmentLimitExceeded", operation="AttachNetworkInterface")
    told = account.ask(account.attach())
    assert told.fate == "refused"
    assert len(account.ec2.describe_network_interfaces()["NetworkInterfaces"]) == before


def test_what_an_unknown_answer_left_behind_is_used_by_the_next_attempt(account: Account) -> None:
    place = f"{account.instance_id}/0"
    left = account.ec2.create_network_interface(
        SubnetId=account.subnet,
        TagSpecifications=[
            {
                "ResourceType": "network-interface",
                "Tags": [{"Key": "flumina.instance", "Value": place}],
            }
        ],
    )["NetworkInterface"]["NetworkInterfaceId"]
    assert account.ask(account.attach()).fate == "sent"
    assert [each.interface_id for each in account.seen()] == [left]


def test_what_is_gone_is_told_so_and_a_list_that_is_not_whole_is_none(account: Account) -> None:
    gone = account.ask(AssignAddresses("blue", account.instance_id, "eni-0a0a0a0a", 4))
    assert gone.fate == "refused"
    account.answered("UnauthorizedOperation", operation="DescribeNetworkInterfaces")
    with pytest.raises(CloudFailed, match="denied"):
        account.seen()
