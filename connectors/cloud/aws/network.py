"""Interfaces and addresses of EC2 instances by boto3: seen, attached, filled, and emptied.

The one thing to know: interface number n for tasks is device n + 1 of the instance, and its
addresses are the secondary ones. Each call first looks at what is there, so that asking twice is
asking once; an interface is made with a token of its instance and place, and one that could not be
attached is deleted again. It blocks; whoever calls has a thread for it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, assert_never

from botocore.exceptions import ClientError

from connectors.cloud.aws.failures import Failure, failure_of
from connectors.cloud.ports import Carried, EffectRefused
from scheduler.model.network import (
    ADDRESSES_MAX,
    INTERFACES_MAX,
    AssignAddresses,
    AttachInterface,
    CloudInterface,
    InstanceNetworkObserved,
    NetworkEffect,
    ReturnAddresses,
    SetSecurityGroups,
)

INSTANCES_AT_ONCE: Final = 100
"""Of a filter; AWS takes 200 values."""
PAGE: Final = 500
TAG: Final = "flumina.instance"
_DEVICE_OF_FIRST: Final = 1
"""Device 0 is the instance's own interface."""

Client = Callable[[str], Any]


class Network:
    """The interfaces of one account and region."""

    def __init__(self, client: Client) -> None:
        """``client`` gives the client of a service by its name."""
        self._client = client

    def seen(
        self, instances: Iterable[tuple[str, str]], now_ms: int
    ) -> list[InstanceNetworkObserved]:
        """The interfaces of these instances, each with its group; none where one is gone."""
        groups = {instance_id: group for group, instance_id in instances}
        found: dict[str, list[CloudInterface]] = {each: [] for each in groups}
        names = sorted(groups)
        for first in range(0, len(names), INSTANCES_AT_ONCE):
            some = names[first : first + INSTANCES_AT_ONCE]
            for each in self._described([{"Name": "attachment.instance-id", "Values": some}]):
                attached = each.get("Attachment") or {}
                there = found.get(str(attached.get("InstanceId")))
                index = int(attached.get("DeviceIndex") or 0) - _DEVICE_OF_FIRST
                if there is not None and index >= 0:
                    there.append(_interface(each, index))
        return [
            InstanceNetworkObserved(
                groups[name],
                name,
                tuple(sorted(found[name], key=lambda each: each.index)[:INTERFACES_MAX]),
                now_ms,
            )
            for name in names
        ]

    def _described(self, filters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {"Filters": filters, "MaxResults": PAGE}
        while True:
            page = self._client("ec2").describe_network_interfaces(**asked)
            yield from page["NetworkInterfaces"]
            token = page.get("NextToken")
            if not token or token == asked.get("NextToken"):
                return  # The second would be for ever.
            asked["NextToken"] = token

    def carry_out(self, effect: NetworkEffect) -> Carried:
        """Ask for one effect; raises what boto3 raises, and `EffectRefused`."""
        match effect:
            case AttachInterface():
                return self._attach(effect)
            case SetSecurityGroups():
                self._client("ec2").modify_network_interface_attribute(
                    NetworkInterfaceId=effect.interface_id, Groups=list(effect.security_groups)
                )
                return Carried("sent")
            case AssignAddresses():
                return self._assign(effect)
            case ReturnAddresses():
                return self._return(effect)
            case _:
                assert_never(effect)

    def _attach(self, effect: AttachInterface) -> Carried:
        device = effect.index + _DEVICE_OF_FIRST
        filters = [{"Name": "attachment.instance-id", "Values": [effect.instance_id]}]
        for each in self._described(filters):
            if (each.get("Attachment") or {}).get("DeviceIndex") == device:
                return Carried("sent", f"{each['NetworkInterfaceId']} is there already")
        interface_id = self._made(effect)
        client = self._client("ec2")
        try:
            attached = client.attach_network_interface(
                DeviceIndex=device,
                InstanceId=effect.instance_id,
                NetworkInterfaceId=interface_id,
            )
        except ClientError as error:
            if not failure_of(error).is_unknown:
                client.delete_network_interface(NetworkInterfaceId=interface_id)
            raise
        client.modify_network_interface_attribute(
            NetworkInterfaceId=interface_id,
            Attachment={"AttachmentId": attached["AttachmentId"], "DeleteOnTermination": True},
        )
        return Carried("sent", f"{interface_id} with {effect.addresses} addresses")

    def _made(self, effect: AttachInterface) -> str:
        """An interface for this place: one that an earlier attempt left behind, or a new one."""
        place = f"{effect.instance_id}/{effect.index}"
        left = [
            each
            for each in self._described([{"Name": f"tag:{TAG}", "Values": [place]}])
            if not each.get("Attachment")
        ]
        if left:
            return str(left[0]["NetworkInterfaceId"])
        asked: dict[str, Any] = {
            "SubnetId": effect.subnet_id,
            "Description": f"flumina: tasks of {effect.instance_id}",
            "TagSpecifications": [
                {"ResourceType": "network-interface", "Tags": [{"Key": TAG, "Value": place}]}
            ],
        }
        if effect.security_groups:
            asked["Groups"] = list(effect.security_groups)
        if effect.addresses:
            asked["SecondaryPrivateIpAddressCount"] = effect.addresses
        made = self._client("ec2").create_network_interface(**asked)
        return str(made["NetworkInterface"]["NetworkInterfaceId"])

    def _assign(self, effect: AssignAddresses) -> Carried:
        have = len(self._addresses(effect.interface_id))
        if have >= effect.addresses:
            return Carried("sent", f"it has {have} already")
        self._client("ec2").assign_private_ip_addresses(
            NetworkInterfaceId=effect.interface_id,
            SecondaryPrivateIpAddressCount=effect.addresses - have,
        )
        return Carried("sent", f"{have} to {effect.addresses}")

    def _return(self, effect: ReturnAddresses) -> Carried:
        there = set(self._addresses(effect.interface_id))
        given = [each for each in effect.addresses if each in there]
        if given:
            self._client("ec2").unassign_private_ip_addresses(
                NetworkInterfaceId=effect.interface_id, PrivateIpAddresses=given
            )
        return Carried("sent", f"{len(given)} given back")

    def _addresses(self, interface_id: str) -> tuple[str, ...]:
        filters = [{"Name": "network-interface-id", "Values": [interface_id]}]
        found = list(self._described(filters))
        if not found:
            raise EffectRefused(str(Failure("gone", f"there is no interface {interface_id}")))
        return _interface(found[0], 0).addresses


def _interface(said: dict[str, Any], index: int) -> CloudInterface:
    secondary = (
        str(each["PrivateIpAddress"])
        for each in said.get("PrivateIpAddresses", ())
        if not each.get("Primary")
    )
    return CloudInterface(
        interface_id=str(said["NetworkInterfaceId"]),
        index=index,
        subnet_id=str(said.get("SubnetId") or ""),
        security_groups=tuple(sorted(str(each["GroupId"]) for each in said.get("Groups", ()))),
        addresses=tuple(sorted(secondary)[:ADDRESSES_MAX]),
    )
