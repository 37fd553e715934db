"""The example of an IAM policy allows each call that the code makes to AWS, and no other.

How: the calls are read from the source of every package that has boto3, by the names that boto3
itself gives the operations of the services that the package names. An operation that is written
anywhere there and not allowed, or allowed and written nowhere, is a difference.
"""

import ast
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

CHECKOUT = Path(__file__).parents[3]
POLICY = CHECKOUT / "docs" / "examples" / "aws" / "iam-policy.json"
PREFIXES = {"efs": "elasticfilesystem", "elbv2": "elasticloadbalancing"}
"""Where IAM calls a service otherwise than boto3."""
ACTIONS = {
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
}
"""Operations that need the permission of another."""
DOUBLE = CHECKOUT / "connectors" / "cloud" / "loopback"
"""It stands for AWS, and asks nobody but itself."""
IMPLIED = {"ec2:CreateTags", "elasticfilesystem:TagResource"}
"""What AWS wants where something is made with tags."""


def _operations(service: str) -> dict[str, str]:
    # Nothing is asked of it: boto3 only wants a region to make it.
    client: Any = boto3.client(service, region_name="us-east-1")
    found: dict[str, str] = client.meta.method_to_api_mapping
    return found


def _words(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _called() -> set[str]:
    packages: dict[Path, list[str]] = defaultdict(list)
    for file in sorted(CHECKOUT.joinpath("connectors").rglob("*.py")):
        if file.parent != DOUBLE:
            packages[file.parent].append(file.read_text())
    services = set(boto3.session.Session().get_available_services())
    found = set()
    for texts in packages.values():
        if not any("import boto3" in text for text in texts):
            continue
        words = {word for text in texts for word in _words(text)}
        for service in sorted(words & services):
            operations = _operations(service)
            for word in sorted(words & operations.keys()):
                action = f"{PREFIXES.get(service, service)}:{operations[word]}"
                found.add(ACTIONS.get(action, action))
    return found


def _allowed() -> list[str]:
    policy = json.loads(POLICY.read_text())
    assert all(each["Effect"] == "Allow" for each in policy["Statement"])
    return [action for each in policy["Statement"] for action in each["Action"]]


@pytest.mark.slow
def test_the_policy_allows_what_is_called_and_nothing_else() -> None:
    allowed = _allowed()
    assert len(allowed) == len(set(allowed)), "an action stands twice"
    called = _called()
    assert len(called) > 30
    assert called - set(allowed) == set(), "called and not allowed"
    assert set(allowed) - called - IMPLIED == set(), "allowed and never called"
