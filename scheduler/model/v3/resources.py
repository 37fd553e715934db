"""The ``resources`` of a container: what one task needs of its host.

The one thing to know: each is enforced on every host that offers it. Bandwidth and addresses are
counted on hosts that declare them and free on others; devices and named scalars only exist where
they are offered.
"""

from typing import Final

from scheduler.model.reading.checks import name_check, pattern_check
from scheduler.model.reading.fields import Fields
from scheduler.model.resources import Need, Scalars
from scheduler.model.v3 import limits, names

_MODEL: Final = name_check(limits.NAME_BYTES_MAX)
_SCALAR_NAME: Final = pattern_check(
    "[A-Za-z][A-Za-z0-9._-]*", limits.SCALAR_NAME_BYTES_MAX, "licences"
)


def read_need(fields: Fields) -> Need:
    """What ``fields`` ask for; the shape of ``/dev/shm`` is read elsewhere."""
    gpus, gpu_milli, gpu_models = _devices(fields)
    need = Need(
        cpu_milli=fields.thousandths("cpu", limits.CPU_MILLI_MIN, limits.CPU_MILLI_MAX),
        memory_mib=fields.whole(
            "memoryMB", limits.MEMORY_MIB_MIN, limits.MEMORY_MIB_MAX, unit=" MiB"
        ),
        disk_mib=fields.whole("diskMB", 0, limits.DISK_MIB_MAX, default=0, unit=" MiB"),
        ports=fields.whole("ports", 0, limits.PORTS_MAX, default=0),
        network_mbps=fields.whole(
            "networkMbps", 0, limits.NETWORK_MBPS_MAX, default=0, unit=" Mbps"
        ),
        gpus=gpus,
        gpu_milli=gpu_milli,
        gpu_models=gpu_models,
        addresses=int(fields.truth("allocateIP", default=False)),
        scalars=_scalars(fields.inner_if_given("scalars")),
    )
    for name in names.RESOURCES_READ_ELSEWHERE:
        fields.raw(name)
    fields.close()
    return need


def _devices(fields: Fields) -> tuple[int, int, tuple[str, ...]]:
    """Whole devices, thousandths of one, and the models that will do."""
    gpus = fields.whole("gpu", 0, limits.GPUS_MAX, default=0)
    milli = fields.whole("gpuMilli", 0, 999, default=0, unit=" thousandths")
    if gpus and milli:
        fields.fault("gpuMilli", "is given beside gpu", "ask for whole devices, or a part of one")
    models = fields.texts(
        "gpuModels", _MODEL, limits.GPU_MODELS_MAX, limits.ATTRIBUTE_VALUE_BYTES_MAX
    )
    if models and not gpus and not milli:
        fields.fault("gpuModels", "is given without gpu or gpuMilli", "say how much of a device")
    return gpus, milli, tuple(sorted(set(models)))


def _scalars(fields: Fields | None) -> Scalars:
    if fields is None:
        return ()
    found: list[tuple[str, int]] = []
    for name, value in fields.items(limits.SCALARS_MAX):
        if value is None:
            fields.raw(name)  # As if left out, like any null.
            continue
        amount = fields.thousandths(name, 0, limits.SCALAR_MILLI_MAX)
        complaint = _SCALAR_NAME(name)
        if complaint is not None:
            fields.fault(name, f"has a name that {complaint[0]}", complaint[1])
        elif name in names.SCALARS_OF_THEIR_OWN:
            text = "has a field of its own"
            fields.fault(name, text, f"use {names.SCALARS_OF_THEIR_OWN[name]}")
        elif amount:
            found.append((name, amount))
    return tuple(found)
