"""The measures that rules of alerts may name: a closed set, each with its unit and meaning.

The one thing to know: a measure is a whole number, or one for each set of labels. Those of kind
``process`` are what the process that folds knows beside it; all others follow from the cell log,
so every process that folds the log as far has the same.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

Unit = Literal["count", "ms", "ppm", "milli", "truth"]
"""How a threshold is written: 12, 90s, 20%, 14.4, and 0 (of what is or is not)."""
Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""
Series = dict[Labels, int]
NO_LABELS: Final[Labels] = ()
PPM: Final = 1_000_000


class Measure(NamedTuple):
    """What can be measured."""

    name: str
    unit: Unit
    meaning: str
    labels: tuple[str, ...] = ()
    source: Literal["log", "process"] = "log"


_ALL: Final[Iterable[Measure]] = (
    Measure("tasks_queued", "count", "tasks that wait for a host"),
    Measure(
        "tasks_queued_of_group",
        "count",
        "the same by capacity group",
        ("capacity_group",),
    ),
    Measure("tasks_waiting_1m", "count", "tasks that have waited for a host for over a minute"),
    Measure("tasks_waiting_5m", "count", "the same of five minutes"),
    Measure("tasks_waiting_10m", "count", "the same of ten minutes"),
    Measure("tasks_waiting_15m", "count", "the same of fifteen minutes"),
    Measure("oldest_wait", "ms", "how long the task has waited for a host that waits longest"),
    Measure("start_latency_p50", "ms", "from wanted to started, of the last ten minutes' starts"),
    Measure("start_latency_p99", "ms", "the same of the slowest hundredth"),
    Measure("launch_latency_p50", "ms", "from launch to started, of the last ten minutes' starts"),
    Measure("launch_latency_p99", "ms", "the same of the slowest hundredth"),
    Measure("offers_held", "count", "offers that are the cell's to use"),
    Measure("offers_starved", "ms", "for how long tasks have waited and no offer was held"),
    Measure("hosts", "count", "hosts that have offered something or run a task"),
    Measure("hosts_idle", "count", "hosts without a task of the cell"),
    Measure("hosts_idle_share", "ppm", "their share of all hosts"),
    Measure("hosts_away", "count", "hosts that get no tasks for their health"),
    Measure("hosts_away_share", "ppm", "their share of all hosts"),
    Measure(
        "consumer_lag",
        "ms",
        "how old inbound records were when the leader copied them, the oldest of the last minute",
        ("topic",),
    ),
    Measure("publish_lag", "count", "records whose changes are not in topic job-events yet"),
    Measure("leader_silent", "ms", "since the last record of the log"),
    Measure("safe", "truth", "1 while the cell is safe and does nothing that is only inferred"),
    Measure("orphans", "count", "tasks without history that nobody confirmed"),
    Measure("tasks_silent", "count", "tasks whose heartbeat stays away"),
    Measure("crash_loops", "count", "jobs whose tasks fail again and again"),
    Measure("jobs_late", "count", "jobs of which a demand of time is at risk or missed"),
    Measure("tasks_crashed", "count", "tasks that ended by our fault within ten minutes"),
    Measure("tasks_failed", "count", "tasks that ended by their own fault within ten minutes"),
    Measure(
        "slo_budget_left",
        "ppm",
        "what is left of an objective's budget of thirty days; below 0 it is overdrawn",
        ("name", "scope", "slo"),
    ),
    Measure(
        "slo_burn",
        "milli",
        "how fast a budget burns, the lesser of a long and a short window; 1 lasts thirty days; "
        "0 below five bad events in the long one",
        ("name", "scope", "slo", "window"),
    ),
    Measure(
        "pages",
        "truth",
        "1 for fifteen minutes after the fold paged (docs/safe-mode.md)",
        ("about", "kind"),
    ),
    Measure(
        "process_pages",
        "count",
        "pages of a process itself within fifteen minutes (docs/runbooks/process-paged.md)",
        ("about", "process"),
        "process",
    ),
    Measure("fold_lag", "count", "records that this process has not folded yet", (), "process"),
    Measure(
        "cell_full_share",
        "ppm",
        "of the cell's rated size the part that is used: hosts, tasks or launches, the largest",
        (),
        "process",
    ),
    Measure("fold_halted", "truth", "1 while this process' fold is halted", (), "process"),
)
MEASURES: Final[Mapping[str, Measure]] = {each.name: each for each in _ALL}


class OfProcess(msgspec.Struct, frozen=True):
    """What the process that folds knows beside the log: the measures of that kind."""

    values: Mapping[str, Series] = {}
    notes: Mapping[tuple[str, Labels], str] = {}
    """As those of a `Sample`."""


class Sample(msgspec.Struct, frozen=True):
    """All measures at one instant of the log's time."""

    at_ms: int
    offset: int
    values: dict[str, Series]
    notes: dict[tuple[str, Labels], str] = {}
    """What there is to say of a value beside its number, by measure and labels."""


def shown_value(value: int, unit: Unit) -> str:
    """A value as people read it; a budget that is overdrawn many times over is just that."""
    return "overdrawn" if unit == "ppm" and value < -PPM else shown(value, unit)


def shown(value: int, unit: Unit) -> str:
    """A threshold as it is written."""
    match unit:
        case "ms":
            return f"{value / 1_000:g} s"
        case "ppm":
            return f"{value / 10_000:g} %"
        case "milli":
            return f"{value / 1_000:g}"
        case _:
            return str(value)
