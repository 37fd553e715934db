"""How much GPU our policy allocates on the Alibaba trace, beside what its authors published.

Nine mixes, ten seeds each, three policies, all through the product's index of hosts, one pod at a
time: `projections.simulate.openb` has the protocol. What is compared are shares and no times, so a
busy machine changes nothing. The trace lies beside the checkout and is no part of it; without it
there is nothing to measure, and that is said.

    python -m tests.benchmark.openb            nine mixes, seeds 42 to 51
    python -m tests.benchmark.openb --quick    one mix, one seed
"""

import argparse
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from projections.simulate.openb import median_series, points_of, series_of
from streams.traces.openb import drawn, read_nodes, read_pods
from streams.traces.policies import named_rules
from streams.traces.published import read_published
from tests.benchmark.figures import IS_QUICK, ROOT, Peer, print_figure

TRACE = ROOT.parent / "shared" / "data" / "cluster-openb"
MIXES = (
    *("default", "cpu050", "cpu200", "gpushare40", "gpushare80"),
    *("gpuspec10", "gpuspec25", "multigpu20", "multigpu40"),
)
POLICIES = ("gpu", "fgd", "bestfit")
SEEDS = range(42, 43) if IS_QUICK else range(42, 52)
DEMAND = 130
TIE_POINTS = 0.5
"""What the data's own protocol calls a tie."""
PROCESSES = 2
MARK = 100
Series = dict[int, tuple[float, float]]


class Run(NamedTuple):
    """One policy on one queue."""

    mix: str
    policy: str
    seed: int


def pods_of(mix: str) -> Path:
    """The file of a mix."""
    return TRACE / f"openb_pod_list_{mix}.csv.gz"


def series(run: Run) -> Series:
    """What came of a run, by per cent of demand."""
    hosts = read_nodes(TRACE / "openb_node_list_gpu_node.csv.gz")
    capacity_milli = 1_000 * sum(len(view.gpus) for view in hosts)
    queue = drawn(read_pods(pods_of(run.mix)), capacity_milli, DEMAND, run.seed)
    [policy] = named_rules([run.policy])
    points = points_of(hosts, queue, policy.rules, is_learning=policy.is_learning)
    return series_of(list(points))


def main() -> None:
    """Run all, then print a figure for each mix, and the worst of them."""
    if not TRACE.is_dir():
        print(
            f"openb: skipped, there is no {TRACE}: the trace is no part of the checkout.",
            file=sys.stderr,
        )
        return
    mixes = MIXES[:1] if IS_QUICK else MIXES
    runs = [Run(mix, policy, seed) for mix in mixes for policy in POLICIES for seed in SEEDS]
    with get_context("spawn").Pool(PROCESSES) as pool:
        found = dict(zip(runs, pool.map(series, runs, chunksize=1), strict=True))
    lead = []
    for mix in mixes:
        at = {
            policy: median_series([found[Run(mix, policy, seed)] for seed in SEEDS])[MARK]
            for policy in POLICIES
        }
        published = read_published(TRACE / "published", mix, (MARK,))
        fgd = published["FGD"]["gpu_allocated_at_100"]
        lead.append(at["gpu"][0] - fgd)
        print_figure(
            "openb",
            f"{mix}: GPU allocated at {MARK} % demand",
            at["gpu"][0],
            "%",
            samples=len(SEEDS),
            peer=Peer("published FGD", fgd),
            fgd_here=round(at["fgd"][0], 2),
            bestfit_here=round(at["bestfit"][0], 2),
            bestfit_published=published["BestFit"]["gpu_allocated_at_100"],
            fragmented=round(at["gpu"][1], 2),
        )
    print_figure(
        "openb",
        "points by which the worst mix is below the published FGD",
        -min(lead),
        "points",
        samples=len(lead),
        target=TIE_POINTS,
        mixes_above=sum(each > 0 for each in lead),
    )


if __name__ == "__main__":
    # A word that was meant as an option must not start minutes of work.
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true", help="one mix, one seed")
    words.parse_args()
    main()
