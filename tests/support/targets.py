"""Target groups of moto that tell targets apart as AWS does: by address and port.

The one thing to know: moto 5 does it by the address alone, and of several tasks at one address it
keeps the last; here its groups are mended while a test uses them.
"""

from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.elbv2.exceptions import InvalidTargetError
from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup

from tests.support.moto import environment_of

Target = dict[str, Any]


def _key(target: Target) -> str:
    return f"{target['Id']}:{target['Port']}"


def _register(self: FakeTargetGroup, targets: list[Target]) -> None:
    self.targets.update({_key(each): each for each in targets})


def _deregister(self: FakeTargetGroup, targets: list[Target]) -> None:
    if any(_key(each) not in self.targets for each in targets):
        raise InvalidTargetError
    for each in targets:
        del self.targets[_key(each)]


def _health_for(self: FakeTargetGroup, target: Target, _: object) -> FakeHealthStatus:
    state = "healthy" if _key(target) in self.targets else "unused"
    return FakeHealthStatus(target["Id"], target["Port"], self.health_check_port, state)


class Groups:
    """Target groups of a moto server, asked with a client of the test's own."""

    def __init__(self, endpoint: str, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(FakeTargetGroup, "register", _register)
        patch.setattr(FakeTargetGroup, "deregister", _deregister)
        patch.setattr(FakeTargetGroup, "health_for", _health_for)
        for name, value in environment_of(endpoint).items():
            patch.setenv(name, value)
        session = boto3.session.Session()
        self._elb = session.client("elbv2")
        self._vpc = session.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]

    def new(self) -> str:
        """The ARN of an empty group of targets by address."""
        made = self._elb.create_target_group(
            Name=f"group-{uuid4().hex[:12]}",
            Protocol="HTTP",
            Port=80,
            VpcId=self._vpc,
            TargetType="ip",
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def targets(self, arn: str) -> set[str]:
        """Address and port of each target."""
        found = self._elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return {_key(each["Target"]) for each in found}

    def add(self, arn: str, address: str, port: int) -> None:
        """Register a target by hand."""
        self._elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": address, "Port": port}])
