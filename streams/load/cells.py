"""A hundred cells with a million hosts behind the federation's front: in made-up time, one by one.

The one thing to know: cells share nothing, so their rates add up; what is common to them is the
front. So each cell runs in a process of its own, some at a time, and the front's own code (hash,
routes, pages that are merged of all cells) is measured with as many cells as there are.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
import orjson

from connectors.federation.configuration import Configuration, FederatedCell
from connectors.federation.paging import after, cursor_of, part_of, places_of, shares
from connectors.federation.routing import hashed, routed
from streams.load import mix
from streams.load.one_cell import AskedCell, CellFigures, cell_names
from streams.supervise.answering import answer_of

CELL_S_MAX: Final = 1_800.0
ROUTED_JOBS: Final = 2_000
PAGE: Final = 100
PAGES: Final = 20


class Front(msgspec.Struct, frozen=True):
    """What the front's own code costs with so many cells, on one core."""

    cells: int
    routed_per_s: float
    hashed_per_s: float
    merged_pages_per_s: float
    spread: float
    """Jobs of the fullest cell over the mean, by the hash."""


def run_cells(
    cells: int, hosts: int, launches: int, seed: int, at_once: int
) -> Iterator[CellFigures]:
    """The figures of each cell, in their order; so many run at a time."""
    asked = [AskedCell(name, cells, hosts, launches, seed) for name in cell_names(cells)]
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(_one, asked)


def _one(asked: AskedCell) -> CellFigures:
    return answer_of(
        "streams.load.one_cell",
        [msgspec.json.encode(asked).decode()],
        CellFigures,
        environment={},
        timeout_s=CELL_S_MAX,
        what=asked.cell,
        advice="Try fewer --hosts or a smaller --at-once, if memory was short.",
    )


def measure_front(cells: int, seed: int) -> Front:
    """Routes, hashes and merged pages a second, over as many cells."""
    names = cell_names(cells)
    given = Configuration(
        tuple(FederatedCell(name, f"http://127.0.0.1/{name}") for name in names), names[0]
    )
    plans = [plan for plan, _ in zip(mix.jobs(seed, 10_000_000), range(ROUTED_JOBS), strict=False)]
    descriptors = [orjson.loads(each.body) for each in plans]
    routed_s = _spent_s(lambda: [routed(given, each) for each in descriptors])
    counts = dict.fromkeys(names, 0)

    def hash_all() -> None:
        for each in plans:
            counts[hashed(names, each.job_id)] += 1

    hashed_s = _spent_s(hash_all)
    item = {"id": "job", "jobDescriptor": descriptors[0], "status": {"state": "Accepted"}}
    merged_s = _spent_s(lambda: _merge_pages(names, item))
    return Front(
        cells,
        round(len(plans) / routed_s, 1),
        round(len(plans) / hashed_s, 1),
        round(PAGES / merged_s, 1),
        round(max(counts.values()) * cells / len(plans), 3),
    )


def _merge_pages(names: tuple[str, ...], item: dict[str, Any]) -> None:
    """A reader goes through pages of a list that every cell has a part of."""
    cursor = ""
    for _ in range(PAGES):
        places = places_of(cursor, names)
        parts = [part_of(name, _page(count, item)) for name, count in shares(PAGE, places).items()]
        orjson.dumps([each for part in parts for each in part.items])
        cursor = cursor_of(after(places, parts))


def _page(count: int, item: dict[str, Any]) -> bytes:
    where = {"hasMore": True, "totalItems": 1_000, "cursor": "v3-next"}
    return orjson.dumps({"items": [item] * count, "pagination": where})


def _spent_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return max(time.process_time() - began_s, 1e-9)


def markdown(cells: list[CellFigures], front: Front, command: str, date: str, machine: str) -> str:
    """The report as a page."""
    hosts = sum(each.hosts for each in cells)
    launches = sum(each.launches for each in cells)
    seconds = sum(each.launches_s for each in cells)
    rates = sorted(each.launches_per_s for each in cells)
    rss = sorted(each.rss_mib for each in cells)
    lines = [
        f"# {len(cells)} cells with {hosts:,} simulated hosts, {date}",
        "",
        f"`{command}`, {machine}. Seconds are of a processor.",
        "",
        "| figure | value |",
        "| --- | ---: |",
        f"| launches, all started: {all(e.started >= e.launches for e in cells)} | {launches:,} |",
        (
            f"| launches a second of one cell on one core: least, median, most | {rates[0]:,.0f}, "
            f"{rates[len(rates) // 2]:,.0f}, {rates[-1]:,.0f} |"
        ),
        f"| all cells together, a core for each (they share nothing) | {sum(rates):,.0f}/s |",
        f"| memory of one cell, MiB: median, most | {rss[len(rss) // 2]:,.0f}, {rss[-1]:,.0f} |",
        f"| bytes of the log for a launch | {sum(e.bytes_written for e in cells) // launches:,} |",
        f"| processor time of all launches, s | {seconds:,.1f} |",
        f"| front, {front.cells} cells: routes a second | {front.routed_per_s:,.0f} |",
        f"| front: hashes a second | {front.hashed_per_s:,.0f} |",
        f"| front: merged pages of {PAGE} a second | {front.merged_pages_per_s:,.1f} |",
        f"| jobs of the fullest cell over the mean | {front.spread} |",
        "",
        (
            "Real: machine, codec, rounds and placement of each cell; the front's hash, routes and "
            "merging. Modelled: hosts, their master and time. Not there: Kafka and HTTP, whose "
            "share `flumina load` measures. Cells ran some at a time, in processes of their own."
        ),
        "",
        "| cell | hosts | jobs | launches | launches/s | offers s | MiB | digest |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {e.cell} | {e.hosts:,} | {e.jobs} | {e.launches:,} | {e.launches_per_s:,.0f} | "
        f"{e.offers_s} | {e.rss_mib:.0f} | {e.digest[:12]} |"
        for e in cells
    ]
    return "\n".join(lines) + "\n"
