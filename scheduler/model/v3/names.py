"""Names that a descriptor uses beyond its fields: constraints and reserved attributes.

The one thing to know: what Titus knows and this version does not do is listed here and refused by
name. A constraint that were taken and not kept would be a promise broken in silence.
"""

from collections.abc import Mapping
from typing import Final, get_args

from scheduler.model.constraint import ConstraintKind

FLAGS: Final[tuple[ConstraintKind, ...]] = (
    "activeHost",
    "exclusiveHost",
    "uniqueHost",
    "zoneBalance",
)
"""Given as "true"; API v2 lists them by name."""
OF_ATTRIBUTE: Final[tuple[ConstraintKind, ...]] = (
    "balancedAttribute",
    "hostAttribute",
    "hostAttributeIn",
    "hostAttributeUnlike",
)
"""Each names a host attribute after a dot."""
NEAR: Final[tuple[ConstraintKind, ...]] = ("awayFromJob", "nearJob")
"""Of the same host, or after a dot of the same value of a host attribute."""
CONSTRAINTS: Final[Mapping[str, ConstraintKind]] = {
    kind.lower(): kind for kind in sorted(get_args(ConstraintKind))
}
"""Constraints by their name in lower case: Titus compares without case."""
CPU_MODEL_ATTRIBUTE: Final = "cpuModel"
"""Titus' (S22) ``cpuModel`` is a label of the node; here it is this attribute of the host."""

JOB_FIELDS_OF_TITUS_ONLY: Final = (
    "networkConfiguration",
    "extraContainers",
    "platformSidecars",
)
RESOURCES_READ_ELSEWHERE: Final = ("efsMounts", "signedAddressAllocations", "staticAddresses")
"""By `scheduler.model.v3.storage`: they are the job's, and not one task's need."""
SCALARS_OF_THEIR_OWN: Final = {
    "cpus": "cpu",
    "mem": "memoryMB",
    "disk": "diskMB",
    "network": "networkMbps",
    "gpus": "gpu",
    "ports": "ports",
}
"""Mesos' names of what has a field of its own here."""

STRIPPED_ATTRIBUTES: Final = ("titus.sanitization.", "titus.runtimePrediction.")
"""Titus writes these itself; a caller's are dropped, so that nobody can forge them."""

STAMPED_ATTRIBUTES: Final = frozenset(("titus.createdBy", "titus.callReason", "titus.cell"))
"""What the cell itself says of each job that it shows; nobody submits them, either."""

KILL_GRACE_ATTRIBUTE: Final = "titusParameter.agent.killWaitSeconds"
"""The container attribute by which Titus' users set the seconds from SIGTERM to SIGKILL."""
