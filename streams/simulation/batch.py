"""Many seeds one after the other, or beside each other, and what they came to.

The one thing to know: seeds share nothing, so how many run at a time changes no outcome.
"""

import gc
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from streams.simulation.drawing import drawn_script
from streams.simulation.run import run_script
from streams.simulation.world import Outcome


def run_seed(seed: int, hours: float) -> tuple[Outcome, float]:
    """What a seed came to, and the processor time that it took."""
    begun_s = time.process_time()
    outcome = run_script(drawn_script(seed, hours))
    return outcome, time.process_time() - begun_s


def run_seeds(
    seeds: Sequence[int], hours: float, workers: int = 1
) -> Iterator[tuple[Outcome, float]]:
    """What each seed came to and the processor time it took, in the order of the seeds."""
    if workers <= 1:
        gc.freeze()  # What a run leaves is looked for behind each; the program itself need not be.
        try:
            for seed in seeds:
                yield run_seed(seed, hours)
        finally:
            gc.unfreeze()
        return
    with ProcessPoolExecutor(workers, initializer=gc.freeze) as pool:
        yield from pool.map(partial(run_seed, hours=hours), seeds, chunksize=4)
