"""All drills, by name.

The one thing to know: a new drill is a module beside this one and a row here; `docs/drills.md`
describes each, and a test holds the two lists together.
"""

from typing import Final

from streams.drills.container_crash import CONTAINER_CRASH
from streams.drills.control_plane_down import CONTROL_PLANE_DOWN
from streams.drills.crash_loop import CRASH_LOOP
from streams.drills.drill import Drill
from streams.drills.empty_state import EMPTY_STATE
from streams.drills.host_crash import HOST_CRASH
from streams.drills.kafka_lost import KAFKA_LOST
from streams.drills.master_lost_tasks import MASTER_LOST_TASKS
from streams.drills.operator_mistake import OPERATOR_MISTAKE
from streams.drills.schema_drift import SCHEMA_DRIFT
from streams.drills.wrong_snapshot import WRONG_SNAPSHOT

DRILLS: Final[tuple[Drill, ...]] = (
    CONTROL_PLANE_DOWN,
    CONTAINER_CRASH,
    HOST_CRASH,
    CRASH_LOOP,
    MASTER_LOST_TASKS,
    EMPTY_STATE,
    WRONG_SNAPSHOT,
    KAFKA_LOST,
    OPERATOR_MISTAKE,
    SCHEMA_DRIFT,
)
"""In the order in which `flumina drill all` runs them."""


def drill_named(name: str) -> Drill | None:
    """The drill of this name."""
    return next((each for each in DRILLS if each.name == name), None)
