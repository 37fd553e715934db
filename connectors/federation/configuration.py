"""The federation's configuration: which cells there are, and by which rules jobs are routed.

The one thing to know: it is an event of topic ``federation``, whole each time. Whoever routes folds
that topic, so the front, the forwarder of records and a replay of either agree on who went where.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import re2

from scheduler.model.reading.bad_bytes import BAD_BYTES

TIMEOUT_MS: Final = 3_000
TIMEOUT_MS_MIN: Final = 100
TIMEOUT_MS_MAX: Final = 60_000
"""A cell that takes a minute is of no use to who waits; a request as a whole may take longer, see
`connectors.federation.app.request_s`."""
RULES_MAX: Final = 1_000
PATTERN_CHARACTERS_MAX: Final = 1_000
PATTERN_BYTES_MAX: Final = 1 << 20
"""Of a compiled pattern; re2 refuses what would be larger."""
PERCENT_ALL: Final = 100


class FederatedCell(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One cell and where its API is."""

    name: str
    api: str
    region: str = ""
    """Cells of one region fail together; an evacuation is of a region."""
    is_closed: bool = False
    """It gets no new jobs, unless they ask for it by name."""


class Route(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Jobs whose capacity group or application matches, as a whole, go to this cell."""

    cell: str
    capacity_group: str = ""
    application_name: str = ""


class Configuration(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """All of the federation's rules."""

    cells: tuple[FederatedCell, ...]
    default: str
    stack: str = ""
    """Stamped on every job as ``titus.stack``."""
    gpu_cell: str = ""
    """Jobs that ask for GPUs go there before any other rule is looked at."""
    routes: tuple[Route, ...] = ()
    capacity_groups: dict[str, dict[str, int]] = {}
    """By group and cell: percent of what the group is guaranteed; 100 together."""
    timeout_ms: int = TIMEOUT_MS
    """How long one cell is waited for when all are asked."""
    version: int = 1

    def cell(self, name: str) -> FederatedCell | None:
        """The cell of this name."""
        return next((each for each in self.cells if each.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The cells' names, in order."""
        return tuple(each.name for each in self.cells)


def configuration_of(data: bytes) -> Configuration:
    """The configuration that this JSON is; raises `ValueError` with all that is wrong with it."""
    try:
        found = msgspec.json.decode(data, type=Configuration)
    except BAD_BYTES as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if faults := faults_of(found):
        raise ValueError("; ".join(faults))
    return found


def faults_of(given: Configuration) -> list[str]:
    """What is wrong with the configuration, as sentences."""
    names = given.names
    faults = []
    if not names:
        faults.append("cells: there is none")
    if len(set(names)) != len(names):
        faults.append("cells: two have the same name")
    if not TIMEOUT_MS_MIN <= given.timeout_ms <= TIMEOUT_MS_MAX:
        faults.append(f"timeoutMs: {TIMEOUT_MS_MIN} to {TIMEOUT_MS_MAX} are possible")
    if len(given.routes) > RULES_MAX:
        faults.append(f"routes: at most {RULES_MAX} are possible")
    for field, name in (("default", given.default), ("gpuCell", given.gpu_cell)):
        if name not in names and (name or field == "default"):
            faults.append(f"{field}: {name!r} is no cell; there are {', '.join(names)}")
    for number, route in enumerate(given.routes):
        faults += [f"routes[{number}].{each}" for each in _faults_of_route(route, names)]
    for group, shares in sorted(given.capacity_groups.items()):
        faults += [f"capacityGroups.{group}: {each}" for each in _faults_of_shares(shares, names)]
    return faults


def _faults_of_route(route: Route, names: tuple[str, ...]) -> list[str]:
    faults = []
    if route.cell not in names:
        faults.append(f"cell: {route.cell!r} is no cell; there are {', '.join(names)}")
    given = [each for each in (route.capacity_group, route.application_name) if each]
    if len(given) != 1:
        faults.append("capacityGroup: give it or applicationName, one of them")
    for pattern in given:
        if len(pattern) > PATTERN_CHARACTERS_MAX:
            faults.append(f"pattern: at most {PATTERN_CHARACTERS_MAX} characters are possible")
            continue
        try:
            compiled(pattern)
        except re2.error as error:
            faults.append(f"pattern: {pattern!r} is none: {error}")
    return faults


def _faults_of_shares(shares: Mapping[str, int], names: tuple[str, ...]) -> list[str]:
    faults = [f"{name!r} is no cell" for name in sorted(shares) if name not in names]
    if any(percent < 0 for percent in shares.values()):
        faults.append("a percentage is below 0")
    total = sum(shares.values())
    if total != PERCENT_ALL:
        faults.append(f"the percentages of all cells are {total} together; 100 are wanted")
    return faults


def compiled(pattern: str) -> "re2._Regexp[str]":
    """The pattern, which takes time in proportion to what it is matched with."""
    options = re2.Options()
    options.max_mem = PATTERN_BYTES_MAX
    options.log_errors = False
    return re2.compile(pattern, options)


def shared_out(count: int, shares: Mapping[str, int]) -> dict[str, int]:
    """So many instances over the cells by their percentages: the sum is the count, to the one."""
    exact = {name: count * percent for name, percent in sorted(shares.items())}
    found = {name: hundredfold // PERCENT_ALL for name, hundredfold in exact.items()}
    # The largest remainders first; of equal ones the first name.
    order = sorted(exact, key=lambda name: (-(exact[name] % PERCENT_ALL), name))
    for name in order[: count - sum(found.values())]:
        found[name] += 1
    return found
