"""Rules of a job about where its tasks may run, as closed values.

The one thing to know: the same value is a hard constraint or a soft one by where it stands in the
job. A hard one refuses a host and says why; a soft one lowers its fitness. What each kind means is
in `scheduler.constraints`, and nowhere else.
Names are those of Titus' API v3 (S19, S22) and of Fenzo 1.0.1, where these have them.
"""

from typing import Literal

from scheduler.model.base import Ours

ConstraintKind = Literal[
    "activeHost",
    "availabilityZone",
    "awayFromJob",
    "balancedAttribute",
    "exclusiveHost",
    "hostAttribute",
    "hostAttributeIn",
    "hostAttributeUnlike",
    "machineGroup",
    "machineId",
    "machineType",
    "nearJob",
    "nearVolume",
    "toleration",
    "uniqueHost",
    "zoneBalance",
]
"""All that a job can ask for."""


class Constraint(Ours, frozen=True, order=True, tag=False):
    """One rule. ``attribute`` and ``values`` are empty where the kind needs none.

    | kind | attribute | values |
    | --- | --- | --- |
    | uniqueHost, exclusiveHost, zoneBalance, activeHost | | |
    | availabilityZone, machineType, machineId, machineGroup | | the one wanted |
    | hostAttribute | its name | the one it must equal |
    | hostAttributeIn, hostAttributeUnlike | its name | those it must, must not be among |
    | balancedAttribute | its name | |
    | toleration | | the taints that the job bears |
    | nearJob, awayFromJob | host attribute, empty for the host itself | the job's id |
    | machineId, availabilityZone of the cell itself | what stays there | the one wanted |
    | nearVolume | | the volume's name: hosts name theirs in the attribute ``volumes`` |
    """

    kind: ConstraintKind
    attribute: str = ""
    values: tuple[str, ...] = ()
    weight: int = 1
    """What a soft one counts in the mean of all soft ones; a hard one's is 1."""
