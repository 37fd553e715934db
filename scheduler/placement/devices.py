"""GPU devices of a host: which ones a task takes, and what is left for others.

The one thing to know: a share lies on the fullest device that still has room for it, whole devices
are the untouched ones of lowest index. Engine and fold both ask here, so that a decision and its
check never differ. What a host's idle devices are worth to the mix of tasks that arrive is
`scheduler.placement.gpu_mix`.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from scheduler.model.resources import Need
from scheduler.placement.host import GpuDevice

DEVICE_MILLI: Final = 1_000
"""A whole device in thousandths."""

Devices = tuple[GpuDevice, ...]


def asks_for_devices(need: Need) -> bool:
    """Whether a task needs any device or a part of one."""
    return need.gpus > 0 or need.gpu_milli > 0


def asked_milli(need: Need) -> int:
    """What a task needs of devices, in thousandths of one."""
    return need.gpus * DEVICE_MILLI if need.gpus else need.gpu_milli


def is_model_right(need: Need, model: str) -> bool:
    """Whether devices of this model will do; a task that names none takes any."""
    return not need.gpu_models or not asks_for_devices(need) or model in need.gpu_models


def idle_milli(devices: Iterable[GpuDevice]) -> int:
    """What is free of all devices together, in thousandths of one."""
    return sum(each.free_milli for each in devices)


def untouched(devices: Iterable[GpuDevice]) -> int:
    """How many devices nobody has a part of."""
    return sum(each.free_milli == each.total_milli for each in devices)


def chosen_devices(devices: Sequence[GpuDevice], model: str, need: Need) -> tuple[int, ...] | None:
    """Indexes of the devices that a task would take; None where they do not suffice.

    A task that needs none takes none, which is an answer: ``()``.
    """
    if not asks_for_devices(need):
        return ()
    if not is_model_right(need, model):
        return None
    if need.gpus:
        whole = [n for n, each in enumerate(devices) if each.free_milli == each.total_milli]
        return tuple(whole[: need.gpus]) if len(whole) >= need.gpus else None
    best = None
    for number, each in enumerate(devices):
        fits = each.free_milli >= need.gpu_milli
        if fits and (best is None or each.free_milli < devices[best].free_milli):
            best = number
    return None if best is None else (best,)


def are_devices_free(devices: Sequence[GpuDevice], need: Need, chosen: Sequence[int]) -> bool:
    """Whether just these devices can be given to a task: what the fold checks of a decision."""
    count = need.gpus or (1 if need.gpu_milli else 0)
    if len(chosen) != count or len(set(chosen)) != count:
        return False
    if any(not 0 <= number < len(devices) for number in chosen):
        return False
    if need.gpus:
        return all(devices[n].free_milli == devices[n].total_milli for n in chosen)
    return all(devices[n].free_milli >= need.gpu_milli for n in chosen)


def with_taken(devices: Sequence[GpuDevice], need: Need, chosen: Sequence[int]) -> Devices:
    """The devices after a task took ``chosen``."""
    assert are_devices_free(devices, need, chosen), f"devices {chosen} are not free for {need}"
    return _changed(devices, need, chosen, -1)


def with_returned(devices: Sequence[GpuDevice], need: Need, chosen: Sequence[int]) -> Devices:
    """The devices after a task gave ``chosen`` back."""
    returned = _changed(devices, need, chosen, 1)
    assert all(each.free_milli <= each.total_milli for each in returned), (
        f"devices {chosen} get back more than they have"
    )
    return returned


def lacking_devices(devices: Sequence[GpuDevice], model: str, need: Need) -> str:
    """What a host lacks of the devices that a task needs, in words; empty where it lacks none."""
    if chosen_devices(devices, model, need) is not None:
        return ""
    if not devices:
        return "it has no GPU"
    if not is_model_right(need, model):
        return f"its GPUs are of model {model or 'unknown'}, not {' or '.join(need.gpu_models)}"
    if need.gpus:
        return f"{need.gpus - untouched(devices)} of {need.gpus} untouched GPUs missing"
    most = max(each.free_milli for each in devices)
    return f"{need.gpu_milli - most} of {need.gpu_milli} thousandths of one GPU missing"


def _changed(devices: Sequence[GpuDevice], need: Need, chosen: Sequence[int], sign: int) -> Devices:
    made = list(devices)
    for number in chosen:
        each = made[number]
        amount = each.total_milli if need.gpus else need.gpu_milli
        made[number] = GpuDevice(each.free_milli + sign * amount, each.total_milli)
    return tuple(made)
