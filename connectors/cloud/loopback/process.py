"""The double as a process: moto on loopback, and the agents of a dev cluster that follow it.

The one thing to know: all that it knows is in its memory, as moto's is. When it ends and begins
anew its account is empty but for the groups that it was asked for, and agents of instances that
were there before are ended.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import boto3
import msgspec
from botocore.config import Config

from connectors.cloud.loopback.account import (
    ACCOUNT,
    CELL_TAG,
    QUEUE,
    RULES_FILE,
    GroupAsked,
    region_of,
    rules_for,
)
from connectors.cloud.loopback.agents import Hosts, shape_of_type
from connectors.cloud.loopback.groups import LOCK, Account
from connectors.cloud.loopback.server import Server, account_of, install
from connectors.devcluster.node import write_atomically

LOOK_S: Final = 0.3
"""Between two looks; each asks the dev cluster's supervisor once."""
ANSWER_S_MAX: Final = 30.0
"""For one answer of the double, which is in this process."""
IMAGE: Final = "ami-12c6146b"
"""One of those that moto knows; nothing is read of it."""
EVENTS: Final = (
    "EC2 Spot Instance Interruption Warning",
    "EC2 Instance Rebalance Recommendation",
    "EC2 Instance-launch Lifecycle Action",
    "EC2 Instance-terminate Lifecycle Action",
)


def prepare(url: str, region: str, cell: str, groups: Sequence[GroupAsked]) -> None:
    """Make the queue of notices and the groups, as one would in an account of AWS."""
    session = boto3.session.Session(
        aws_access_key_id="loopback",
        aws_secret_access_key="loopback",  # noqa: S106 - of a double, which asks for none
        region_name=region,
    )
    patient = Config(connect_timeout=ANSWER_S_MAX, read_timeout=ANSWER_S_MAX)
    sqs = session.client("sqs", endpoint_url=url, config=patient)
    events = session.client("events", endpoint_url=url, config=patient)
    ec2 = session.client("ec2", endpoint_url=url, config=patient)
    autoscaling = session.client("autoscaling", endpoint_url=url, config=patient)
    sqs.create_queue(QueueName=QUEUE)
    pattern = msgspec.json.encode({"detail-type": EVENTS}).decode()
    events.put_rule(Name=QUEUE, EventPattern=pattern)
    target = {"Id": QUEUE, "Arn": f"arn:aws:sqs:{region}:{ACCOUNT}:{QUEUE}"}
    events.put_targets(Rule=QUEUE, Targets=[target])
    for each in groups:
        made = ec2.create_launch_template(
            LaunchTemplateName=each.name,
            LaunchTemplateData={"ImageId": IMAGE, "InstanceType": each.machine_type},
        )
        autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=each.name,
            LaunchTemplate={"LaunchTemplateId": made["LaunchTemplate"]["LaunchTemplateId"]},
            MinSize=each.minimum,
            MaxSize=each.maximum,
            # One zone: the last host of a zone is not given back.
            AvailabilityZones=[f"{region}a"],
            Tags=[{"Key": CELL_TAG, "Value": cell, "PropagateAtLaunch": True}],
        )
    for client in (sqs, events, ec2, autoscaling):
        client.close()


def write_rules(root: Path, account: Account, groups: Sequence[GroupAsked]) -> None:
    """Rules that fit the groups, for `flumina fleet rules`; raises `ConfigError` for no type."""
    with LOCK:
        shapes = {each.name: shape_of_type(account, each.machine_type) for each in groups}
    text = msgspec.json.format(msgspec.json.encode(rules_for(shapes)), indent=1)
    write_atomically(root / RULES_FILE, text + b"\n")


def run(
    root: Path,
    port: int,
    cell: str,
    groups: Sequence[GroupAsked],
    on_ready: Callable[[str], None],
) -> None:
    """Serve and follow until SIGTERM or SIGINT; ``on_ready`` is told the address.

    ``root`` is the directory of a dev cluster. Raises `OSError` where the port is taken, and
    `ConfigError` for a machine type that there is not.
    """
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    install()
    region = region_of(os.environ)
    account = account_of(region)
    write_rules(root, account, groups)
    server = Server(port)
    server.begin()
    try:
        prepare(server.url, region, cell, groups)
        hosts = Hosts(root, [account])
        on_ready(server.url)
        while not stop.wait(LOOK_S):
            hosts.look()
    finally:
        server.close()
