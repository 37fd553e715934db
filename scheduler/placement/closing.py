"""Which hosts get nothing at all for now, by the rules of the system, and why.

The one thing to know: these rules ask nothing of a request, so a host is open or closed for all of
them, and the first rule that closes it is kept as a number beside its other numbers.
"""

from typing import Final

from scheduler.constraints.fixed import zone_refusal
from scheduler.constraints.moving import taken_refusal
from scheduler.model.rules import Guards, PlacementRules
from scheduler.placement.slot import Slot

CLOSED_BY: Final = (
    "",
    "gone",
    "offers",
    "draining",
    "lostZone",
    "quality",
    "launchingLimit",
    "launchRate",
    "exclusiveHost",
)
"""Rules of the system in the order in which they are asked; the column `closed` has their number.
Hosts that are ``gone`` or have nothing on offer are counted in no refusal."""
NUMBERS: Final = {name: number for number, name in enumerate(CLOSED_BY)}
GONE: Final = NUMBERS["gone"]
UNOFFERED: Final = NUMBERS["offers"]
PASSING: Final = tuple(NUMBERS[name] for name in ("", "offers", "launchingLimit", "launchRate"))
"""What closes a host only for the moment."""


def closed_by(slot: Slot, guards: Guards) -> int:
    """The number of the first rule of the system by which the host gets nothing now; or 0."""
    view = slot.view
    assert view is not None
    if not view.is_offered:
        return UNOFFERED
    if not slot.takes:
        return NUMBERS["lostZone" if view.is_schedulable else "draining"]
    if slot.quality < guards.quality_least_milli:
        return NUMBERS["quality"]
    if 0 < guards.launching_per_host_max <= slot.launching:
        return NUMBERS["launchingLimit"]
    if 0 < guards.launches_per_host_per_minute <= slot.launches:
        return NUMBERS["launchRate"]
    return 0 if slot.exclusive_job is None else NUMBERS["exclusiveHost"]


def why_closed(slot: Slot, rules: PlacementRules) -> str:
    """The rule of the system that closes the host, in words."""
    guards = rules.guards
    match CLOSED_BY[slot.closed]:
        case "draining":
            return "it drains, is disabled, or is kept away"
        case "lostZone":
            return zone_refusal(slot.attributes, rules)
        case "quality":
            least = guards.quality_least_milli
            return f"its quality is {slot.quality} of 1,000, {least} is the least allowed"
        case "launchingLimit":
            most = guards.launching_per_host_max
            return f"{slot.launching} tasks are being launched there, {most} may be at once"
        case "launchRate":
            most = guards.launches_per_host_per_minute
            return f"{slot.launches} tasks were launched there in a minute, {most} may be"
        case _:
            return taken_refusal(slot.exclusive_job)
