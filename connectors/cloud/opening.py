"""Which cloud a name stands for.

The one thing to know: a cloud's library is loaded only where that cloud is used. Another cloud is
another folder beside `aws`, and some lines here.
"""

from typing import Final

from connectors.cloud.ports import CloudGroups

AWS: Final = "aws"
DEV: Final = "devcloud:"
"""Followed by the data directory of a dev cluster."""


def cloud_name(text: str) -> str:
    """The name, if a cloud has it; raises ValueError."""
    if text != AWS and (text == DEV or not text.startswith(DEV)):
        raise ValueError(f"{text!r} is no cloud; known are aws and devcloud:DIR")
    return text


def open_cloud(name: str, notices_url: str = "") -> CloudGroups:
    """The cloud of this name; ``notices_url`` is the queue in which it announces things."""
    if name.startswith(DEV):
        from connectors.cloud.devcloud.client import DevCloud  # noqa: PLC0415 - see above

        return DevCloud(name.removeprefix(DEV))
    # boto3 is some 40 MiB: only who uses AWS pays for it.
    from connectors.cloud.aws.client import AutoScalingGroups  # noqa: PLC0415

    assert name == AWS, f"{name!r} is no cloud"
    return AutoScalingGroups(notices_url)
