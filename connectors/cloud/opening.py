"""Which cloud a name stands for.

The one thing to know: a cloud's library is loaded only where that cloud is used. Another cloud is
another folder beside `aws`, and a line here.
"""

from typing import Final

from connectors.cloud.ports import CloudGroups

CLOUDS: Final = ("aws",)


def cloud_name(text: str) -> str:
    """The name, if a cloud has it; raises ValueError."""
    if text not in CLOUDS:
        raise ValueError(f"{text!r} is no cloud; known are {', '.join(CLOUDS)}")
    return text


def open_cloud(name: str, notices_url: str = "") -> CloudGroups:
    """The cloud of this name; ``notices_url`` is the queue in which it announces things."""
    if name == "aws":
        # boto3 is some 40 MiB: only who uses AWS pays for it.
        from connectors.cloud.aws.client import AutoScalingGroups  # noqa: PLC0415

        return AutoScalingGroups(notices_url)
    raise AssertionError(f"{name!r} is no cloud")
