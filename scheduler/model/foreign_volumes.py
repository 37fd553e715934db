"""Records of topic ``commands`` about volumes, read and written.

The one thing to know: `scheduler.model.foreign` hooks the readers in. An order names its actor and
its reason, as every command does; what can be ordered of which provider the fold knows.
"""

from collections.abc import Callable, Mapping
from typing import Final, cast, get_args

import msgspec

from scheduler.model.reading.checks import Complaint, words_check
from scheduler.model.reading.faults import nearest_name, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import read_if_version, read_said, read_task_id
from scheduler.model.volumes import (
    HoldsReleased,
    VolumeId,
    VolumeOrder,
    VolumeOrdered,
    VolumeRequest,
    volume_id_fault,
)

ORDERS: Final[tuple[VolumeOrder, ...]] = get_args(VolumeOrder)
ARGUMENT_BYTES_MAX: Final = 255
_ARGUMENT: Final = words_check(ARGUMENT_BYTES_MAX)


def volume_id_check(text: str) -> Complaint | None:
    """What is wrong with a volume's id, or None."""
    why = volume_id_fault(text)
    if why is None:
        return None
    return f"is {shown_text(text)}; it {why}", "see `flumina volume list`"


def _order_check(text: str) -> Complaint | None:
    if text in ORDERS:
        return None
    return f"is {shown_text(text)}, none of {', '.join(ORDERS)}", nearest_name(text, ORDERS)


def _order(fields: Fields) -> VolumeOrdered:
    volume_id = VolumeId(fields.text("volumeId", volume_id_check))
    order = cast("VolumeOrder", fields.text("order", _order_check))
    argument = fields.text("argument", _ARGUMENT, default="")
    actor, why = read_said(fields, is_required=True)
    return VolumeOrdered(volume_id, order, actor, why, argument, read_if_version(fields))


def _release(fields: Fields) -> HoldsReleased:
    return HoldsReleased(read_task_id(fields), *read_said(fields, is_required=True))


VOLUME_REQUESTS: Final[Mapping[str, Callable[[Fields], VolumeRequest]]] = {
    "OrderVolume": _order,
    "ReleaseHolds": _release,
}


def encode_order_volume(
    volume_id: VolumeId,
    order: VolumeOrder,
    *,
    actor: str,
    why: str,
    argument: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that has something done with a volume."""
    version = {} if if_version is None else {"ifVersion": if_version}
    record = {"type": "OrderVolume", "volumeId": volume_id, "order": order, "argument": argument}
    return msgspec.json.encode({**record, **version, "actor": actor, "why": why})
