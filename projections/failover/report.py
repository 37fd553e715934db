"""The drill's report: both modes side by side, and the numbers that the world was modelled by.

The one thing to know: a promise that was not kept is said first.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from projections.failover.drill import WayResult
from projections.failover.numbers import HOST_SOURCE, REGISTRY_SOURCE, THROTTLE_SOURCE, Numbers

SECONDS_MAX: Final = 300.0
"""What Netflix reports for 7,500 containers: five minutes."""
CONTROL_PLANE_SECONDS_MAX: Final = 60.0


class DrillReport(msgspec.Struct, frozen=True, rename="camel"):
    """What came of both modes, and whether it was what is promised."""

    numbers: Numbers
    ways: tuple[WayResult, ...]
    broken: tuple[str, ...]
    """Promises that were not kept; none is as it should be."""

    @property
    def pack(self) -> WayResult:
        """The mode in which an evacuation is done."""
        return next(each for each in self.ways if each.way == "pack")

    @property
    def spread(self) -> WayResult:
        """The mode of every day."""
        return next(each for each in self.ways if each.way == "spread")


def report_of(numbers: Numbers, ways: Sequence[WayResult]) -> DrillReport:
    """The report of these runs."""
    found = DrillReport(numbers, tuple(ways), ())
    pack, spread = found.pack, found.spread
    broken = []
    if pack.started < pack.tasks:
        broken.append(f"packed, {pack.started} of {pack.tasks} tasks started")
    if pack.seconds >= SECONDS_MAX:
        broken.append(f"packed, it took {pack.seconds:.0f} s; {SECONDS_MAX:.0f} are allowed")
    if spread.started == spread.tasks and pack.seconds >= spread.seconds:
        broken.append(f"pack took {pack.seconds:.0f} s and spread {spread.seconds:.0f} s")
    broken += [
        f"{each.way}: the control plane took {each.control_plane_seconds:.1f} s of a processor"
        for each in found.ways
        if each.control_plane_seconds >= CONTROL_PLANE_SECONDS_MAX
    ]
    return msgspec.structs.replace(found, broken=tuple(broken))


ROWS: Final = (
    ("tasks that came", "tasks"),
    ("started", "started"),
    ("seconds until the last one ran (modelled)", "seconds"),
    ("hosts used by them", "hosts_used"),
    ("images fetched", "pulls"),
    ("fetched, GB", "pulled_gb"),
    ("image was there", "warm_images"),
    ("interfaces bound", "binds"),
    ("interface was bound already", "warm_interfaces"),
    ("waited for the cloud's calls, s, all together", "waited_for_calls_seconds"),
    ("ended as stuck, and started anew", "kills"),
    ("control plane, s of a processor (measured)", "control_plane_seconds"),
    ("events", "events"),
    ("records of the log", "records"),
)


def rows_of(report: DrillReport) -> list[tuple[str, str, str]]:
    """What is shown of both: a title, spread's figure, pack's."""
    spread, pack = report.spread, report.pack
    rows = [
        (title, _shown(getattr(spread, name)), _shown(getattr(pack, name))) for title, name in ROWS
    ]
    by_way = [dict(each.started_by_seconds) for each in (spread, pack)]
    return rows + [
        (
            f"{percent} % ran by second",
            str(by_way[0].get(percent, "-")),
            str(by_way[1].get(percent, "-")),
        )
        for percent in (50, 90, 99, 100)
    ]


def markdown(report: DrillReport) -> str:
    """The report as a page."""
    numbers, pack = report.numbers, report.pack
    what = (
        f"{numbers.tasks} tasks of {numbers.applications} applications ({numbers.batch_percent} % "
        f"of them batch) come to {pack.hosts} hosts on which {numbers.residents_percent} % as many "
        "were spread before. Both runs begin with the same fleet."
    )
    waits = (
        "Modelled: time, the master's offers, and on each host what a task waits for: its image "
        f"(hosts fetch one after the other, at {numbers.pull_mb_per_second} MB/s) and its "
        "interface (bound once for each set of security groups, by a call of which the cloud "
        f"takes {numbers.calls_per_second} a second). The first task on a host pays, the next ones "
        "wait for the rest of it. Hosts begin with the images and interfaces of what runs there."
    )
    lines = [
        "# Failover drill: a region's tasks into a fleet that was spread",
        "",
        *(f"**Not kept:** {each}." for each in report.broken),
        what,
        "",
        "`flumina failover drill --report FILE` writes this page.",
        "",
        "| | spread (mode `normal`) | pack (mode `failover`) |",
        "| --- | ---: | ---: |",
        *(f"| {' | '.join(row)} |" for row in rows_of(report)),
        "",
        "## What is real, and what is modelled",
        _REAL,
        "",
        waits,
        "",
        f"- Images: {REGISTRY_SOURCE}.",
        f"- Calls: {THROTTLE_SOURCE}.",
        f"- Hosts: {HOST_SOURCE}.",
        _NETFLIX,
        "",
        "| number | value |",
        "| --- | ---: |",
        *(f"| `{name}` | {getattr(numbers, name)} |" for name in Numbers.__struct_fields__),
        "",
        "Each number's source or assumption stands beside it in `projections/failover/numbers.py`.",
    ]
    return "\n".join(lines) + "\n"


_REAL: Final = (
    "Real: the machine with its fold, its rounds and its placement, the codec of every record, all "
    "decisions of the log from offers to launches, time-outs included. Their time is that of a "
    "processor, measured. Left out: Kafka, HTTP and the federation's own requests."
)
_NETFLIX: Final = (
    "- Netflix' own figure, 7,500 containers in 5 minutes, is what the drill is held against; how "
    "it was measured is not published, so this is no comparison of the two."
)


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
