"""What became of a volume or an address, as one line of a job's history."""

from typing import Literal, assert_never

from scheduler.model.volumes import AddressChanged, VolumeChanged


def storage_text(
    change: VolumeChanged | AddressChanged,
) -> tuple[Literal["volume", "address"], str]:
    """What the line is about, and what it says."""
    task = f", task {change.task_id}" if change.task_id else ""
    match change:
        case VolumeChanged():
            where = f" on {change.host}" if change.host else ""
            where = where or (f" in {change.zone}" if change.zone else "")
            said = f": {change.message}" if change.message else ""
            return "volume", f"{change.volume_id} is {change.state}{where}{task}{said}"
        case AddressChanged():
            return "address", f"{change.address} {change.message}{task}"
    assert_never(change)
