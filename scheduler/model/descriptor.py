"""Job descriptors of Titus' API v3: read to a `JobSpec`, and written back.

The one thing to know: a descriptor is closed. A field that this version does not know, or that it
knows and cannot keep, is refused by its path; nothing is dropped in silence, except the attributes
that only a control plane may write (`titus.sanitization.*`, `titus.runtimePrediction.*`).

Where this differs from Titus, on purpose:

- cpu is not raised to 1, memory not to 512 MiB, disk not to 10,000 MiB, network not to 128 Mbps.
  Titus' hosts have 64 cpus; ours may have 4, and a job of twenty small tasks must fit. The floors
  here are 0.01 cpus and 16 MiB; ``diskMB`` and ``networkMbps`` may be left out (nothing reserved).
- ``container.resources`` has more: ``ports`` (how many ports of its host each task gets),
  ``gpuMilli``, ``gpuModels`` and ``scalars``.
- A constraint's name may go on, after a dot, with the host attribute that it is about; soft ones
  may have weights. Titus' ``cpuModel`` is a host attribute here, its ``kubeBackend`` is refused.
- ``image``, ``securityProfile`` and ``retryPolicy`` may be left out. A job without a retry policy
  is not retried after failures of its own; a service is always started again.
- Numbers are JSON numbers. proto3's quoted 64-bit numbers are refused, with a hint.
- The largest cpu, memory, size and so on of a cell are in its `Policy`; `scheduler.model.v3.limits`
  has what the format can say at all.
"""

from typing import Any

from scheduler.model.codec import digest_of, encode_value
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.json_text import parsed_json
from scheduler.model.v3.job import read_job
from scheduler.model.v3.limits import DESCRIPTOR_BYTES_MAX
from scheduler.model.v3.writer import written_job


def decode_descriptor(data: bytes) -> JobSpec | tuple[Fault, ...]:
    """The job that a descriptor's JSON text asks for, or everything that is wrong with it."""
    faults = Faults()
    raw = parsed_json(data, DESCRIPTOR_BYTES_MAX, faults)
    return faults.all() if faults else spec_of(raw)


def spec_of(raw: object, path: str = "") -> JobSpec | tuple[Fault, ...]:
    """The job that a descriptor's JSON value asks for, or everything that is wrong with it.

    ``path`` is where the descriptor stands in a larger document; fault paths begin with it.
    """
    faults = Faults()
    spec = read_job(Fields(raw, path, faults))
    return faults.all() if faults else spec


def descriptor_of(spec: JobSpec) -> dict[str, Any]:
    """The v3 descriptor of ``spec``: reading it gives the same spec again."""
    return written_job(spec)


def spec_digest(spec: JobSpec) -> str:
    """The name of a spec's content: equal specs have equal digests, on any computer.

    It is made from the written descriptor. msgspec leaves out a default only where it is the very
    same object, so equal specs may differ in their own bytes.
    """
    return digest_of(encode_value(written_job(spec)))
