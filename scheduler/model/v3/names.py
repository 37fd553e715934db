"""Names that a descriptor uses beyond its fields: constraints and reserved attributes.

The one thing to know: what Titus knows and this version does not do is listed here and refused by
name. A constraint that were taken and not kept would be a promise broken in silence.
"""

from collections.abc import Mapping
from typing import Final

from scheduler.model.job import Constraint

CONSTRAINTS: Final[Mapping[str, Constraint]] = {"uniquehost": "uniqueHost"}
"""Supported constraints by their name in lower case: Titus compares without case."""

CONSTRAINTS_OF_TITUS_ONLY: Final = (
    "exclusiveHost",
    "zoneBalance",
    "activeHost",
    "availabilityZone",
    "machineId",
    "machineType",
    "machineGroup",
    "cpuModel",
    "toleration",
    "kubeBackend",
)

JOB_FIELDS_OF_TITUS_ONLY: Final = (
    "disruptionBudget",
    "networkConfiguration",
    "extraContainers",
    "volumes",
    "platformSidecars",
)
CONTAINER_FIELDS_OF_TITUS_ONLY: Final = ("volumeMounts",)
RESOURCES_OF_TITUS_ONLY: Final = ("gpu", "efsMounts", "signedAddressAllocations")
SERVICE_FIELDS_OF_TITUS_ONLY: Final = ("migrationPolicy", "serviceJobProcesses")

STRIPPED_ATTRIBUTES: Final = ("titus.sanitization.", "titus.runtimePrediction.")
"""Titus writes these itself; a caller's are dropped, so that nobody can forge them."""

KILL_GRACE_ATTRIBUTE: Final = "titusParameter.agent.killWaitSeconds"
"""The container attribute by which Titus' users set the seconds from SIGTERM to SIGKILL."""
